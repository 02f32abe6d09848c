/** Databases with the log's tables: a plain one, and one as a Supabase project has it. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { MIGRATIONS, type PostgresServer, SUPABASE_ROLES } from './postgres.ts'

/** `plain`: an ordinary role owns it. `supabase`: with Supabase's roles, used as a member of `service_role`. */
export type Kind = 'plain' | 'supabase'

/** The logins of the databases that are made here. */
export const LOGINS = {
  plain: { user: 'app', password: 'app’s own' },
  supabase: { user: 'server', password: 'server’s own' },
} as const

let databases = 0
const prepared = new WeakMap<PostgresServer, Map<Kind, Promise<void>>>()

/** Makes another database with the log's tables; the URL with the login that a server would use. */
export async function newDatabase(server: PostgresServer, kind: Kind = 'plain'): Promise<string> {
  const kinds = prepared.get(server) ?? new Map<Kind, Promise<void>>()
  prepared.set(server, kinds)
  if (!kinds.has(kind)) kinds.set(kind, prepare(server, kind))
  await kinds.get(kind)
  const database = `log_${++databases}`
  await server.psql({ sql: `create database ${database} template ${kind} owner ${ownerOf(kind)}` })
  return server.url({ ...LOGINS[kind], database })
}

/** Makes a database without the tables, owned by the role that the URL names. */
export async function emptyDatabase(server: PostgresServer): Promise<string> {
  await newDatabase(server)
  const database = `log_${++databases}`
  await server.psql({ sql: `create database ${database} owner ${ownerOf('plain')}` })
  return server.url({ ...LOGINS.plain, database })
}

/** The files of `migrations/`, in order. */
export function migrationFiles(): string[] {
  return readdirSync(MIGRATIONS)
    .filter((name) => name.endsWith('.sql'))
    .toSorted()
    .map((name) => join(MIGRATIONS, name))
}

async function prepare(server: PostgresServer, kind: Kind): Promise<void> {
  const { user, password } = LOGINS[kind]
  await server.psql({ sql: `create role ${user} login password '${password}'` })
  await server.psql({ sql: `create database ${kind} owner ${ownerOf(kind)}` })
  if (kind === 'supabase') {
    await server.psql({ file: SUPABASE_ROLES }, { database: kind })
    await server.psql({ sql: `grant service_role to ${user}` })
  }
  const owner = kind === 'plain' ? { ...LOGINS.plain, database: kind } : { database: kind }
  for (const file of migrationFiles()) await server.psql({ file }, owner)
}

function ownerOf(kind: Kind): string {
  return kind === 'plain' ? LOGINS.plain.user : 'postgres'
}
