/**
 * From a store's URL to the store, loading only the code that it needs.
 *
 * @module
 */
import { LoomiError } from '../errors.ts'
import type { Store } from '../store.ts'

/**
 * Opens the store that a URL names: a path, `sqlite:PATH` or `:memory:`. Throws `bad_option` for a URL that
 * no store answers to and `store_unavailable` when the store can't be opened.
 */
export async function openStore(url: string): Promise<Store> {
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase()
  // One letter before the colon is a Windows drive.
  if (scheme !== undefined && scheme !== 'sqlite') {
    throw new LoomiError(
      'bad_option',
      `No store for "${scheme}:" in this version. Give a file's path, sqlite:PATH or :memory:.`,
    )
  }
  if (url === '')
    throw new LoomiError('bad_option', 'The store is empty. Give a file’s path, sqlite:PATH or :memory:.')
  let sqlite: typeof import('./sqlite.ts')
  try {
    sqlite = await import('./sqlite.ts')
  } catch (error) {
    throw new LoomiError('store_unavailable', 'The embedded store needs Node 22.13 or later (node:sqlite).', {
      cause: error,
    })
  }
  return sqlite.openSqlite(url.replace(/^sqlite:/i, ''))
}
