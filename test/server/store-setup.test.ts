import { after, before, describe } from 'node:test'
import { emptyDatabase, newDatabase } from '../databases/postgres-log.ts'
import { type PostgresServer, startPostgres, withoutPostgres } from '../databases/postgres.ts'
import { SupabaseRig } from '../databases/supabase.ts'
import { Processes } from './processes.ts'
import { type Env, isTold, type Mistake } from './store-setup.ts'

describe('a database that is set up wrongly', { timeout: 60_000, skip: withoutPostgres() }, () => {
  const processes = new Processes()
  after(() => processes.end())
  const told = (mistake: Mistake): void => isTold(mistake, processes)

  let server: PostgresServer
  let url = ''
  before(async () => {
    server = await startPostgres()
    url = await newDatabase(server)
  })
  after(() => server?.remove())

  describe('Postgres', () => {
    const login = { user: 'app', password: 'app’s own' }
    const database = (): string => new URL(url).pathname.slice(1)

    told({
      what: 'a wrong port',
      store: async () => ({ url: url.replace(`:${server.port}/`, ':1/') }),
      code: 'store_unavailable',
      says: /Nothing answers at postgres:\/\/app@127\.0\.0\.1:1\/.*is the URL right/,
    })
    told({
      what: 'a wrong password',
      store: async () => ({
        url: server.url({ ...login, password: 'not its own', database: database() }),
      }),
      code: 'store_misconfigured',
      says: /28P01.*Give the right user and password/,
    })
    told({
      what: 'missing grants',
      async store() {
        await server.psql({ sql: `create role guest login password 'guest’s own'` })
        return { url: server.url({ user: 'guest', password: 'guest’s own', database: database() }) }
      },
      code: 'store_misconfigured',
      says: /permission denied.*grant OWNER to YOU/,
    })
    told({
      what: 'missing migrations',
      store: async () => ({ url: await emptyDatabase(server) }),
      code: 'store_misconfigured',
      says: /has no tables.*Run: npx loomi-recovery migrate --store postgres:/,
    })
    told({
      what: 'a migration that is missing',
      async store() {
        const behind = await newDatabase(server)
        const sql = `update loomi_migrations set version = '20250101000000'`
        await server.psql({ sql }, { database: new URL(behind).pathname.slice(1) })
        return { url: behind }
      },
      code: 'store_misconfigured',
      says: /up to 20250101000000 only.*Run: npx loomi-recovery migrate --store postgres:/,
    })
  })

  describe('Supabase', () => {
    let rig: SupabaseRig
    let bare: SupabaseRig
    before(async () => {
      rig = await SupabaseRig.start({ postgres: server })
      bare = await SupabaseRig.start({ postgres: server, migrate: false })
    })
    after(async () => {
      await rig?.remove()
      await bare?.remove()
    })
    const project = (env: Env): { url: string; env: Env } => ({ url: 'supabase:', env })

    told({
      what: 'a wrong URL',
      store: async () => project({ ...rig.env, SUPABASE_URL: 'http://127.0.0.1:1' }),
      code: 'store_unavailable',
      says: /can’t be reached.*is SUPABASE_URL right/,
    })
    told({
      what: 'a wrong key',
      store: async () => project({ ...rig.env, SUPABASE_SECRET_KEY: 'sb_secret_of_another_project' }),
      code: 'store_misconfigured',
      says: /401 Invalid API key.*SUPABASE_SECRET_KEY/,
    })
    told({
      what: 'missing migrations',
      store: async () => project(bare.env),
      code: 'store_misconfigured',
      says: /PGRST202.*Run: supabase db push/,
    })
    told({
      what: 'missing grants',
      async store() {
        await rig.psql('revoke execute on function loomi_version from service_role')
        return project(rig.env)
      },
      code: 'store_misconfigured',
      says: /42501 permission denied.*role lacks a grant.*supabase db push/,
    })
  })
})
