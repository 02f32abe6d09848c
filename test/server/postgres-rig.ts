/** What the tests of the Postgres store share: a server, a database with the log, and stores on it. */
import type { Pool } from 'pg'
import type { SessionRef, Store } from '../../server/store.ts'
import { openPostgres, type PostgresOptions } from '../../server/stores/postgres.ts'
import { openPool } from '../databases/pool.ts'
import { newDatabase } from '../databases/postgres-log.ts'
import { type PostgresServer, startPostgres } from '../databases/postgres.ts'
import { until } from './support.ts'

/** The rig; see the module. */
export class PostgresRig {
  readonly server: PostgresServer
  readonly url: string
  /** Past all stores. */
  readonly pool: Pool
  readonly #stores: Store[] = []
  #sessions = 0

  private constructor(server: PostgresServer, url: string) {
    this.server = server
    this.url = url
    this.pool = openPool(url)
  }

  static async start(options: Parameters<typeof startPostgres>[0] = {}): Promise<PostgresRig> {
    const server = await startPostgres(options)
    return new PostgresRig(server, await newDatabase(server))
  }

  /** The database's URL by way of another port. */
  urlAt(port: number): string {
    return this.url.replace(`:${this.server.port}/`, `:${port}/`)
  }

  /** A session that no other test has touched. */
  fresh(): SessionRef {
    return { sessionId: `s-${++this.#sessions}`, userId: 'ada' }
  }

  /** Opens a store, which is closed with the rig. */
  async open(options?: PostgresOptions, url = this.url): Promise<Store> {
    const store = await openPostgres(url, options)
    this.#stores.push(store)
    return store
  }

  /** The sessions that a store is told of from now on; `null` when it can't be said which. */
  async watched(store: Store): Promise<(string | null)[]> {
    const told: (string | null)[] = []
    store.watch((ids) => told.push(...(ids ?? [null])))
    await until(async () => {
      await this.pool.query(`select pg_notify('loomi', '["heard"]')`)
      return told.includes('heard')
    }, 'the store to listen')
    await this.pool.query(`select pg_notify('loomi', '["last"]')`)
    await until(() => told.includes('last'), 'all that was told before')
    told.length = 0
    return told
  }

  async remove(): Promise<void> {
    for (const store of this.#stores) await store.close()
    await this.pool.end()
    await this.server.remove()
  }
}

/** The number that a session's next event gets. */
export async function nextOf(store: Store, ref: SessionRef): Promise<number> {
  return (await store.runHigh(ref, 'run-1')).n + 1
}
