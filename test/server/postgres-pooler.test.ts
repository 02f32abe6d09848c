/** The Postgres store behind a real PgBouncer, in both of its modes. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { LoomiError } from '../../server/errors.ts'
import { migratePostgres } from '../../server/stores/postgres-migrate.ts'
import { PostgresPool } from '../../server/stores/postgres-pool.ts'
import { openPostgres } from '../../server/stores/postgres.ts'
import { emptyDatabase, newDatabase } from '../databases/postgres-log.ts'
import { type Pooler, type PoolMode, startPooler, withoutPooler } from '../databases/pooler.ts'
import { PostgresRig } from './postgres-rig.ts'
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
    assert.equal(await limit(through('transaction')), '0')
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

  const wakesByAsking = async (url: string, afterMs: number): Promise<void> => {
    const clock = new FakeClock()
    const warnings: (Error & { code?: string })[] = []
    const note = (warning: Error): void => void warnings.push(warning)
    process.on('warning', note)
    const store = await rig.open({ clock }, url)
    const other = await rig.open({}, through('transaction'))
    let hints = 0
    store.watch((ids) => ids === undefined && hints++)
    await other.append(rig.fresh(), [newEvent(1)])
    await clock.advance(100)
    assert.ok(hints > 0, 'it asks from the start')
    await until(async () => {
      if (afterMs > 0) await clock.advance(afterMs)
      return warnings.length > 0
    }, 'the warning')
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

  it('says at once that it cannot hear in transaction mode, where the URL tells, and wakes by asking', async () => {
    await wakesByAsking(`${through('transaction')}?pgbouncer=true`, 0)
  })

  it('finds out soon in transaction mode where the URL does not tell, and listens no more', async () => {
    await wakesByAsking(through('transaction'), 5000)
  })
})
