/**
 * The connections to a Postgres: a small pool that calls functions, and is made anew when it hangs.
 *
 * @module
 */
import postgres, { type Sql } from 'postgres'
import { LoomiError } from '../errors.ts'
import { postgresError, publicUrl } from './postgres-errors.ts'

const MAX_CONNECTIONS = 10
const CONNECT_S = 5
/** The server ends a statement that takes longer; we hang up on a server that says nothing for longer than that. */
const STATEMENT_MS = 10_000
const CALL_MS = 15_000
/** Seconds between two tries to connect: a database that is back is to be used at once. */
const BACKOFF_S = 0.25

/** The pool; see the module. */
export class PostgresPool {
  /** The URL without its password. */
  readonly name: string
  /** Connections are another's after each transaction: no prepared statements, no settings, no LISTEN. */
  readonly isTransactionPooler: boolean
  readonly #url: string
  readonly #callMs: number
  #sql: Sql

  /** `callMs`: how long a call may go unanswered, in milliseconds. Throws `bad_option` for what is no URL. */
  constructor(url: string, callMs = CALL_MS) {
    this.name = publicUrl(url)
    const parsed = new URL(url)
    this.isTransactionPooler = parsed.port === '6543' || parsed.searchParams.get('pgbouncer') === 'true'
    // Prisma's word for it; the server would take it for a setting of its own.
    parsed.searchParams.delete('pgbouncer')
    this.#url = parsed.href
    this.#callMs = callMs
    this.#sql = this.connect(MAX_CONNECTIONS)
  }

  /** Another client of the same database, which the caller has to end. */
  connect(max: number): Sql {
    return postgres(this.#url, {
      max,
      connect_timeout: CONNECT_S,
      backoff: () => BACKOFF_S * (0.5 + Math.random()),
      prepare: !this.isTransactionPooler,
      fetch_types: false,
      onnotice: () => undefined,
      connection: {
        application_name: 'loomi-recovery',
        ...(!this.isTransactionPooler && { statement_timeout: STATEMENT_MS }),
      },
    })
  }

  /** Calls a function by its named arguments. */
  call(name: string, args: Record<string, unknown>): Promise<unknown> {
    const named = Object.keys(args).map((key, i) => `${key} => $${i + 1}`)
    return this.ask(`select public.${name}(${named.join(', ')}) as answer`, Object.values(args))
  }

  /** The column `answer` of a statement's first row. */
  async ask(text: string, values: readonly unknown[] = []): Promise<unknown> {
    const sql = this.#sql
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#renew(sql)
        reject(
          new LoomiError(
            'store_unavailable',
            `${this.name} has not answered for ${this.#callMs} ms. It is asked again.`,
          ),
        )
      }, this.#callMs)
    })
    try {
      const answer = sql.unsafe<{ answer: unknown }[]>(text, values as never[], {
        prepare: !this.isTransactionPooler,
      })
      const [row] = await Promise.race([answer, late])
      return row?.answer
    } catch (error) {
      throw postgresError(error, this.name)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Waits for what is under way and hangs up. */
  async end(): Promise<void> {
    await this.#sql.end({ timeout: CONNECT_S })
  }

  /** What hangs would keep its connections for many minutes, until TCP gives up. */
  #renew(hung: Sql): void {
    if (this.#sql !== hung) return
    this.#sql = this.connect(MAX_CONNECTIONS)
    hung.end({ timeout: 0 }).catch(() => undefined)
  }
}
