/**
 * The stores that are measured, each opened and let go in turn.
 *
 * @module
 */
import { join } from 'node:path'
import type { Store } from '../server/store.ts'
import { openStore } from '../server/stores/open.ts'
import { newDatabase } from '../test/databases/postgres-log.ts'
import { startPostgres, withoutPostgres } from '../test/databases/postgres.ts'
import { SupabaseRig } from '../test/databases/supabase.ts'

/** A store to measure. */
export interface BenchStore {
  readonly name: string
  readonly url: string
  /** Open in this process. What another one needs to open it, beside the URL, is in the environment. */
  readonly store: Store
}

/** Opens one after the other; `wanted` names some of them. */
export async function* openBenchStores(
  folder: string,
  wanted: readonly string[] = ['sqlite', 'postgres', 'supabase', 'supabase-listen'],
): AsyncGenerator<BenchStore> {
  if (wanted.includes('sqlite')) yield* opened('sqlite', join(folder, 'log.db'))
  if (!wanted.some((name) => /^(postgres|supabase)/.test(name))) return
  const missing = withoutPostgres()
  if (missing) {
    console.log(`postgres, supabase: skipped (${missing})`)
    return
  }
  if (wanted.includes('postgres')) {
    const server = await startPostgres({ durable: true })
    yield* opened('postgres', await newDatabase(server), () => server.remove())
  }
  for (const name of wanted.filter((name) => name.startsWith('supabase'))) {
    const server = await startPostgres({ durable: true })
    const rig = await SupabaseRig.start({ postgres: server })
    Object.assign(process.env, rig.env, name === 'supabase-listen' && { DATABASE_URL: rig.ownerUrl })
    yield* opened(name, 'supabase:', async () => {
      delete process.env['DATABASE_URL']
      await rig.remove()
      await server.remove()
    })
  }
}

async function* opened(
  name: string,
  url: string,
  end: () => Promise<void> = async () => undefined,
): AsyncGenerator<BenchStore> {
  const store = await openStore(url)
  try {
    yield { name, url, store }
  } finally {
    await store.close()
    await end()
  }
}
