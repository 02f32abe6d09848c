/**
 * Brings a Postgres up to date: the files of `migrations/` that it lacks, in order, in one transaction.
 *
 * @module
 */
import { readdir, readFile } from 'node:fs/promises'
import { LoomiError } from '../errors.ts'
import { checkVersion, SCHEMA_VERSION } from './migrations.ts'
import { postgresError } from './postgres-errors.ts'
import { PostgresPool } from './postgres-pool.ts'

/** Beside the sources, and beside the folder that they are built into. */
const FOLDERS = ['../../migrations/', '../../../migrations/'].map((path) => new URL(path, import.meta.url))
/** Whoever migrates holds this lock, however many start at once. */
const LOCK = 607_841

/**
 * Applies what is missing and resolves with the names of the files, none when the database is up to date. A file records
 * itself in `loomi_migrations`, whoever runs it: this, `psql -f` or `supabase db push`. Throws as {@link postgresError}
 * says; then nothing was changed.
 */
export async function migratePostgres(url: string): Promise<readonly string[]> {
  const files = await migrationFiles()
  const pool = new PostgresPool(url)
  const sql = pool.connect(1)
  try {
    return await sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(${LOCK}::bigint)`
      // A large log takes longer than any call may.
      await tx`set local statement_timeout = 0`
      const [row] = await tx`select to_regclass('public.loomi_migrations') is not null as exists`
      const rows = row?.['exists'] ? await tx`select version from public.loomi_migrations` : []
      const applied = new Set(rows.map(({ version }) => String(version)))
      const newest = [...applied].toSorted().at(-1)
      if (newest !== undefined && newest > SCHEMA_VERSION) checkVersion(newest, pool.name)
      const missing = files.filter(({ version }) => !applied.has(version))
      for (const { location } of missing) await tx.unsafe(await readFile(location, 'utf8')).simple()
      return missing.map(({ name }) => name)
    })
  } catch (error) {
    throw toMigrationError(error, pool.name)
  } finally {
    await sql.end()
    await pool.end()
  }
}

interface MigrationFile {
  readonly name: string
  readonly version: string
  readonly location: URL
}

async function migrationFiles(): Promise<readonly MigrationFile[]> {
  for (const folder of FOLDERS) {
    const names = await readdir(folder).catch(() => [])
    const files = names
      .filter((name) => /^\d{14}_\w+\.sql$/.test(name))
      .toSorted()
      .map((name) => ({ name, version: name.slice(0, 14), location: new URL(name, folder) }))
    if (files.length > 0) return files
  }
  throw new LoomiError('store_failed', 'The package has no migrations. Install it again.')
}

function toMigrationError(error: unknown, store: string): LoomiError {
  const { code, message } = error as { code?: string; message?: string }
  if (code !== '42501') return postgresError(error, store)
  return new LoomiError(
    'store_misconfigured',
    `The user may not make the log’s tables at ${store}: ${message}. Migrate as the owner of the database, or grant the user create on the schema public.`,
    { cause: error },
  )
}
