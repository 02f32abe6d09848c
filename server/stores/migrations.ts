/**
 * Which migration this version of the package works with.
 *
 * @module
 */
import { LoomiError } from '../errors.ts'

/** The newest of `migrations/`. */
export const SCHEMA_VERSION = '20261124190000'

/**
 * Throws `store_misconfigured` unless the database is just as far. `version` is its newest migration, null when it has none;
 * `store` is how the store is called on the command line, without a password.
 */
export function checkVersion(version: string | null, store: string): void {
  if (version === SCHEMA_VERSION) return
  if (version === null || version < SCHEMA_VERSION)
    throw new LoomiError('store_misconfigured', behind(version, store))
  throw new LoomiError(
    'store_misconfigured',
    `The database is newer than this loomi-recovery: it has migration ${version}, and this version knows ${SCHEMA_VERSION}. Update the package.`,
  )
}

/** What to run for a database that lacks migrations. */
export function behind(version: string | null, store: string): string {
  const has = version === null ? 'has no tables for the log' : `has migrations up to ${version} only`
  const command = store.startsWith('supabase:')
    ? 'supabase db push (with the files of node_modules/loomi-recovery/migrations in supabase/migrations)'
    : `npx loomi-recovery migrate --store ${store}`
  return `The database ${has}, and this version needs ${SCHEMA_VERSION}. Run: ${command}`
}
