/** A PgBouncer of its own for a test, before a given Postgres: on a free port of the loopback, gone with the process. */
import { spawn } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, onLeaving, postgresAccount, type PostgresServer, withoutPostgres } from './postgres.ts'
import { LOGINS } from './postgres-log.ts'

const BINARY = '/usr/sbin/pgbouncer'
const START_MS = 10_000

/** When a connection to the database is free for others: after each transaction, or when its client leaves. */
export type PoolMode = 'transaction' | 'session'

/** A running pooler. */
export interface Pooler {
  readonly port: number
  /** What it has written so far about what it does. */
  readonly log: string
  /** Has it do nothing, while what is sent to it waits, until it is thawed. */
  freeze(): void
  thaw(): void
  remove(): Promise<void>
}

/** Why there is no pooler here, false when there is. Fits a suite's `skip`. */
export function withoutPooler(): string | false {
  if (process.env['CI'] === 'true') return false
  return withoutPostgres() || (!existsSync(BINARY) && 'PgBouncer is not installed (Debian: pgbouncer)')
}

/**
 * Starts a pooler for the logins that the databases of `newDatabase` have. `connections`: how many it makes to each of them
 * at most. Its other settings are the ones that it comes with.
 */
export async function startPooler(
  { port: postgres }: PostgresServer,
  mode: PoolMode,
  connections = 20,
): Promise<Pooler> {
  const folder = mkdtempSync(join(tmpdir(), 'loomi-pooler-'))
  const port = await freePort()
  const write = (name: string, lines: readonly string[]): string => {
    const file = join(folder, name)
    writeFileSync(file, lines.join('\n'))
    return file
  }
  const users = Object.values(LOGINS).map(({ user, password }) => `"${user}" "${password}"`)
  const settings = write('pgbouncer.ini', [
    '[databases]',
    `* = host=127.0.0.1 port=${postgres}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = scram-sha-256',
    `auth_file = ${write('users', users)}`,
    `pool_mode = ${mode}`,
    `default_pool_size = ${connections}`,
  ])
  // It refuses to run as root.
  const account = postgresAccount()
  if (account)
    for (const path of [folder, settings, join(folder, 'users')]) chownSync(path, account.uid, account.gid)

  const child = spawn(BINARY, [settings], { ...account, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const forget = onLeaving(() => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text))
  child.once('error', (error) => (log += error.message))
  async function remove(): Promise<void> {
    child.kill('SIGKILL')
    await ended
    forget()
    rmSync(folder, { recursive: true, force: true })
  }

  for (const end = Date.now() + START_MS; !(await answers(port));) {
    if (child.exitCode !== null || child.pid === undefined || Date.now() > end) {
      await remove()
      throw new Error(`PgBouncer does not start:\n${log}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return {
    port,
    get log() {
      return log
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    remove,
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(port, '127.0.0.1')
    probe.once('connect', () => resolve(true)).once('error', () => resolve(false))
    probe.once('connect', () => probe.destroy())
  })
}
