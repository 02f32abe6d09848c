/**
 * The connections to a Postgres: a small pool that calls functions, and is made anew when it hangs.
 *
 * @module
 */
import { Pool } from 'pg'
import { LoomiError } from '../errors.ts'
import { PostgresClient, postgresTarget, type PostgresTarget } from './postgres-client.ts'
import { postgresError } from './postgres-errors.ts'

const MAX_CONNECTIONS = 10
/** Firewalls forget connections that say nothing for minutes, and tell nobody. */
const IDLE_MS = 30_000
/** We hang up on a server that says nothing for longer. */
const CALL_MS = 15_000
/** The server ends a statement that takes longer. */
const STATEMENT_MS = 10_000
const END_MS = 5000

/** The pool; see the module. */
export class PostgresPool {
  /** The URL without its password. */
  readonly name: string
  /** The URL says that a connection is another's after each transaction: no LISTEN. */
  readonly isTransactionPooler: boolean
  readonly #target: PostgresTarget
  readonly #callMs: number
  #connections: Connections
  #ended: Promise<void> | null = null

  /** `callMs`: how long a call may go unanswered, in milliseconds. Throws `bad_option` for what is no URL. */
  constructor(url: string, callMs = CALL_MS) {
    this.#target = postgresTarget(url)
    this.name = this.#target.name
    this.isTransactionPooler = this.#target.isTransactionPooler
    this.#callMs = callMs
    this.#connections = new Connections(this.#target)
  }

  /** Another connection to the same database, which the caller has to make and to cut. */
  client(): PostgresClient {
    return new PostgresClient(this.#target.config)
  }

  /** Calls a function by its named arguments, which are the same ones each time. Lists and objects go as JSON. */
  call(name: string, args: Record<string, unknown>): Promise<unknown> {
    const named = Object.keys(args).map((key, i) => `${key} => $${i + 1}`)
    return this.ask(`select public.${name}(${named.join(', ')}) as answer`, Object.values(args))
  }

  /** The column `answer` of a statement's first row. */
  async ask(text: string, values: readonly unknown[]): Promise<unknown> {
    const connections = this.#connections
    const timer = setTimeout(() => this.#renew(connections), this.#callMs)
    try {
      // Not prepared: in a pooler's next transaction the name may not be known, and no difference can be measured.
      return await connections.ask({ text, values: values.map(toParameter) })
    } catch (error) {
      throw postgresError(error, this.name)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Waits for what is under way and hangs up. */
  end(): Promise<void> {
    return (this.#ended ??= this.#connections.end())
  }

  /** What hangs would keep its connections for many minutes, until TCP gives up. */
  #renew(hung: Connections): void {
    const why = `${this.name} has not answered for ${this.#callMs} ms. It is asked again.`
    if (this.#connections === hung && !this.#ended) this.#connections = new Connections(this.#target)
    hung.cut(new LoomiError('store_unavailable', why))
  }
}

interface Statement {
  readonly text: string
  readonly values: unknown[]
}

/** A pool that can be given up with all that hangs in it. */
class Connections {
  readonly #pool: Pool
  readonly #clients = new Set<PostgresClient>()
  readonly #waiting = new Set<(error: LoomiError) => void>()

  constructor({ config, hasLimit }: PostgresTarget) {
    const clients = this.#clients
    class PooledClient extends PostgresClient {
      constructor() {
        super(config)
        clients.add(this)
        void this.closed.then(() => clients.delete(this))
      }
    }
    this.#pool = new Pool({
      max: MAX_CONNECTIONS,
      idleTimeoutMillis: IDLE_MS,
      Client: PooledClient,
      ...(!hasLimit && { onConnect: (client) => limit(client as PooledClient) }),
    })
    // An idle connection is lost: the next call makes another one.
    this.#pool.on('error', () => undefined)
  }

  async ask(statement: Statement): Promise<unknown> {
    const { promise: givenUp, reject } = Promise.withResolvers<never>()
    this.#waiting.add(reject)
    try {
      const { rows } = await Promise.race([this.#pool.query<{ answer: unknown }>(statement), givenUp])
      return rows[0]?.answer
    } finally {
      this.#waiting.delete(reject)
    }
  }

  async end(): Promise<void> {
    const timer = setTimeout(() => this.#hangUp(), END_MS)
    const closed = [...this.#clients].map((client) => client.closed)
    await Promise.all([this.#pool.end(), ...closed])
    clearTimeout(timer)
  }

  /** Rejects what is asked with the error. */
  cut(error: LoomiError): void {
    if (!this.#pool.ending) void this.#pool.end()
    for (const reject of this.#waiting) reject(error)
    this.#hangUp()
  }

  #hangUp(): void {
    for (const client of this.#clients) client.cut()
  }
}

/**
 * Has a statement ended by the server when it takes too long. Not among what a connection begins with, which PgBouncer
 * refuses; and where there is a pooler, it would stay with a connection that others get.
 */
async function limit(client: PostgresClient): Promise<void> {
  if (!(await client.isDirect())) return
  // The role may have a limit of its own.
  const least = `select set_config('statement_timeout', '${STATEMENT_MS}', false) from pg_settings
    where name = 'statement_timeout' and setting::integer not between 1 and ${STATEMENT_MS}`
  await client.query(least)
}

function toParameter(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value
}
