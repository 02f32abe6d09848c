/**
 * Brings a Postgres up to date: the files of `migrations/` that it lacks, in order, in one transaction.
 *
 * @module
 */
import { readdir, readFile } from 'node:fs/promises'
import { LoomiError } from '../errors.ts'
import { checkVersion, SCHEMA_VERSION } from './migrations.ts'
import { PostgresClient, postgresTarget } from './postgres-client.ts'
import { postgresError } from './postgres-errors.ts'

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
  const { name, config } = postgresTarget(url)
  const client = new PostgresClient(config)
  try {
    await client.connect()
    await client.query('begin')
    // A large log takes longer than any call may, and others wait for it.
    await client.query('set local statement_timeout = 0')
    await client.query(`select pg_advisory_xact_lock(${LOCK})`)
    const applied = await appliedVersions(client)
    const newest = [...applied].toSorted().at(-1)
    if (newest !== undefined && newest > SCHEMA_VERSION) checkVersion(newest, name)
    const missing = files.filter(({ version }) => !applied.has(version))
    for (const { location } of missing) await client.query(await readFile(location, 'utf8'))
    await client.query('commit')
    return missing.map(({ name }) => name)
  } catch (error) {
    throw toMigrationError(error, name)
  } finally {
    client.cut()
  }
}

async function appliedVersions(client: PostgresClient): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ exists: boolean }>(
    `select to_regclass('public.loomi_migrations') is not null as exists`,
  )
  if (!rows[0]?.exists) return new Set()
  const known = await client.query<{ version: string }>('select version from public.loomi_migrations')
  return new Set(known.rows.map(({ version }) => version))
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

const REMEDIES: Readonly<Record<string, string>> = {
  '3F000': 'Make the schema first: create schema public.',
  '42703': 'A table of that name and of another make is there: rename it first.',
}

function toMigrationError(error: unknown, store: string): LoomiError {
  const { code, message } = error as { code?: string; message?: string }
  const remedy = REMEDIES[code ?? '']
  if (remedy !== undefined)
    return new LoomiError(
      'store_misconfigured',
      `The log’s tables can’t be made at ${store}: ${message}. ${remedy}`,
      {
        cause: error,
      },
    )
  if (code !== '42501') return postgresError(error, store)
  return new LoomiError(
    'store_misconfigured',
    `The user may not make the log’s tables at ${store}: ${message}. Migrate as the owner of the database, or grant the user create on the schema public.`,
    { cause: error },
  )
}
