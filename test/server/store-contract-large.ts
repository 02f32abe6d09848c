/**
 * What server/store.ts promises holds for a session of very many events as for a short one; every store passes it. Part of
 * the store contract. With `LOOMI_TEST_FULL=1` it has a million; what takes how long is printed then.
 */
import assert from 'node:assert/strict'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { describe, it, type TestContext } from 'node:test'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { keyOf, type SessionRef, type Store, type StoredEvent } from '../../server/store.ts'
import { Random } from '../sim/random.ts'
import { useSubject } from './contract-subject.ts'
import type { Contract } from './store-contract.ts'
import { newEvent, newEvents, rowsOf, SEED } from './support.ts'

const FULL = Boolean(process.env['LOOMI_TEST_FULL'])
const EVENTS = FULL ? 1_000_000 : 10_000
const BATCH = 5000
const HALF = EVENTS / 2
/** As many as the server has pruned at once. */
const PRUNED_AT_ONCE = 500
const RESOLUTION_MS = 1

/** The contract of very many events, run against the stores that `open` makes. */
export const largeContract: Contract = (name, _, open) => {
  describe(`the store contract of ${EVENTS.toLocaleString('en')} events in a session: ${name}`, () => {
    const ref: SessionRef = { sessionId: 'large', userId: 'ada' }
    const other: SessionRef = { sessionId: 'small', userId: 'ada' }
    const random = new Random(SEED.seed, 'large sessions')
    let store: Store
    let appended = 0
    useSubject(open, (its) => (store = its))

    const batch = (from: number): ReturnType<typeof newEvents> =>
      newEvents(from, from + BATCH - 1, { event_data: '"."' })
    const headOf = async (): Promise<number | undefined> => (await store.heads([ref]))[0]?.head
    const page = async (after: number, limit: number): Promise<readonly StoredEvent[]> =>
      (await store.read(ref, after, limit)).events
    const assertRows = (rows: readonly StoredEvent[], from: number, to: number): void => {
      assert.equal(rows.length, to - from + 1)
      for (const [at, row] of rows.entries())
        if (row.seq !== from + at || keyOf(row) !== `run-1/${row.seq}`)
          assert.fail(`${keyOf(row)} is seq ${row.seq}, not ${from + at}`)
    }

    /** Does work and tells how long it took, and for how long at most everything else of this process waited. */
    async function timed<T>(t: TestContext, work: () => Promise<T>, say = (_: T): string => ''): Promise<T> {
      const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
      delay.enable()
      // It counts from its first look on, and has seen a wait when that is over.
      await setTimeout(5 * RESOLUTION_MS)
      const began = performance.now()
      const result = await work()
      const ms = performance.now() - began
      await setTimeout(5 * RESOLUTION_MS)
      delay.disable()
      const blockedMs = Math.max(0, delay.max / 1e6 - RESOLUTION_MS)
      const said = `${name}: ${t.name}: ${(ms / 1000).toFixed(2)} s, longest block ${blockedMs.toFixed(0)} ms${say(result)}`
      if (FULL) console.log(said)
      else t.diagnostic(said)
      return result
    }

    /** Appends to the other session, one event after the other, while work goes on; the longest wait for one. */
    async function appendingBeside(work: () => Promise<void>): Promise<number> {
      let [isOver, longestMs] = [false, 0]
      const working = work().finally(() => (isOver = true))
      do {
        const began = performance.now()
        assert.ok((await store.append(other, [newEvent(++appended)])).ok)
        longestMs = Math.max(longestMs, performance.now() - began)
      } while (!isOver)
      await working
      return longestMs
    }
    const longest = (ms: number): string => `, longest append beside it ${ms.toFixed(0)} ms`

    it('is appended in batches', async (t) => {
      await timed(t, async () => {
        for (let from = 1; from <= EVENTS; from += BATCH) {
          const result = await store.append(ref, batch(from))
          assert.ok(result.ok)
          assert.equal(result.added.length, BATCH)
          assert.equal(result.head.head, from + BATCH - 1)
        }
      })
      assert.equal(await headOf(), EVENTS)
      assert.deepEqual(await store.runHigh(ref, 'run-1'), { n: EVENTS, i: 0 })
    })

    it('is read without a hole, page by page', async (t) => {
      await timed(t, async () => {
        for (let after = 0; after < EVENTS; after += BATCH) {
          assertRows(await page(after, BATCH), after + 1, after + BATCH)
          await setImmediate()
        }
      })
      assert.deepEqual(await page(EVENTS, BATCH), [])
    })

    it('gives its last hundred, and a hundred from its middle', async (t) => {
      await timed(t, async () => {
        assertRows(await page(EVENTS - 100, 1000), EVENTS - 99, EVENTS)
        await setImmediate()
        assertRows(await page(HALF, 100), HALF + 1, HALF + 100)
      })
    })

    it('gives keys at any places', async (t) => {
      const seqs = Array.from({ length: 100 }, () => 1 + Math.floor(random.next() * EVENTS))
      const keys = await timed(t, () => store.keys(ref, [...seqs, 0, EVENTS + 1]))
      assert.deepEqual(keys, new Map(seqs.map((seq) => [seq, `run-1/${seq}`])), `seed ${SEED.seed}`)
    })

    it('takes nothing a second time', async (t) => {
      await timed(t, async () => {
        for (const from of [1, HALF + 1, EVENTS - BATCH + 1]) {
          const again = await store.append(ref, batch(from))
          assert.ok(again.ok)
          assert.deepEqual(again.added, [])
        }
      })
      assert.equal(await headOf(), EVENTS)
    })

    it('loses its oldest half by pruning and stays readable behind the gap', async (t) => {
      const prune = async (): Promise<void> => {
        let removed = 0
        for (let from: string | null = null; ;) {
          const pruned = await store.prune({ maxEventsPerSession: HALF }, PRUNED_AT_ONCE, from)
          removed += pruned.removed
          if (pruned.next === null) break
          from = pruned.next
        }
        assert.equal(removed, HALF)
      }
      await timed(t, () => appendingBeside(prune), longest)
      assert.equal(await headOf(), EVENTS)
      assertRows(await page(0, 100), HALF + 1, HALF + 100)
      assertRows(await page(EVENTS - 100, 1000), EVENTS - 99, EVENTS)
      const keys = await store.keys(ref, [1, HALF - 1, HALF, HALF + 1])
      assert.deepEqual(new Set(keys.keys()), new Set([HALF, HALF + 1]))
      const again = await store.append(ref, batch(1))
      assert.ok(again.ok && again.added.length === 0)
    })

    it('is deleted, and what stands beside it is not', async (t) => {
      const remove = async (): Promise<void> =>
        assert.deepEqual(await store.deleteSessions({ sessionId: ref.sessionId }), [ref])
      await timed(t, () => appendingBeside(remove), longest)
      assert.deepEqual(await store.heads([ref]), [null])
      assert.deepEqual(await page(0, 100), [])
      assertRows(await rowsOf(store, other), 1, appended)
    })
  })
}
