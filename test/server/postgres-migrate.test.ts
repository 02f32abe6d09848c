import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { SCHEMA_VERSION } from '../../server/stores/migrations.ts'
import { migratePostgres } from '../../server/stores/postgres-migrate.ts'
import { openPostgres } from '../../server/stores/postgres.ts'
import { emptyDatabase, migrationFiles, newDatabase } from '../databases/postgres-log.ts'
import { type PostgresServer, startPostgres, withoutPostgres } from '../databases/postgres.ts'
import { Processes } from './processes.ts'
import { newEvent, REF, tempFolder } from './support.ts'

const FILES = migrationFiles().map((file) => basename(file))

describe('migrating a Postgres', { skip: withoutPostgres() }, () => {
  let server: PostgresServer
  const processes = new Processes()
  before(async () => (server = await startPostgres()))
  after(async () => {
    await processes.end()
    await server?.remove()
  })

  it('knows the newest of its files', () => {
    assert.equal(FILES.at(-1)!.slice(0, 14), SCHEMA_VERSION)
  })

  it('applies each file once, however many do it at once', async () => {
    const url = await emptyDatabase(server)
    const applied = await Promise.all(Array.from({ length: 4 }, () => migratePostgres(url)))
    assert.deepEqual(applied.flat(), FILES)
    assert.deepEqual(await migratePostgres(url), [])
    const store = await openPostgres(url)
    assert.ok((await store.append(REF, [newEvent(1)])).ok)
    await store.close()
  })

  it('leaves alone what psql or Supabase applied, and files may be run again', async () => {
    const url = await newDatabase(server)
    assert.deepEqual(await migratePostgres(url), [])
    const login = { user: 'app', password: 'app’s own', database: new URL(url).pathname.slice(1) }
    const store = await openPostgres(url)
    await store.append(REF, [newEvent(1)])
    for (const file of migrationFiles()) await server.psql({ file }, login)
    assert.equal((await store.read(REF, 0, 10)).events.length, 1)
    await store.close()
  })

  describe('of a database that has the seed’s own table', () => {
    const login = (url: string): { user: string; password: string; database: string } => ({
      user: 'app',
      password: 'app’s own',
      database: new URL(url).pathname.slice(1),
    })
    const withTable = async (): Promise<string> => {
      const url = await emptyDatabase(server)
      const sql = 'create table loomi_stream_events (id uuid, session_id text, user_id text, event_type text)'
      await server.psql({ sql }, login(url))
      return url
    }

    it('says what to do with it', async () => {
      await assert.rejects(migratePostgres(await withTable()), /another make is there: rename it first/)
    })

    it('records nothing, also when psql goes on after errors', async () => {
      const url = await withTable()
      const folder = tempFolder()
      const file = folder.path('on.sql')
      writeFileSync(
        file,
        ['\\set ON_ERROR_STOP off', ...migrationFiles().map((f) => `\\i '${f}'`)].join('\n'),
      )
      await server.psql({ file }, login(url))
      folder.remove()
      const recorded = await server.psql({ sql: 'select count(*) from loomi_migrations' }, login(url))
      assert.equal(recorded.trim(), '0')
      await assert.rejects(openPostgres(url), /Run: npx loomi-recovery migrate/)
    })
  })

  it('says that the schema is missing', async () => {
    const url = await emptyDatabase(server)
    await server.psql({ sql: 'drop schema public cascade' }, { database: new URL(url).pathname.slice(1) })
    await assert.rejects(migratePostgres(url), /create schema public/)
  })

  it('changes nothing when it may not', async () => {
    const database = new URL(await emptyDatabase(server)).pathname.slice(1)
    await server.psql({ sql: `create role guest login password 'guest’s own'` })
    const url = server.url({ user: 'guest', password: 'guest’s own', database })
    await assert.rejects(migratePostgres(url), /may not make the log’s tables.*grant the user create/s)
    await assert.rejects(openPostgres(url), /has no tables/)
  })

  it('is a command, safe when several start at once; serve refuses until it was run', async () => {
    const url = await emptyDatabase(server)
    const refused = await processes.run(['serve', '--store', url, '--port', '0'])
    assert.equal(refused.code, 1)
    assert.match(
      refused.err,
      /^loomi-recovery: The database has no tables.*Run: npx loomi-recovery migrate --store/,
    )
    assert.doesNotMatch(refused.err, /own|%E2/)

    const env = { DATABASE_URL: url }
    const runs = await Promise.all([processes.run(['migrate'], { env }), processes.run(['migrate'], { env })])
    const lines = runs.map(({ code, out, err }) => `${code} ${out}${err}`).toSorted()
    assert.deepEqual(lines, [
      `0 ${FILES.map((file) => `Applied ${file}\n`).join('')}`,
      `0 Nothing to do: the database has migration ${SCHEMA_VERSION}.\n`,
    ])
    const { child, ended } = await processes.serve(url)
    child.kill('SIGTERM')
    assert.equal(await ended, 0)
  })

  it('says which stores it is for', async () => {
    for (const [store, message] of [
      ['.loomi/log.db', /A SQLite log is brought up to date when it is opened/],
      ['supabase:', /supabase db push/],
    ] as const) {
      const { code, err } = await processes.run(['migrate', '--store', store])
      assert.equal(code, 2)
      assert.match(err, message)
    }
  })

  // The last ones: roles are the whole server's.
  it('serves the tables’ owner too where another database of the server has Supabase’s roles', async () => {
    await server.psql({ sql: 'create role service_role nologin' })
    const url = await emptyDatabase(server)
    await migratePostgres(url)
    const store = await openPostgres(url)
    assert.ok((await store.append(REF, [newEvent(1)])).ok)
    assert.equal((await store.read(REF, 0, 10)).events.length, 1)
    await store.close()

    const database = new URL(url).pathname.slice(1)
    for (const file of migrationFiles()) await server.psql({ file }, { database })
    const again = await openPostgres(url)
    assert.equal((await again.read(REF, 0, 10)).events.length, 1, 'after a superuser ran the files again')
    await again.close()
  })

  it('serves a service_role that owns the tables itself', async () => {
    await server.psql({ sql: `alter role service_role login password 'its own'` })
    const database = new URL(await emptyDatabase(server)).pathname.slice(1)
    await server.psql({ sql: 'grant create on schema public to service_role' }, { database })
    const url = server.url({ user: 'service_role', password: 'its own', database })
    await migratePostgres(url)
    const store = await openPostgres(url)
    assert.ok((await store.append(REF, [newEvent(1)])).ok)
    await store.close()
  })
})
