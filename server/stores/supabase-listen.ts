/**
 * Wake-ups by LISTEN for a Supabase store, where the environment has the URL of the project's database as well.
 *
 * @module
 */
import { type Clock, within } from '../clock.ts'
import { listen } from './postgres-ear.ts'
import { PostgresPool } from './postgres-pool.ts'
import { PostgresWakeups } from './postgres-wakeups.ts'
import type { CallFunction } from './sql-functions.ts'

const TRIAL_MS = 3000

/**
 * Wake-ups through the database at `url`; null without one, and with a warning when what the project tells is not heard
 * there: it may be the app's own database, and another one than the project's.
 */
export async function listeningWakeups(
  url: string | undefined,
  call: CallFunction,
  clock: Clock,
): Promise<ListeningWakeups | null> {
  if (!/^postgres(ql)?:/i.test(url ?? '')) return null
  const pool = new PostgresPool(url!)
  if (!pool.isTransactionPooler && (await isHeard(pool, call, clock)))
    return new ListeningWakeups(pool, clock)
  await pool.end()
  process.emitWarning(
    `What the Supabase project tells is not heard at DATABASE_URL (${pool.name}): another database, or a transaction ` +
      'pooler (6543)? The project is asked for news every 0.1 to 2 s instead.',
    { type: 'LoomiWarning', code: 'LOOMI_NO_LISTEN' },
  )
  return null
}

/** Those of the Postgres store, with a pool of their own. */
class ListeningWakeups extends PostgresWakeups {
  readonly #pool: PostgresPool

  constructor(pool: PostgresPool, clock: Clock) {
    super(pool, clock)
    this.#pool = pool
  }

  override async close(): Promise<void> {
    await super.close()
    await this.#pool.end()
  }
}

/** Whether a word that is sent through the project arrives. */
async function isHeard(pool: PostgresPool, call: CallFunction, clock: Clock): Promise<boolean> {
  const word = crypto.randomUUID()
  const client = pool.client()
  try {
    const heard = new Promise<boolean>((resolve, reject) => {
      listen(client, (payload) => payload.includes(word) && resolve(true))
        .then(() => call('loomi_wake', { p_session_ids: [word] }))
        .catch(reject)
    })
    return await within(clock, TRIAL_MS, heard)
  } catch {
    return false
  } finally {
    void client.leave()
  }
}
