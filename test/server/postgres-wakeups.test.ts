import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Client } from 'pg'
import { withoutPostgres } from '../databases/postgres.ts'
import { startRelay } from '../databases/relay.ts'
import { nextOf, PostgresRig } from './postgres-rig.ts'
import { FakeClock, newEvent, until } from './support.ts'

describe('the wake-ups of the Postgres store', { skip: withoutPostgres() }, () => {
  let rig: PostgresRig
  before(async () => (rig = await PostgresRig.start()))
  after(() => rig?.remove())

  const killListeners = async (): Promise<number> => {
    const killed = await rig.server.psql(
      { sql: `select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen %'` },
      { database: 'postgres' },
    )
    return killed.trim().split('\n').length
  }

  const listens = async (): Promise<boolean> => {
    const sql = `select count(*) from pg_stat_activity where query ilike 'listen %' and state = 'idle'`
    return Number(await rig.server.psql({ sql }, { database: 'postgres' })) > 0
  }

  it('name the sessions of a tick together, and do not come back to who sent them', async () => {
    const [store, other] = [await rig.open(), await rig.open()]
    const [own, told] = [await rig.watched(store), await rig.watched(other)]
    const payloads: string[] = []
    const ear = new Client(rig.url)
    ear.on('notification', ({ payload = '' }) => payloads.push(payload))
    await ear.connect()
    await ear.query('listen loomi')
    const refs = Array.from({ length: 40 }, (_, i) => ({
      sessionId: `${i} ${'ä'.repeat(120)}`,
      userId: 'ada',
    }))
    await Promise.all(refs.map((ref) => store.append(ref, [newEvent(1)])))
    await until(() => refs.every(({ sessionId }) => told.includes(sessionId)), 'all wake-ups')
    await ear.end()
    assert.ok(
      payloads.filter((payload) => !payload.endsWith('[]')).length < refs.length,
      `${payloads.length} notifications`,
    )
    assert.equal(
      refs.some(({ sessionId }) => own.includes(sessionId)),
      false,
    )
  })

  it('go on after the connection that listens was killed, and tell that something may have been missed', async () => {
    const [store, other] = [await rig.open(), await rig.open()]
    const told = await rig.watched(store)
    const ref = rig.fresh()
    for (let n = 1; n <= 3; n++) {
      const before = told.filter((id) => id === null).length
      assert.ok((await killListeners()) >= 1)
      await until(
        () => told.filter((id) => id === null).length > before,
        'the word that something was missed',
      )
      await until(listens, 'the new connection')
      told.length = 0
      await other.append(ref, [newEvent(n)])
      await until(() => told.includes(ref.sessionId), 'the wake-up')
    }
  })

  it('come from asking while the connection hears nothing, and from a new one soon', async () => {
    const relay = await startRelay(rig.server.port)
    const clock = new FakeClock()
    const store = await rig.open({ clock }, rig.urlAt(relay.port))
    const told = await rig.watched(store)
    assert.equal(relay.cut('listen loomi'), 1)
    const other = await rig.open()
    const ref = rig.fresh()
    told.length = 0
    await other.append(ref, [newEvent(1)])
    // The word that we sent ourselves before the cut counts for one look, the next one is not heard.
    for (let looks = 0; looks < 4 && told.length === 0; looks++) {
      await clock.advance(5000)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => told.includes(null), 'the hints')
    const more = rig.fresh()
    await until(async () => {
      await other.append(more, [newEvent(await nextOf(other, more))])
      return told.includes(more.sessionId)
    }, 'wake-ups from a new connection')
    await store.close()
    await relay.close()
  })

  it('come from asking as soon as it is known that nothing can be heard', async () => {
    const clock = new FakeClock()
    const store = await rig.open({ clock })
    const told = await rig.watched(store)
    await until(() => clock.pending === 1, 'the end of the polling, but for the next look at itself')
    await rig.server.psql({ sql: 'alter role app connection limit 0' })
    try {
      assert.ok((await killListeners()) >= 1)
      await until(() => clock.pending > 1, 'the next try to listen')
      await clock.advance(100)
      assert.ok(told.includes(null))
    } finally {
      await rig.server.psql({ sql: 'alter role app connection limit -1' })
    }
    const [other, ref] = [await rig.open(), rig.fresh()]
    await until(async () => {
      await clock.advance(500)
      await other.append(ref, [newEvent(await nextOf(other, ref))])
      return told.includes(ref.sessionId)
    }, 'a wake-up')
    await until(() => clock.pending === 1, 'the end of the polling')
    await store.close()
  })

  it('come from asking, which is said once, through a transaction pooler', async () => {
    const warnings: string[] = []
    const note = (warning: Error & { code?: string }): void => void warnings.push(warning.code ?? '')
    process.on('warning', note)
    const clock = new FakeClock()
    const store = await rig.open({ clock }, `${rig.url}?pgbouncer=true`)
    await until(() => warnings.length > 0, 'the warning')
    let hints = 0
    const stop = store.watch(() => hints++)
    stop()
    store.watch(() => hints++)
    await store.append(rig.fresh(), [newEvent(1)])
    await clock.advance(250)
    assert.equal(hints, 2)
    process.off('warning', note)
    assert.deepEqual(warnings, ['LOOMI_NO_LISTEN'])
    await store.close()
    assert.equal(clock.pending, 0)
  })
})
