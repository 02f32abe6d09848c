/**
 * `loomi-recovery migrate`: makes the log's tables in a Postgres, or brings them up to date.
 *
 * @module
 */
import { SCHEMA_VERSION } from '../stores/migrations.ts'
import { CliError, readFlags } from './flags.ts'

/** Migrates; may run in several processes at once. */
export async function migrate(args: string[]): Promise<void> {
  const flags = readFlags(args, { store: { type: 'string' } })
  const url = flags.store ?? process.env['DATABASE_URL'] ?? ''
  if (/^supabase:/i.test(url))
    throw new CliError(
      'Supabase keeps its own record of migrations. Copy the files of node_modules/loomi-recovery/migrations into supabase/migrations and run: supabase db push',
    )
  if (!/^postgres(ql)?:/i.test(url))
    throw new CliError(
      'Give --store postgres://USER:PASSWORD@HOST/DATABASE, or set DATABASE_URL. A SQLite log is brought up to date when it is opened.',
    )
  const { migratePostgres } = await import('../stores/postgres-migrate.ts')
  const names = await migratePostgres(url)
  for (const name of names) console.log(`Applied ${name}`)
  if (names.length === 0) console.log(`Nothing to do: the database has migration ${SCHEMA_VERSION}.`)
}
