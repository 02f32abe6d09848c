/** Stores that are used and can be broken for real: a file, a database and a Supabase project, each on a small disk where it must be full. */
import { newDatabase } from '../databases/postgres-log.ts'
import { type PostgresServer, startPostgres } from '../databases/postgres.ts'
import { ProjectKeys } from '../databases/postgrest-auth.ts'
import { PostgrestServer } from '../databases/postgrest.ts'
import { SmallDisk, withoutSmallDisk } from '../databases/small-disk.ts'
import { SupabaseRig } from '../databases/supabase.ts'
import { setEnvironment } from './environment.ts'
import { tempFolder } from './support.ts'

/** A store that is used. */
export interface Place {
  /** As it is given to `createLoomi`. */
  readonly url: string
  /** In no error. */
  readonly secrets: readonly string[]
  remove(): unknown
}

/** What a place must have. */
export interface Needs {
  /** A disk that can be full. */
  readonly smallDisk?: boolean
  /** A role that nobody else logs in as. */
  readonly ownRole?: boolean
}

/** A log file. */
export interface SqlitePlace extends Place {
  readonly disk: SmallDisk | null
  readonly files: readonly string[]
}

/** Where a log file is to be. */
export function sqlitePlace({ smallDisk = false }: Needs = {}): SqlitePlace {
  const folder = tempFolder()
  const disk = smallDisk ? new SmallDisk(4) : null
  const url = disk?.path('log.db') ?? folder.path('log.db')
  return {
    url,
    secrets: [],
    disk,
    files: [url, `${url}-wal`],
    remove() {
      disk?.remove()
      folder.remove()
    },
  }
}

/** A database with its server. */
export interface PostgresPlace extends Place {
  readonly server: PostgresServer
  readonly database: string
  readonly disk: SmallDisk | null
  /** Runs SQL in it as the superuser. */
  root(sql: string): Promise<unknown>
  /** Runs SQL beside it, and ends all connections to it. */
  rootAndHangUp(sql: string): Promise<unknown>
}

/** A server for databases in trouble. */
export class PostgresPlaces {
  readonly server: PostgresServer
  readonly disk: SmallDisk | null

  private constructor(server: PostgresServer, disk: SmallDisk | null) {
    this.server = server
    this.disk = disk
  }

  static async start(): Promise<PostgresPlaces> {
    const server = await startPostgres()
    // Both kinds have all roles then.
    await newDatabase(server, 'plain')
    await newDatabase(server, 'supabase')
    if (withoutSmallDisk() !== false) return new PostgresPlaces(server, null)
    const disk = new SmallDisk(48)
    disk.give('postgres')
    await server.psql({ sql: `create tablespace small location '${disk.folder}'` })
    return new PostgresPlaces(server, disk)
  }

  async place({ smallDisk = false, ownRole = false }: Needs = {}): Promise<PostgresPlace> {
    const { server, disk } = this
    const url = await newDatabase(server, ownRole ? 'supabase' : 'plain')
    const database = new URL(url).pathname.slice(1)
    if (smallDisk) await moveToSmallDisk(server, database)
    const root = (sql: string): Promise<string> => server.psql({ sql }, { database })
    return {
      url,
      secrets: [decodeURIComponent(new URL(url).password), new URL(url).password],
      server,
      database,
      disk,
      root,
      rootAndHangUp: (sql) => server.psql({ sql: `${sql}; ${hangUp(database)}` }),
      remove: () => undefined,
    }
  }

  async remove(): Promise<void> {
    await this.server.remove()
    this.disk?.remove()
  }
}

/** A Supabase project. */
export interface SupabasePlace extends Place {
  readonly rig: SupabaseRig
  readonly disk: SmallDisk | null
  /** Runs SQL beside its database, and ends all connections to it. */
  rootAndHangUp(sql: (database: string) => string): Promise<unknown>
  /** The project answers with other keys than it had. */
  rotateKeys(): Promise<void>
  /** It has its old keys again. */
  restoreKeys(): Promise<void>
}

/** One project for all of its troubles; its environment becomes this process's until it is removed. */
export async function supabasePlace(places: PostgresPlaces): Promise<SupabasePlace> {
  const rig = await SupabaseRig.start({ postgres: places.server })
  const database = new URL(rig.ownerUrl).pathname.slice(1)
  await rig.stopServer()
  if (places.disk) await moveToSmallDisk(places.server, database)
  await rig.startServer()
  const restore = setEnvironment({ ...rig.env, DATABASE_URL: undefined })
  let stranger: PostgrestServer | null = null
  return {
    url: 'supabase:',
    secrets: [rig.keys.secret],
    rig,
    disk: places.disk,
    rootAndHangUp: (sql) => places.server.psql({ sql: `${sql(database)}; ${hangUp(database)}` }),
    async rotateKeys() {
      await rig.stopServer()
      const port = Number(new URL(rig.env.SUPABASE_URL).port)
      const url = rig.ownerUrl.replace('project_owner', 'authenticator')
      stranger = await PostgrestServer.start({ database: url, port, keys: new ProjectKeys() })
    },
    async restoreKeys() {
      await stranger?.stop()
      await rig.startServer()
    },
    async remove() {
      restore()
      await rig.remove()
    },
  }
}

async function moveToSmallDisk(server: PostgresServer, database: string): Promise<void> {
  await server.psql({ sql: hangUp(database) })
  await server.psql({ sql: `alter database ${database} set tablespace small` })
}

function hangUp(database: string): string {
  return `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database}'`
}
