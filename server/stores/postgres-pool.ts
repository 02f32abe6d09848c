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
const END_MS = 5000

/** The pool; see the module. */
export class PostgresPool {
  /** The URL without its password. */
  readonly name: string
  /** Connections are another's after each transaction: no prepared statements, no settings, no LISTEN. */
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
    return this.ask(name, `select public.${name}(${named.join(', ')}) as answer`, Object.values(args))
  }

  /** The column `answer` of a statement's first row. `name` is the statement's alone. */
  async ask(name: string, text: string, values: readonly unknown[]): Promise<unknown> {
    const connections = this.#connections
    const timer = setTimeout(() => this.#renew(connections), this.#callMs)
    try {
      return await connections.ask({
        // A pooler's next transaction may find itself where the name is not known.
        ...(!this.isTransactionPooler && { name }),
        text,
        values: values.map(toParameter),
      })
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
  readonly name?: string
  readonly text: string
  readonly values: unknown[]
}

/** A pool that can be given up with all that hangs in it. */
class Connections {
  readonly #pool: Pool
  readonly #clients = new Set<PostgresClient>()
  readonly #waiting = new Set<(error: LoomiError) => void>()

  constructor({ config }: PostgresTarget) {
    const clients = this.#clients
    class PooledClient extends PostgresClient {
      constructor() {
        super(config)
        clients.add(this)
        void this.closed.then(() => clients.delete(this))
      }
    }
    this.#pool = new Pool({ max: MAX_CONNECTIONS, idleTimeoutMillis: IDLE_MS, Client: PooledClient })
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

function toParameter(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value
}
