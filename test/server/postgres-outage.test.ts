import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import type { AppendResult, SessionRef, Store } from '../../server/store.ts'
import { withoutPostgres } from '../databases/postgres.ts'
import { startRelay } from '../databases/relay.ts'
import { startLoad } from './postgres-load.ts'
import { nextOf, PostgresRig } from './postgres-rig.ts'
import { newEvent, newEvents, REF, rowsOf, until } from './support.ts'

describe('an outage of a Postgres', { skip: withoutPostgres() }, () => {
  let rig: PostgresRig
  before(async () => (rig = await PostgresRig.start({ durable: true })))
  after(() => rig?.remove())

  it('of a database that says nothing ends a call in time, and the next one takes a new connection', async () => {
    const relay = await startRelay(rig.server.port)
    const store = await rig.open({ callMs: 300 }, rig.urlAt(relay.port))
    const ref = rig.fresh()
    await store.append(ref, [newEvent(1)])
    assert.ok(relay.cut() >= 1)
    await assert.rejects(
      store.append(ref, [newEvent(2)]),
      (error) =>
        error instanceof LoomiError && error.code === 'store_unavailable' && !/own/.test(error.message),
    )
    const result = await store.append(ref, newEvents(2, 3))
    assert.ok(result.ok)
    assert.equal((await rowsOf(store, ref)).length, 3)
    await store.close()
    await relay.close()
  })

  it('by kill -9 in the middle of a feed loses nothing that was acknowledged', async (t) => {
    const store = await rig.open()
    const told = await rig.watched(store)
    const refs = [rig.fresh(), rig.fresh(), rig.fresh(), rig.fresh()]
    const acknowledged = refs.map(() => 0)
    const over = new AbortController()
    t.after(() => over.abort())
    const feeds = refs.map(async (ref, at) => {
      for (let n = 1; await isStored(store, ref, n, over.signal); n++) acknowledged[at] = n
    })
    const failures: unknown[] = []
    for (let round = 1; round <= 3; round++) {
      const before = [...acknowledged]
      await until(() => acknowledged.every((n, at) => n >= before[at]! + 10), 'the feed', 30_000)
      await rig.server.stop('kill')
      await store.append(REF, [newEvent(1)]).catch((error: unknown) => failures.push(error))
      await rig.server.start()
    }
    over.abort()
    await Promise.all(feeds)
    assert.ok(failures.every((error) => error instanceof LoomiError && error.code === 'store_unavailable'))
    assert.equal(failures.length, 3)
    for (const [at, ref] of refs.entries()) {
      const rows = await rowsOf(store, ref)
      assert.deepEqual(
        rows.map(({ seq, n }) => [seq, n]),
        Array.from({ length: rows.length }, (_, index) => [index + 1, index + 1]),
      )
      assert.ok(rows.length >= acknowledged[at]!, `${rows.length} of ${acknowledged[at]}`)
    }
    // It listens again as well.
    const [other, more] = [await rig.open(), rig.fresh()]
    await until(async () => {
      await other.append(more, [newEvent(await nextOf(other, more))])
      return told.includes(more.sessionId)
    }, 'a wake-up after the restart')
  })

  it('by kill -9 under load, 20 times, ends no process; a second after the return all is well again', async (t) => {
    const load = startLoad(rig.url)
    t.after(() => load.kill())
    for (let round = 1; round <= 20; round++) {
      const before = await load.state()
      await until(async () => (await load.state()).answered > before.answered + 100, 'the load')
      await rig.server.stop('kill')
      await rig.server.start()
      const { answered } = await load.state()
      const word = `round-${round}`
      await until(
        async () => {
          await rig.pool.query('select pg_notify($1, $2)', ['loomi', `["${word}"]`]).catch(() => undefined)
          const state = await load.state()
          return state.answered > answered && state.heard.includes(word)
        },
        `calls are answered and wake-ups heard after kill ${round}`,
        1000,
      )
    }
    const { unavailable, others, open } = await load.stop()
    assert.deepEqual({ others, open }, { others: [], open: 0 })
    assert.ok(unavailable >= 20, `${unavailable} calls were rejected`)
    assert.equal(await load.ended, 0)
  })
})

/** Appends one event until the database says that it has it; false when that is not wanted any more. */
async function isStored(store: Store, ref: SessionRef, n: number, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const result: AppendResult | null = await store.append(ref, [newEvent(n)]).catch(() => null)
    if (result?.ok) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return false
}
