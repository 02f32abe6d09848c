/** A Postgres of its own for a test: in a temporary folder, on a free port of the loopback, gone with the process. */
import { execFileSync, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const DEBIAN = '/usr/lib/postgresql'
const PASSWORD = 'the superuser’s own'
const START_MS = 30_000
const QUICK = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off']
/** After a kill only what is written is to be looked through, not each file opened: a tenth of the time. */
const QUICK_RECOVERY = 'recovery_init_sync_method=syncfs'

/** The one migration's folder. */
export const MIGRATIONS: string = fileURLToPath(new URL('../../migrations/', import.meta.url))
/** The roles and the schema that a Supabase project has. */
export const SUPABASE_ROLES: string = fileURLToPath(new URL('supabase-roles.sql', import.meta.url))

/** Who connects to what; the superuser to `postgres` when nothing is said. */
export interface Login {
  readonly user?: string
  readonly password?: string
  readonly database?: string
}

/** A running server. */
export interface PostgresServer {
  readonly port: number
  url(login?: Login): string
  /** Runs SQL, or a file, as `psql` does; resolves with its output, rejects with its error. */
  psql(input: { readonly sql: string } | { readonly file: string }, login?: Login): Promise<string>
  /** Ends the server as an administrator would, or as a power cut would: with all its processes and at once. */
  stop(how?: 'fast' | 'kill'): Promise<void>
  /** Starts it again on the same port. */
  start(): Promise<void>
  /** Ends it and takes its folder away. */
  remove(): Promise<void>
}

/** Why there is no Postgres here, false when there is. Fits a suite's `skip`. */
export function withoutPostgres(): string | false {
  // The pipeline has everything: there a suite without a database fails.
  if (process.env['CI'] === 'true') return false
  return binaries() === null ? 'Postgres is not installed (Debian: postgresql)' : false
}

/** Why an extension is not here, false when it is. Fits a suite's `skip`. */
export function withoutExtension(name: string, debian: string): string | false {
  const version = newestVersion()
  if (process.env['CI'] === 'true') return false
  if (version === null) return withoutPostgres()
  const isHere = existsSync(`/usr/share/postgresql/${version}/extension/${name}.control`)
  return !isHere && `${name} is not installed (Debian: postgresql-${version}-${debian})`
}

/** Starts a new server. `durable`: commits reach the disk. `settings`: further ones, as `name=value`. */
export async function startPostgres({
  durable = false,
  settings = [],
}: { readonly durable?: boolean; readonly settings?: readonly string[] } = {}): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'loomi-postgres-'))
  const data = join(folder, 'data')
  const account = postgresAccount()
  if (account) chownSync(folder, account.uid, account.gid)
  const forget = onLeaving(() => {
    // At once, but with time to give its shared memory back; the file is the last thing that it lets go of.
    server?.kill('SIGQUIT')
    for (let waits = 0; waits < 150 && existsSync(join(data, 'postmaster.pid')); waits++) pause(20)
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  let server: ChildProcess | null = null
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, PASSWORD)
  if (account) chownSync(passwordFile, account.uid, account.gid)
  const initdb = ['-D', data, '-U', 'postgres', '-E', 'UTF8', '--locale=C.UTF-8', '--pwfile', passwordFile]
  await run('initdb', [...initdb, '--auth=scram-sha-256', '--no-sync', '--no-instructions'], {
    ...account,
    cwd: folder,
  })
  const port = await freePort()
  const options = ['listen_addresses=127.0.0.1', `port=${port}`, `unix_socket_directories=${folder}`]
  options.push('max_connections=200', QUICK_RECOVERY, ...(durable ? [] : QUICK), ...settings)

  async function start(): Promise<void> {
    const end = Date.now() + START_MS
    for (;;) {
      const objection = await tryToStart(end)
      if (objection === null) return
      // After a kill its memory counts as in use until the last of its processes is gone.
      const isLeaving = objection.includes('shared memory block') && Date.now() < end
      if (!isLeaving) throw new Error(`Postgres does not start:\n${objection}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** What it says when it does not start, null when it does. */
  async function tryToStart(end: number): Promise<string | null> {
    const args = ['-D', data, ...options.flatMap((option) => ['-c', option])]
    const child = spawn(binary('postgres'), args, {
      ...account,
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    server = child
    let log = ''
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4000)))
    const ended = new Promise((resolve) => child.once('close', resolve))
    while (!(await isReady(port))) {
      if (Date.now() > end) child.kill('SIGQUIT')
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > end) {
        await ended
        return log
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return null
  }

  async function stop(how: 'fast' | 'quit' | 'kill' = 'fast'): Promise<void> {
    const running = server
    if (!running?.pid || running.exitCode !== null || running.signalCode !== null) return
    const ended = new Promise((resolve) => running.once('exit', resolve))
    if (how === 'kill') killAll(running.pid)
    else running.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT')
    await ended
    server = null
  }

  const url = ({ user = 'postgres', password = PASSWORD, database = 'postgres' }: Login = {}): string =>
    `postgres://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`

  await start()
  return {
    port,
    url,
    stop,
    start,
    psql(input, login) {
      const args = ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', url(login)]
      return run('psql', [...args, ...('file' in input ? ['-f', input.file] : ['-c', input.sql])])
    },
    async remove() {
      await stop('quit')
      forget()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

function binaries(): string | null {
  const version = newestVersion()
  return version === null ? null : join(DEBIAN, version, 'bin')
}

function newestVersion(): string | null {
  if (!existsSync(DEBIAN)) return null
  const versions = readdirSync(DEBIAN).filter((version) => existsSync(join(DEBIAN, version, 'bin/postgres')))
  return versions.toSorted((a, b) => Number(b) - Number(a))[0] ?? null
}

function binary(name: string): string {
  return join(binaries() ?? '', name)
}

/** As whom Postgres and its pooler run, which refuse to as root; null when we are not root. */
export function postgresAccount(): { readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

function run(name: string, args: readonly string[], options: SpawnOptions = {}): Promise<string> {
  const child = spawn(binary(name), args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let [output, errors] = ['', '']
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) =>
      code === 0 ? resolve(output) : reject(new Error(`${name} ended with ${code}: ${errors}`)),
    )
  })
}

async function isReady(port: number): Promise<boolean> {
  return run('pg_isready', ['-h', '127.0.0.1', '-p', String(port)]).then(
    () => true,
    () => false,
  )
}

/** Waits where nothing else may happen: while the process ends. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** The postmaster and what it started, which lives in sessions of its own. */
function killAll(pid: number): void {
  let children: string[] = []
  try {
    // From here on it starts no more of them.
    process.kill(pid, 'SIGSTOP')
    children = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' }).split('\n')
  } catch {}
  for (const each of [pid, ...children.map(Number)]) {
    try {
      if (each > 0) process.kill(each, 'SIGKILL')
    } catch {}
  }
}

/** A port of the loopback that nobody has. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

/** Does it when the process ends, however it does short of SIGKILL; the answer forgets it. */
export function onLeaving(clean: () => void): () => void {
  const leave = (): never => process.exit(130)
  process.once('exit', clean)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, leave)
  return () => {
    process.off('exit', clean)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, leave)
  }
}
