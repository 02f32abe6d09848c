/** The Postgres store behind a real PgBouncer, in both of its modes. */
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { Client } from 'pg'
import type { LoomiError } from '../../server/errors.ts'
import { migratePostgres } from '../../server/stores/postgres-migrate.ts'
import { PostgresPool } from '../../server/stores/postgres-pool.ts'
import { openPostgres } from '../../server/stores/postgres.ts'
import { listeningWakeups } from '../../server/stores/supabase-listen.ts'
import { emptyDatabase, newDatabase } from '../databases/postgres-log.ts'
import { type Pooler, type PoolMode, startPooler, withoutPooler } from '../databases/pooler.ts'
import { nextOf, PostgresRig } from './postgres-rig.ts'
import { runsContract } from './store-contract-runs.ts'
import { type ContractSubject, storeContract } from './store-contract.ts'
import { FakeClock, newEvent, until } from './support.ts'

/** Fewer than a store has of its own, so that a statement seldom meets the connection of the one before. */
const CONNECTIONS = 4

describe('the Postgres store behind a pooler', { skip: withoutPooler() }, () => {
  let rig: PostgresRig
  const poolers = {} as Record<PoolMode, Pooler>
  before(async () => {
    rig = await PostgresRig.start()
    poolers.transaction = await startPooler(rig.server, 'transaction', CONNECTIONS)
    poolers.session = await startPooler(rig.server, 'session')
  })
  after(async () => {
    await rig?.remove()
    await poolers.transaction?.remove()
    await poolers.session?.remove()
  })

  const through = (mode: PoolMode, url = rig.url): string =>
    url.replace(`:${rig.server.port}/`, `:${poolers[mode].port}/`)

  const open = async (): Promise<ContractSubject> => {
    const url = through('transaction', await newDatabase(rig.server))
    return { store: await openPostgres(url), reopen: () => openPostgres(url) }
  }
  const contract = process.env['LOOMI_TEST_FULL'] ? storeContract : runsContract
  contract('Postgres through a pooler’s transaction mode', { shared: true, hasOwnClock: true }, open)

  for (const mode of ['transaction', 'session'] as const)
    it(`is migrated in ${mode} mode, also by several processes at once`, async () => {
      const url = through(mode, await emptyDatabase(rig.server))
      const applied = await Promise.all([1, 2, 3].map(() => migratePostgres(url)))
      assert.equal(applied.flat().length, 1)
      await (await openPostgres(url)).close()
    })

  for (const [what, change, remedy] of [
    ['password that is wrong', (url: URL) => (url.password = 'guessed'), /right user and password/],
    ['database that is not there', (url: URL) => (url.pathname = '/nowhere'), /createdb/],
  ] as const)
    it(`says of a ${what} what to do`, async () => {
      const url = new URL(through('session'))
      change(url)
      await assert.rejects(openPostgres(url.href), (error: LoomiError) => {
        assert.equal(error.code, 'store_misconfigured')
        assert.match(error.message, remedy)
        assert.ok(!error.message.includes('guessed'))
        return true
      })
    })

  it('limits the time of statements on connections of its own, and leaves no setting to who gets a pooler’s', async () => {
    const limit = async (url: string): Promise<unknown> => {
      const pool = new PostgresPool(url)
      const answer = await pool.ask(`select current_setting('statement_timeout') as answer`, [])
      await pool.end()
      return answer
    }
    assert.equal(await limit(rig.url), '10s')
    assert.equal(await limit(`${rig.url}?statement_timeout=500`), '500ms')
    assert.equal(await limit(`${rig.url}?options=-c%20statement_timeout%3D1min`), '1min')
    assert.equal(await limit(through('transaction')), '0')
    const url = await newDatabase(rig.server)
    for (const [ofRole, is] of [
      ['300ms', '300ms'],
      ['2min', '10s'],
    ]) {
      const database = new URL(url).pathname.slice(1)
      await rig.server.psql({
        sql: `alter role app in database ${database} set statement_timeout = '${ofRole}'`,
      })
      assert.equal(await limit(url), is)
    }
  })

  for (const mode of ['transaction', 'session'] as const)
    it(`has the server end what waits for a session and was given up, in ${mode} mode`, async (t) => {
      const url = await newDatabase(rig.server)
      // Seconds would be long for a test.
      const impatient = `do $$ begin execute replace(pg_get_functiondef('loomi_lock'::regproc), '10s', '300ms'); end $$`
      const owner = new Client(url)
      t.after(() => owner.end())
      await owner.connect()
      await owner.query(impatient)
      await owner.query('begin')
      await owner.query(`select pg_advisory_xact_lock(hashtextextended('held', 607841))`)
      const pool = new PostgresPool(through(mode, url), 100)
      t.after(() => pool.end())
      await assert.rejects(pool.call('loomi_lock', { p_session_id: 'held' }), /has not answered for 100 ms/)
      await until(async () => {
        const { rows } = await rig.pool.query(
          `select from pg_locks join pg_database d on d.oid = database where datname = $1 and not granted`,
          [new URL(url).pathname.slice(1)],
        )
        return rows.length === 0
      }, 'the end of the waiting')
    })

  it('hears at once in session mode, and asks for nothing', async () => {
    // On this clock no poll falls due.
    const clock = new FakeClock()
    const store = await rig.open({ clock }, through('session'))
    const other = await rig.open({}, through('session'))
    const told = await rig.watched(store)
    await until(() => clock.pending === 1, 'the end of the polling, but for the next look at itself')
    const ref = rig.fresh()
    await other.append(ref, [newEvent(1)])
    await until(() => told.includes(ref.sessionId), 'the wake-up')
  })

  it('hears in session mode however long the pooler says nothing when it begins to listen again', async () => {
    const clock = new FakeClock()
    const store = await rig.open({ clock }, through('session'))
    // Who leaves at once does not stay to hear whether it is heard.
    await new Promise<void>((resolve) => {
      const stop = store.watch(() => {
        stop()
        resolve()
      })
    })
    await store.heads([])
    poolers.session.freeze()
    const told: string[] = []
    store.watch((ids) => told.push(...(ids ?? [])))
    await clock.advance(10_000)
    poolers.session.thaw()
    const other = await rig.open()
    const ref = rig.fresh()
    await until(async () => {
      await other.append(ref, [newEvent(await nextOf(other, ref))])
      return told.includes(ref.sessionId)
    }, 'a wake-up')
  })

  /** What those who come next are told of by a pooler that has one connection. */
  const heardByStrangers = async (url: string): Promise<string[]> => {
    const stranger = new Client(url)
    await stranger.connect()
    const { rows } = await stranger.query<{ name: string }>('select pg_listening_channels() as name')
    await stranger.end()
    return rows.map(({ name }) => name)
  }

  it('leaves no LISTEN behind when nothing is heard in transaction mode, or nobody watches any more', async (t) => {
    const pooler = await startPooler(rig.server, 'transaction', 1)
    t.after(() => pooler.remove())
    const url = rig.urlAt(pooler.port)
    const heard = await hearDirectly(t)

    const store = await rig.open({ clock: new FakeClock() }, url)
    const stop = store.watch(() => undefined)
    await until(() => heard.length > 0, 'the word to itself')
    assert.deepEqual(await heardByStrangers(url), ['loomi'])
    stop()
    await until(async () => (await heardByStrangers(url)).length === 0, 'the end of the LISTEN of a watch')

    const trial = new FakeClock()
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
    const opening = listeningWakeups(url, async () => ask(), trial)
    await asked
    assert.deepEqual(await heardByStrangers(url), ['loomi'])
    await trial.advance(3000)
    assert.equal(await opening, null)
    await until(async () => (await heardByStrangers(url)).length === 0, 'the end of the LISTEN of a trial')
  })

  /** Listens past all poolers. */
  const hearDirectly = async (t: TestContext): Promise<readonly string[]> => {
    const client = new Client(rig.url)
    t.after(() => client.end())
    const heard: string[] = []
    client.on('notification', ({ payload = '' }) => heard.push(payload))
    await client.connect()
    await client.query('listen loomi')
    return heard
  }

  const wakesByAsking = async (t: TestContext, url: string, isTold: boolean): Promise<void> => {
    const clock = new FakeClock()
    const heard = await hearDirectly(t)
    const warnings: (Error & { code?: string })[] = []
    const note = (warning: Error): void => void warnings.push(warning)
    process.on('warning', note)
    const store = await rig.open({ clock }, url)
    if (isTold) await until(() => warnings.length > 0, 'the warning of a store that is opened')
    const other = await rig.open({}, through('transaction'))
    let hints = 0
    store.watch((ids) => ids === undefined && hints++)
    await other.append(rig.fresh(), [newEvent(1)])
    await clock.advance(100)
    assert.ok(hints > 0, 'it asks from the start')
    if (!isTold) {
      await until(() => heard.some((payload) => payload.endsWith('[]')), 'the word to itself')
      // By the same way as the answer to that word, and after it.
      await store.heads([])
      await clock.advance(5000)
    }
    await until(() => warnings.length > 0, 'the warning')
    process.off('warning', note)
    assert.deepEqual(
      warnings.map(({ code }) => code),
      ['LOOMI_NO_LISTEN'],
    )
    assert.match(warnings[0]!.message, /transaction pooler.*session mode/)
    const before = hints
    await other.append(rig.fresh(), [newEvent(1)])
    await clock.advance(2000)
    assert.ok(hints > before, 'it goes on asking')
    const logins = (): number => poolers.transaction.log.split('login attempt').length
    const earlier = logins()
    await clock.advance(20_000)
    await rig.open({}, through('transaction'))
    await until(() => logins() > earlier, 'the pooler’s log')
    assert.equal(logins(), earlier + 1, 'it listens no more')
    await store.close()
    assert.equal(clock.pending, 0)
  }

  it('says at once that it cannot hear in transaction mode, where the URL tells, and wakes by asking', async (t) => {
    await wakesByAsking(t, `${through('transaction')}?pgbouncer=true`, true)
  })

  it('finds out soon in transaction mode where the URL does not tell, and listens no more', async (t) => {
    await wakesByAsking(t, through('transaction'), false)
  })
})
