/** What server/store.ts promises of pruning and deleting, in sentences; every store passes them. Part of the store contract. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keyOf, type Retention, type SessionRef, type Store } from '../../server/store.ts'
import { useSubject } from './contract-subject.ts'
import type { Contract, ContractSubject } from './store-contract.ts'
import { newEvent, newEvents, rowsOf } from './support.ts'

const HOUR = 3_600_000
const AT = '2026-11-24T00:00:00.000Z'

/** The contract of pruning and deleting, run against the stores that `open` makes. */
export const pruneContract: Contract = (name, { shared }, open) => {
  describe(`the store contract of pruning and deleting: ${name}`, () => {
    let subject: ContractSubject
    let store: Store
    let count = 0
    useSubject(open, (its, made) => {
      store = its
      subject = made
    })

    const fresh = (userId = 'ada'): SessionRef => ({ sessionId: `prune ${++count}`, userId })
    const seqs = async (ref: SessionRef): Promise<number[]> =>
      (await rowsOf(store, ref)).map(({ seq }) => seq)
    /** Prunes the whole log and answers with how many rows each call took. */
    const prune = async (retention: Retention, limit = 500): Promise<number[]> => {
      const removed: number[] = []
      for (let from: string | null = null; ;) {
        const pruned = await store.prune(retention, limit, from)
        removed.push(pruned.removed)
        if (pruned.next === null) return removed
        from = pruned.next
      }
    }
    const keys = async (ref: SessionRef, asked: readonly number[]): Promise<Record<number, string>> =>
      Object.fromEntries(await store.keys(ref, asked))
    const total = (removed: readonly number[]): number => removed.reduce((sum, rows) => sum + rows, 0)

    describe('pruning by number', () => {
      it('keeps the newest rows of each session', async () => {
        const [many, few] = [fresh(), fresh()]
        await store.append(many, newEvents(1, 10))
        await store.append(few, newEvents(1, 2))
        assert.equal(total(await prune({ maxEventsPerSession: 3 })), 7)
        assert.deepEqual(await seqs(many), [8, 9, 10])
        assert.deepEqual(await seqs(few), [1, 2])
        assert.equal(total(await prune({ maxEventsPerSession: 3 })), 0)
      })

      it('takes at most as many rows in a call as it may, the oldest first, and all in the end', async () => {
        const refs = [fresh(), fresh(), fresh()]
        for (const ref of refs) await store.append(ref, newEvents(1, 25))
        const [first, ...rest] = await prune({ maxEventsPerSession: 2 }, 10)
        assert.ok([first!, ...rest].every((rows) => rows <= 10))
        for (const ref of refs) assert.deepEqual(await seqs(ref), [24, 25])
      })

      it('never leaves a hole, whenever it stops', async () => {
        const ref = fresh()
        await store.append(ref, newEvents(1, 30))
        let from: string | null = null
        do {
          const pruned = await store.prune({ maxEventsPerSession: 1 }, 7, from)
          from = pruned.next
          const left = await seqs(ref)
          assert.deepEqual(
            left,
            left.map((_, i) => 31 - left.length + i),
          )
        } while (from !== null)
        assert.deepEqual(await seqs(ref), [30])
      })

      it('takes nothing without a number', async () => {
        const ref = fresh()
        await store.append(ref, newEvents(1, 3))
        assert.deepEqual(total(await prune({})), 0)
        assert.deepEqual(await seqs(ref), [1, 2, 3])
      })
    })

    describe('pruning by age', () => {
      it('goes by when the store took a row, whatever its producer’s clock says', async () => {
        const [past, future] = [fresh(), fresh()]
        await store.append(past, newEvents(1, 3, { created_at: '1970-01-01T00:00:00.000Z' }))
        await store.append(future, newEvents(1, 3, { created_at: '2999-01-01T00:00:00.000Z' }))
        await prune({ maxAgeMs: HOUR })
        assert.deepEqual(
          [await seqs(past), await seqs(future)],
          [
            [1, 2, 3],
            [1, 2, 3],
          ],
        )
        await prune({ maxAgeMs: 0 })
        assert.deepEqual([await seqs(past), await seqs(future)], [[3], [3]])
      })

      it('and by number takes what either lets go', async () => {
        const ref = fresh()
        await store.append(ref, newEvents(1, 9))
        await prune({ maxAgeMs: HOUR, maxEventsPerSession: 4 })
        assert.deepEqual(await seqs(ref), [6, 7, 8, 9])
        await prune({ maxAgeMs: 0, maxEventsPerSession: 4 })
        assert.deepEqual(await seqs(ref), [9])
      })
    })

    describe('what a pruned session keeps', () => {
      it('is its newest row, its head and its epoch; the next row follows them', async () => {
        const ref = fresh()
        const appended = await store.append(ref, newEvents(1, 5))
        assert.ok(appended.ok)
        await prune({ maxAgeMs: 0, maxEventsPerSession: 1 })
        assert.deepEqual(await store.heads([ref]), [appended.head])
        assert.deepEqual(await keys(ref, [1, 3, 4, 5]), { 4: 'run-1/4', 5: 'run-1/5' })
        const more = await store.append(ref, newEvents(6, 7))
        assert.ok(more.ok)
        assert.deepEqual([more.head.epoch, more.head.head], [appended.head.epoch, 7])
        assert.deepEqual(await seqs(ref), [5, 6, 7])
      })

      it('is the key of the newest row that went, whatever its run and however often it is pruned', async () => {
        const ref = fresh()
        assert.deepEqual(await keys(ref, [0, 1]), {})
        await store.append(ref, [
          newEvent(1),
          newEvent(1, { i: 1, first_i: 1 }),
          newEvent(1, { run_id: 'run-2' }),
        ])
        assert.deepEqual(await keys(ref, [0]), {})
        await prune({ maxEventsPerSession: 2 })
        assert.deepEqual(await keys(ref, [0, 1, 2, 3]), { 1: 'run-1/1', 2: 'run-1/1.1', 3: 'run-2/1' })
        await prune({ maxEventsPerSession: 1 })
        await prune({ maxEventsPerSession: 1 })
        assert.deepEqual(await keys(ref, [0, 1, 2, 3]), { 2: 'run-1/1.1', 3: 'run-2/1' })
        assert.deepEqual(await keys(ref, [2]), { 2: 'run-1/1.1' })
        assert.deepEqual(await keys({ ...ref, userId: 'eve' }, [2]), {})
        await store.append(ref, newEvents(2, 9))
        await prune({ maxEventsPerSession: 1 }, 3)
        assert.deepEqual(await keys(ref, [2, 9, 10]), { 10: 'run-1/8' })
        await store.deleteSessions({ sessionId: ref.sessionId })
        await store.append(ref, newEvents(1, 2))
        assert.deepEqual(await keys(ref, [10]), {})
      })

      it('is how far its runs are: what is fed again adds nothing', async () => {
        const ref = fresh()
        await store.append(ref, newEvents(1, 5))
        await store.append(ref, newEvents(1, 1, { run_id: 'run-2' }))
        await prune({ maxEventsPerSession: 1 })
        assert.deepEqual(await store.runHigh(ref, 'run-1'), { n: 5, i: 0 })
        const again = await store.append(ref, newEvents(1, 5))
        assert.ok(again.ok)
        assert.deepEqual(again.added, [])
        assert.deepEqual(await seqs(ref), [6])
      })

      it('is that its runs are open, and that it was closed', async () => {
        const [open, closed] = [fresh(), fresh()]
        await store.append(open, newEvents(1, 3))
        await store.append(closed, [...newEvents(1, 3), newEvent(4, { event_type: 'session_complete' })])
        await prune({ maxAgeMs: 0 })
        assert.equal(await store.endRuns('stopped', open, AT), 1)
        assert.deepEqual((await rowsOf(store, open)).map(keyOf), ['run-1/3', 'run-1/3.1'])
        assert.equal((await store.heads([closed]))[0]?.closedSeq, 4)
        assert.deepEqual(await store.append(closed, [newEvent(5)]), { ok: false, code: 'session_closed' })
      })
    })

    describe('deleting', () => {
      it('takes everything of a session, and no other; what is begun again is another log', async () => {
        const [ref, other] = [fresh(), fresh()]
        const before = await store.append(ref, newEvents(1, 1200))
        await store.append(other, newEvents(1, 2))
        await store.savePresence([presenceOf(ref), presenceOf(other)])
        assert.ok(before.ok)
        assert.deepEqual(await store.deleteSessions({ sessionId: ref.sessionId }), [ref])
        assert.deepEqual(await store.heads([ref]), [null])
        assert.deepEqual(await seqs(ref), [])
        assert.equal(await store.loadPresence(ref), null)
        assert.deepEqual(await store.runHigh(ref, 'run-1'), { n: 0, i: -1 })
        assert.equal(await store.endRuns('stopped', ref, AT), 0)
        assert.deepEqual(await seqs(other), [1, 2])
        assert.notEqual(await store.loadPresence(other), null)
        const anew = await store.append(ref, newEvents(1, 2))
        assert.ok(anew.ok)
        assert.notEqual(anew.head.epoch, before.head.epoch)
        assert.deepEqual(await seqs(ref), [1, 2])
      })

      it('takes every session of a user, and what was known of one without a log', async () => {
        const mine = [fresh('bob'), fresh('bob')]
        const theirs = fresh('eve')
        const unborn = { ...fresh('bob'), runId: 'run-1' }
        for (const ref of [...mine, theirs]) await store.append(ref, newEvents(1, 2))
        await store.savePresence([presenceOf(unborn), presenceOf(theirs)])
        await store.leaseRuns([unborn], HOUR)
        const deleted = await store.deleteSessions({ userId: 'bob' })
        assert.deepEqual(
          deleted.toSorted((a, b) => a.sessionId.localeCompare(b.sessionId)),
          mine.toSorted((a, b) => a.sessionId.localeCompare(b.sessionId)),
        )
        assert.deepEqual(await store.heads(mine), [null, null])
        assert.equal(await store.loadPresence(unborn), null)
        assert.equal(await store.endRuns('stopped', unborn, AT), 0)
        assert.deepEqual(await seqs(theirs), [1, 2])
        assert.notEqual(await store.loadPresence(theirs), null)
      })

      it('of what is not there does nothing, also the second time', async () => {
        const ref = fresh('carl')
        await store.append(ref, [newEvent(1)])
        for (const choice of [{ sessionId: ref.sessionId }, { userId: 'carl' }, { sessionId: 'never was' }])
          await store.deleteSessions(choice)
        assert.deepEqual(await store.deleteSessions({ sessionId: ref.sessionId }), [])
        assert.deepEqual(await store.deleteSessions({ userId: 'carl' }), [])
      })
    })

    if (!shared) return
    it('lets several processes prune and append at once', async () => {
      const others = [await subject.reopen!(), await subject.reopen!()]
      const ref = fresh()
      const prunes = [store, ...others].map(async (each) => {
        for (let round = 0; round < 20; round++) await each.prune({ maxEventsPerSession: 5 }, 3)
      })
      for (let n = 1; n <= 60; n++) await store.append(ref, [newEvent(n)])
      await Promise.all(prunes)
      await prune({ maxEventsPerSession: 5 })
      assert.deepEqual(await seqs(ref), [56, 57, 58, 59, 60])
      for (const other of others) await other.close()
    })
  })
}

function presenceOf({ sessionId, userId }: SessionRef): Parameters<Store['savePresence']>[0][number] {
  return { sessionId, userId, lastBeatAt: 1, headSeq: 0, pendingSeq: null, epoch: null, displayed: null }
}
