import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { keyOf, type RunRef, type SessionRef, type Store } from '../../server/store.ts'
import { openPool, transaction } from '../databases/pool.ts'
import { withoutPostgres } from '../databases/postgres.ts'
import { PostgresRig } from './postgres-rig.ts'
import { newEvent, newEvents, rowsOf, until } from './support.ts'

const AT = '2026-11-24T00:00:00.000Z'

describe('whoever meets a transfer or a deletion in the database', { skip: withoutPostgres() }, () => {
  let rig: PostgresRig
  before(async () => (rig = await PostgresRig.start()))
  after(() => rig?.remove())

  const given = (ref: SessionRef): SessionRef => ({ ...ref, userId: 'bob' })
  /** A session with an event, and a run that is leased while its transfer is not committed. */
  const leasedBeforeCommit = async (): Promise<{ ref: SessionRef; run: RunRef; store: Store }> => {
    const ref = rig.fresh()
    const run = { ...ref, runId: 'late' }
    const store = await rig.open()
    await store.append(ref, [newEvent(1)])
    const pool = openPool(rig.url, 1)
    await transaction(pool, async (ask) => {
      await ask(`select loomi_transfer($1, 'ada', 'bob')`, [ref.sessionId])
      await store.leaseRuns([run], 3_600_000)
    })
    await pool.end()
    return { ref, run, store }
  }

  it('a run that is leased before the transfer’s commit is stopped with the session, and nothing of it is taken', async () => {
    const { ref, store } = await leasedBeforeCommit()
    assert.equal(await store.endRuns('stopped', { sessionId: ref.sessionId }, AT), 2)
    assert.deepEqual((await rowsOf(store, given(ref))).map(keyOf).toSorted(), [
      'late/0',
      'run-1/1',
      'run-1/1.1',
    ])
    const late = await store.append(ref, [newEvent(1, { run_id: 'late' })])
    assert.deepEqual(late, { ok: false, code: 'run_stopped', runId: 'late' })
  })

  it('a run with events stays the new owner’s when its lease has waited for the transfer', async () => {
    const ref = rig.fresh()
    const store = await rig.open()
    await store.append(ref, newEvents(1, 5), 30_000)
    const pool = openPool(rig.url, 1)
    const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%loomi_lease%'`
    let lease = Promise.resolve()
    await transaction(pool, async (ask) => {
      await ask(`select loomi_transfer($1, 'ada', 'bob')`, [ref.sessionId])
      lease = store.leaseRuns([{ ...ref, runId: 'run-1' }], 30_000)
      await until(async () => (await rig.pool.query(waiting)).rows.length > 0, 'the lease to wait')
    })
    await lease
    await pool.end()
    await store.deleteSessions({ userId: 'ada' })
    assert.deepEqual(await store.runHigh(given(ref), 'run-1'), { n: 5, i: 0 })
  })

  it('a run that was leased before the transfer’s commit is the new owner’s with the next lease', async () => {
    const { ref, run, store } = await leasedBeforeCommit()
    await store.leaseRuns([run], 3_600_000)
    const { rows } = await rig.pool.query('select user_id from loomi_runs where session_id = $1', [
      ref.sessionId,
    ])
    assert.deepEqual(
      rows.map(({ user_id }) => user_id),
      ['bob', 'bob'],
    )
  })

  it('a transfer between two steps of a user’s deletion leaves the rest to the other, as if it was pruned', async () => {
    const ref = rig.fresh()
    const store = await rig.open()
    await store.append(ref, newEvents(1, 30))
    const step = `select loomi_delete_sessions('{"userId": "ada"}', 10) as answer`
    const { rows } = await rig.pool.query(step)
    assert.deepEqual(rows[0]!['answer'], { sessions: [], more: true })
    assert.equal(await store.transferSession(ref.sessionId, 'ada', 'bob'), true)
    assert.deepEqual(await store.deleteSessions({ userId: 'ada' }), [])
    const left = await rowsOf(store, given(ref))
    assert.deepEqual([left[0]!.seq, left.length], [11, 20])
    assert.deepEqual([...(await store.keys(given(ref), [9, 10]))], [[10, 'run-1/10']])
    const again = await store.append(given(ref), newEvents(1, 31))
    assert.deepEqual(again.ok && again.added.map(({ n }) => n), [31])
  })

  it('a deletion that waits for the append which begins the session anew leaves its places', async () => {
    const ref = rig.fresh()
    const store = await rig.open()
    await store.leaseRuns([{ ...ref, runId: 'run-1' }], 3_600_000)
    const pool = openPool(rig.url, 1)
    const deletion = await transaction(pool, async (ask) => {
      await ask(`select loomi_append($1, 'ada', $2)`, [
        ref.sessionId,
        JSON.stringify({ event_type: 'x', event_data: 1, run_id: 'run-1', n: 3 }),
      ])
      const deletion = store.deleteSessions({ sessionId: ref.sessionId })
      await until(async () => {
        const { rows } = await rig.pool.query('select from pg_locks where not granted')
        return rows.length > 0
      }, 'the deletion to wait')
      return [deletion] as const
    })
    await pool.end()
    assert.deepEqual(await deletion[0], [])
    assert.deepEqual(await store.runHigh(ref, 'run-1'), { n: 3, i: 0 })
  })
})
