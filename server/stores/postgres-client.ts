/**
 * One connection to a Postgres: whatever becomes of it, the process goes on, and it can be cut at once.
 *
 * @module
 */
import { Client, type ClientConfig } from 'pg'
import { publicUrl } from './postgres-errors.ts'

const CONNECT_MS = 5000
const KEEP_ALIVE_MS = 30_000
/** Goodbyes wait no longer. */
const LEAVE_MS = 1000

/** A database and how to connect to it. */
export interface PostgresTarget {
  /** The URL without its password. */
  readonly name: string
  /** The URL says that a connection is another's after each transaction: no settings, no LISTEN. */
  readonly isTransactionPooler: boolean
  /** The URL says how long a statement may take. */
  readonly hasLimit: boolean
  readonly config: ClientConfig
}

/** Throws `bad_option` for what is no URL. */
export function postgresTarget(url: string): PostgresTarget {
  const name = publicUrl(url)
  const parsed = new URL(url)
  const { searchParams: params } = parsed
  const isTransactionPooler = parsed.port === '6543' || params.get('pgbouncer') === 'true'
  // Without this word the driver has its own meaning of `require`, which refuses the certificates that Supabase makes.
  if (params.has('sslmode') && !params.has('uselibpqcompat')) params.set('uselibpqcompat', 'true')
  const config: ClientConfig = {
    connectionString: parsed.href,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    application_name: 'loomi-recovery',
  }
  const hasLimit =
    params.has('statement_timeout') || (params.get('options') ?? '').includes('statement_timeout')
  return { name, isTransactionPooler, hasLimit, config }
}

/** A connection that is still to be made; see the module. */
export class PostgresClient extends Client {
  /** Resolves when the connection is over, or could not be made. */
  readonly closed: Promise<void>
  /** Of the process that the server says we talk to; the driver's own field, which its types leave out. */
  declare readonly processID: number | null

  constructor(config?: ClientConfig) {
    // Not among the settings: a pool would take it for a limit on the wait for a free connection as well.
    super({ ...config, connectionTimeoutMillis: CONNECT_MS })
    // Calls are rejected with it; an error that nobody listens to would end the process.
    this.on('error', () => undefined)
    this.closed = new Promise((resolve) => this.once('end', resolve))
  }

  /** Whether nobody is in between; a pooler gives numbers of its own. To be asked once it is connected. */
  async isDirect(): Promise<boolean> {
    const { rows } = await this.query<{ pid: number }>('select pg_backend_pid() as pid')
    return rows[0]?.pid === this.processID
  }

  /** Hangs up, and does not leave a pooler's connection listening for whoever gets it next. */
  async leave(): Promise<void> {
    const timer = setTimeout(() => this.cut(), LEAVE_MS)
    await this.query('unlisten *').catch(() => undefined)
    clearTimeout(timer)
    this.cut()
  }

  /** Hangs up; calls under way are rejected. */
  cut(): void {
    this.connection.stream.destroy()
  }
}
