/**
 * From a store's URL to the store, loading only the code that it needs.
 *
 * @module
 */
import { LoomiError } from '../errors.ts'
import type { Store } from '../store.ts'
import { whenFree } from './sqlite-busy.ts'

const FORMS = 'a file’s path, sqlite:PATH, :memory:, postgres://USER:PASSWORD@HOST/DATABASE or supabase:'

/** How long an opening waits for a file that another process is preparing. */
const HELD_GIVE_UP_MS = 2000

/**
 * Opens the store that a URL names: a path, `sqlite:PATH`, `:memory:`, `postgres://…`, or `supabase:` for the project that
 * the environment names. Throws `bad_option` for a URL that no store answers to, `store_unavailable` when the store can't be
 * opened, `store_misconfigured` when it is set up wrongly.
 */
export async function openStore(url: string): Promise<Store> {
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase()
  if (scheme === 'postgres' || scheme === 'postgresql')
    return (await import('./postgres.ts')).openPostgres(url)
  if (scheme === 'supabase') return (await import('./supabase.ts')).openSupabase()
  // One letter before the colon is a Windows drive.
  if (scheme !== undefined && scheme !== 'sqlite')
    throw new LoomiError('bad_option', `No store for "${scheme}:" in this version. Give ${FORMS}.`)
  if (url === '') throw new LoomiError('bad_option', `The store is empty. Give ${FORMS}.`)
  let sqlite: typeof import('./sqlite.ts')
  try {
    sqlite = await import('./sqlite.ts')
  } catch (error) {
    throw new LoomiError('store_unavailable', 'The embedded store needs Node 22.13 or later (node:sqlite).', {
      cause: error,
    })
  }
  return whenFree(() => sqlite.openSqlite(url.replace(/^sqlite:/i, '')), HELD_GIVE_UP_MS)
}
