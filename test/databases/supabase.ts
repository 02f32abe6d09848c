/**
 * The rig: the real supabase-js over HTTP to a PostgREST-subset test server, and behind it a real Postgres with the roles
 * of a Supabase project and this project's own migrations. See postgrest.ts for what it is not.
 */
import { createClient, type SupabaseClient } from '@supabase/supabase-js'
import { type Login, type PostgresServer, startPostgres, SUPABASE_ROLES } from './postgres.ts'
import { migrationFiles } from './postgres-log.ts'
import { PostgrestServer } from './postgrest.ts'
import type { ProjectKeys } from './postgrest-auth.ts'

const PASSWORD = 'project'
let projects = 0
/** What projects older than October 2026 still have: whatever is made is everybody's at once. */
const AUTOMATIC_GRANTS = ['tables', 'functions', 'sequences']
  .map(
    (kind) =>
      `alter default privileges for role project_owner in schema public
         grant all on ${kind} to anon, authenticated, service_role;`,
  )
  .join('\n')

/** What kind of project it is. */
export interface RigOptions {
  /** As in projects older than October 2026. Default: nothing is granted by itself. */
  readonly automaticGrants?: boolean
  /** Default: all of them, as the project's owner. */
  readonly migrate?: boolean
  /** Where to make a database for the project; it stays there. Default: a server of its own. */
  readonly postgres?: PostgresServer
}

/** A project that runs; see the module. */
export class SupabaseRig {
  readonly postgres: PostgresServer
  readonly keys: ProjectKeys
  readonly #database: string
  readonly #isShared: boolean
  #server: PostgrestServer

  private constructor(
    options: RigOptions,
    postgres: PostgresServer,
    database: string,
    server: PostgrestServer,
  ) {
    this.postgres = postgres
    this.#isShared = options.postgres !== undefined
    this.#database = database
    this.#server = server
    this.keys = server.keys
  }

  static async start(options: RigOptions = {}): Promise<SupabaseRig> {
    const { automaticGrants = false, migrate = true, postgres = await startPostgres() } = options
    const database = `project_${++projects}`
    await postgres.psql({ sql: `create database ${database}` })
    const roles = ['authenticator', 'project_owner']
    await postgres.psql({ file: SUPABASE_ROLES }, { database })
    const passwords = roles.map((role) => `alter role ${role} password '${PASSWORD}';`).join('')
    await postgres.psql({ sql: passwords + (automaticGrants ? AUTOMATIC_GRANTS : '') }, { database })
    const url = urlOf(postgres, 'authenticator', database)
    const server = await PostgrestServer.start({ database: url })
    const rig = new SupabaseRig(options, postgres, database, server)
    try {
      if (migrate) await rig.migrate()
    } catch (error) {
      await rig.remove()
      throw error
    }
    return rig
  }

  /** The database for the role that migrations run as. */
  get ownerUrl(): string {
    return urlOf(this.postgres, 'project_owner', this.#database)
  }

  /** Runs SQL in the project's database as the superuser. */
  psql(sql: string): Promise<string> {
    return this.postgres.psql({ sql }, { database: this.#database })
  }

  /** The environment of a server that uses this project. */
  get env(): { readonly SUPABASE_URL: string; readonly SUPABASE_SECRET_KEY: string } {
    return { SUPABASE_URL: this.#server.url, SUPABASE_SECRET_KEY: this.keys.secret }
  }

  /** What was asked of PostgREST so far. */
  get requests(): readonly string[] {
    return this.#server.requests
  }

  async migrate(): Promise<void> {
    for (const file of migrationFiles())
      await this.postgres.psql({ file }, login('project_owner', this.#database))
  }

  /** supabase-js with a key, and with the token of a signed-in user. */
  client(key: string, token?: string): SupabaseClient {
    return createClient(this.#server.url, key, {
      auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
      db: { retry: false },
      global: token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } },
    })
  }

  /** PostgREST goes down and comes back at the same address. */
  async stopServer(): Promise<void> {
    await this.#server.stop()
  }

  async startServer(): Promise<void> {
    const { port, keys } = this.#server
    const database = urlOf(this.postgres, 'authenticator', this.#database)
    this.#server = await PostgrestServer.start({ database, port, keys })
  }

  async remove(): Promise<void> {
    await this.#server.stop()
    if (!this.#isShared) await this.postgres.remove()
  }
}

function urlOf(postgres: PostgresServer, user: string, database: string): string {
  return postgres.url(login(user, database))
}

function login(user: string, database: string): Login {
  return { user, password: PASSWORD, database }
}
