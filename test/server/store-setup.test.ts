import assert from 'node:assert/strict'
import { closeSync, openSync, statSync, writeSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import type { LoomiError, LoomiErrorCode } from '../../server/errors.ts'
import { createLoomi, type Report } from '../../server/loomi.ts'
import { openStore } from '../../server/stores/open.ts'
import { emptyDatabase, newDatabase } from '../databases/postgres-log.ts'
import { type PostgresServer, startPostgres, withoutPostgres } from '../databases/postgres.ts'
import { freeze, SmallDisk, thaw, withoutFrozenFiles, withoutSmallDisk } from '../databases/small-disk.ts'
import { SupabaseRig } from '../databases/supabase.ts'
import { Processes } from './processes.ts'
import { failure } from './supabase-failure.ts'
import { FakeClock, newEvents, REF, rowsOf, tempFolder, until } from './support.ts'

/** Of the databases' passwords, as they are and as a URL has them, and of keys. */
const SECRETS = /own|%E2|sb_secret_/

type Env = Readonly<Record<string, string>>

/** A store that is set up wrongly, and what is to be said of it. */
interface Mistake {
  readonly what: string
  readonly skip?: string | false
  readonly store: () => Promise<{ readonly url: string; readonly env?: Env }>
  readonly code: LoomiErrorCode
  readonly says: RegExp
}

describe('a store that is set up wrongly', { timeout: 60_000 }, () => {
  const processes = new Processes()
  after(() => processes.end())

  /** The test of one mistake. */
  function isTold({ what, skip = false, store, code, says }: Mistake): void {
    it(`is told to createLoomi, and serve ends with one line: ${what}`, { skip }, async () => {
      const { url, env = {} } = await store()
      const served = processes.run(['serve', '--store', url, '--port', '0'], { env })
      const error = await firstReport(url, env)
      assert.equal(error.code, code, error.message)
      assert.match(error.message, says)
      assert.doesNotMatch(`${error.message} ${String(error.cause)}`, SECRETS)
      const { code: exit, out, err } = await served
      assert.deepEqual([exit, out, err.trim().split('\n').length], [1, '', 1], err)
      assert.match(err, says)
      assert.doesNotMatch(err, SECRETS)
    })
  }

  describe('SQLite', () => {
    const folder = tempFolder()
    const disks: SmallDisk[] = []
    const frozen: string[] = []
    after(() => {
      for (const disk of disks) disk.remove()
      for (const path of frozen) thaw([path])
      folder.remove()
    })

    /** A log on a new disk. */
    async function onDisk(): Promise<{ disk: SmallDisk; url: string }> {
      const disk = new SmallDisk(1)
      disks.push(disk)
      return { disk, url: await newLog(disk.path('log.db')) }
    }

    async function frozenLog(name: string): Promise<string> {
      const path = await newLog(folder.path(name))
      freeze([path])
      frozen.push(path)
      return path
    }

    isTold({
      what: 'a full disk',
      skip: withoutSmallDisk(),
      async store() {
        const { disk } = await onDisk()
        disk.fill()
        return { url: disk.path('new.db') }
      },
      code: 'store_unavailable',
      says: /Cannot open the log at .*disk is full.*make room/,
    })
    isTold({
      what: 'a disk that takes no changes',
      skip: withoutSmallDisk(),
      async store() {
        const { disk, url } = await onDisk()
        disk.setReadOnly(true)
        return { url }
      },
      code: 'store_unavailable',
      says: /Cannot open the log at .*Give a path in a folder that this process may write to/,
    })
    isTold({
      what: 'a file that takes no changes',
      skip: withoutFrozenFiles(),
      store: async () => ({ url: await frozenLog('frozen.db') }),
      code: 'store_misconfigured',
      says: /Cannot open the log at .*Let this process write to the log’s file and to its folder/,
    })

    it('goes on by itself when the file may be written to', { skip: withoutFrozenFiles() }, async () => {
      const path = await frozenLog('thawed.db')
      const reports: Report[] = []
      const loomi = createLoomi({ store: path, onEvent: (report) => reports.push(report) })
      const session = loomi.session(REF)
      session.message('x')
      await until(() => reports.length > 0, 'a report')
      thaw([path])
      let isStored = false
      void session.end().then(() => (isStored = true))
      await until(() => isStored, 'all to be stored', 3000)
      await loomi.close()
      const store = await openStore(path)
      assert.equal((await rowsOf(store)).length, 302)
      await store.close()
    })

    it('is told of a damaged file, and how to save what can be saved', async () => {
      const path = await newLog(folder.path('damaged.db'))
      const file = openSync(path, 'r+')
      writeSync(file, Buffer.alloc(statSync(path).size - 8192, 'x'), 0, undefined, 8192)
      closeSync(file)
      const store = await openStore(path)
      const error = await failure(() => store.read(REF, 0, 300))
      await store.close()
      assert.equal(error.code, 'store_failed')
      assert.match(error.message, /malformed.*restore a backup.*\.recover/)
    })
  })

  describe('a server’s', { skip: withoutPostgres() }, () => {
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

      isTold({
        what: 'a wrong port',
        store: async () => ({ url: url.replace(`:${server.port}/`, ':1/') }),
        code: 'store_unavailable',
        says: /Nothing answers at postgres:\/\/app@127\.0\.0\.1:1\/.*is the URL right/,
      })
      isTold({
        what: 'a wrong password',
        store: async () => ({
          url: server.url({ ...login, password: 'not its own', database: database() }),
        }),
        code: 'store_misconfigured',
        says: /28P01.*Give the right user and password/,
      })
      isTold({
        what: 'missing grants',
        async store() {
          await server.psql({ sql: `create role guest login password 'guest’s own'` })
          return { url: server.url({ user: 'guest', password: 'guest’s own', database: database() }) }
        },
        code: 'store_misconfigured',
        says: /permission denied.*grant yours what it needs/,
      })
      isTold({
        what: 'missing migrations',
        store: async () => ({ url: await emptyDatabase(server) }),
        code: 'store_misconfigured',
        says: /has no tables.*Run: npx loomi-recovery migrate --store postgres:/,
      })
      isTold({
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

      isTold({
        what: 'a wrong URL',
        store: async () => project({ ...rig.env, SUPABASE_URL: 'http://127.0.0.1:1' }),
        code: 'store_unavailable',
        says: /can’t be reached.*is SUPABASE_URL right/,
      })
      isTold({
        what: 'a wrong key',
        store: async () => project({ ...rig.env, SUPABASE_SECRET_KEY: 'sb_secret_of_another_project' }),
        code: 'store_misconfigured',
        says: /401 Invalid API key.*SUPABASE_SECRET_KEY/,
      })
      isTold({
        what: 'missing migrations',
        store: async () => project(bare.env),
        code: 'store_misconfigured',
        says: /PGRST202.*Run: supabase db push/,
      })
      isTold({
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
})

/** A log with 300 rows. */
async function newLog(path: string): Promise<string> {
  const store = await openStore(path)
  await store.append(REF, newEvents(1, 300))
  await store.close()
  return path
}

/** What `createLoomi` reports of a store at its first event. */
async function firstReport(store: string, env: Env): Promise<LoomiError> {
  const before = { ...process.env }
  Object.assign(process.env, env)
  try {
    const clock = new FakeClock()
    const reports: Report[] = []
    const loomi = createLoomi({ store, clock, onEvent: (report) => reports.push(report) })
    loomi.session(REF).message('x')
    await until(() => reports.length > 0, 'a report')
    let isClosed = false
    void loomi.close().then(() => (isClosed = true))
    await until(() => clock.advance(1000).then(() => isClosed), 'the end')
    return reports[0]!.error
  } finally {
    process.env = before
  }
}
