/**
 * The log in a Postgres: the functions of `migrations/`, called over a small pool of connections, and wake-ups by LISTEN.
 *
 * @module
 */
import type { Clock } from '../clock.ts'
import type { Store } from '../store.ts'
import { checkVersion } from './migrations.ts'
import { PostgresPool } from './postgres-pool.ts'
import { PostgresWakeups } from './postgres-wakeups.ts'
import { functionStore, wakingStore } from './sql-functions.ts'

/** What a Postgres store is made with; everything has a default. */
export interface PostgresOptions {
  /** How long the database may leave a call unanswered, in milliseconds. Default 15,000. */
  readonly callMs?: number
  /** Times the wake-ups. */
  readonly clock?: Clock
}

/**
 * Opens the log at `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. Throws `store_misconfigured` when the user, the grants or
 * the migrations are not right, with what to do; `store_unavailable` when the database does not answer; `bad_option` for
 * what is no URL.
 */
export async function openPostgres(url: string, { callMs, clock }: PostgresOptions = {}): Promise<Store> {
  const pool = new PostgresPool(url, callMs)
  try {
    checkVersion((await pool.call('loomi_version', {})) as string | null, pool.name)
  } catch (error) {
    await pool.end()
    throw error
  }
  const wakeups = new PostgresWakeups(pool, clock)
  const functions = functionStore((name, args) => pool.call(name, args), { notify: false })
  const store = wakingStore(functions, wakeups)
  return {
    ...store,
    async close() {
      await store.close()
      await pool.end()
    },
  }
}
