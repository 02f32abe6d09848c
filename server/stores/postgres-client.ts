/**
 * One connection to a Postgres: whatever becomes of it, the process goes on, and it can be cut at once.
 *
 * @module
 */
import { Client, type ClientConfig } from 'pg'
import { publicUrl } from './postgres-errors.ts'

const CONNECT_MS = 5000
/** The server ends a statement that takes longer. */
const STATEMENT_MS = 10_000
const KEEP_ALIVE_MS = 30_000

/** A database and how to connect to it. */
export interface PostgresTarget {
  /** The URL without its password. */
  readonly name: string
  /** Connections are another's after each transaction: no prepared statements, no settings, no LISTEN. */
  readonly isTransactionPooler: boolean
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
    ...(!isTransactionPooler && { statement_timeout: STATEMENT_MS }),
  }
  return { name, isTransactionPooler, config }
}

/** A connection that is still to be made; see the module. */
export class PostgresClient extends Client {
  /** Resolves when the connection is over, or could not be made. */
  readonly closed: Promise<void>

  constructor(config?: ClientConfig) {
    // Not among the settings: a pool would take it for a limit on the wait for a free connection as well.
    super({ ...config, connectionTimeoutMillis: CONNECT_MS })
    // Calls are rejected with it; an error that nobody listens to would end the process.
    this.on('error', () => undefined)
    this.closed = new Promise((resolve) => this.once('end', resolve))
  }

  /** Hangs up; calls under way are rejected. */
  cut(): void {
    this.connection.stream.destroy()
  }
}
