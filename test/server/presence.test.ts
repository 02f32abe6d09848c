import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { LoomiError } from '../../server/errors.ts'
import { PresenceBook } from '../../server/presence.ts'
import { formatCursor, parseCursor } from '../../server/protocol.ts'
import type { PresenceRow, SessionHead, Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { FakeClock, REF, SEED, storeWith } from './support.ts'

const at = (head: number, epoch = 'e1'): SessionHead => ({
  epoch,
  head,
  headKey: `r/${head}`,
  closedSeq: null,
})
/** All sessions have the log of that epoch. */
const heads: Store['heads'] = async (refs) => refs.map(() => at(9))
const cursor = (seq: number, epoch = 'e1'): string => formatCursor(epoch, seq, `r/${seq}`)

describe('presence', () => {
  let clock: FakeClock
  let store: Store
  /** What each flush wrote. */
  let saves: (readonly PresenceRow[])[]
  let errors: unknown[]
  let book: PresenceBook
  beforeEach(() => {
    clock = new FakeClock()
    saves = []
    errors = []
    const sqlite = openSqlite(':memory:')
    store = storeWith(sqlite, {
      heads,
      savePresence: (rows) => {
        saves.push(rows)
        return sqlite.savePresence(rows)
      },
    })
    book = newBook()
  })

  const newBook = (thresholdMs = 10_000): PresenceBook =>
    new PresenceBook(store, clock, thresholdMs, (error) => errors.push(error))
  const mark = async (head: number): Promise<unknown> => (await book.place(REF, at(head))).mark

  describe('the mark', () => {
    it('is not there before the first beat', async () => {
      assert.deepEqual(await book.place(REF, at(5)), { mark: null, displayed: null })
      assert.equal(await book.get(REF), null)
    })

    it('is the head that the last beat found', async () => {
      await book.beat(REF, at(3), {})
      await clock.advance(5000)
      await book.beat(REF, at(5), {})
      assert.deepEqual(await mark(8), { seq: 5, pending: false })
    })

    it('is pending when no beat came for longer than the threshold', async () => {
      await book.beat(REF, at(3), {})
      await clock.advance(10_000)
      assert.deepEqual(await mark(8), { seq: 3, pending: false })
      await clock.advance(1)
      assert.deepEqual(await mark(8), { seq: 3, pending: true })
    })

    it('stays where the absence began though the returning client’s first beat comes before its stream', async () => {
      await book.beat(REF, at(3), {})
      await clock.advance(60_000)
      await book.beat(REF, at(8), {})
      assert.deepEqual(await mark(8), { seq: 3, pending: true })
      await clock.advance(5000)
      await book.beat(REF, at(9), {})
      assert.deepEqual(await mark(9), { seq: 3, pending: true })
    })

    it('stays with the first of several absences', async () => {
      await book.beat(REF, at(3), {})
      await clock.advance(60_000)
      await book.beat(REF, at(8), {})
      await clock.advance(60_000)
      await book.beat(REF, at(9), {})
      assert.deepEqual(await mark(9), { seq: 3, pending: true })
    })

    it('is no longer pending when a stream was served past it', async () => {
      await book.beat(REF, at(3), {})
      await clock.advance(60_000)
      await book.beat(REF, at(8), {})
      book.served(REF, 3, false)
      assert.deepEqual(await mark(8), { seq: 3, pending: true })
      book.served(REF, 4, false)
      assert.deepEqual(await mark(8), { seq: 8, pending: false })
    })

    it('moves on when a catch-up was served though no beat ended the absence', async () => {
      await book.beat(REF, at(3), {})
      await clock.advance(60_000)
      book.served(REF, 8, true)
      await book.beat(REF, at(8), {})
      assert.deepEqual(await mark(8), { seq: 8, pending: true })
      await book.beat(REF, at(9), {})
      book.served(REF, 9, false)
      assert.deepEqual(await mark(9), { seq: 9, pending: false })
    })

    it('takes another threshold', async () => {
      book = newBook(20_000)
      await book.beat(REF, at(3), {})
      await clock.advance(15_000)
      await book.beat(REF, at(8), {})
      assert.deepEqual(await mark(8), { seq: 8, pending: false })
      await clock.advance(20_001)
      await book.beat(REF, at(9), {})
      assert.deepEqual(await mark(9), { seq: 8, pending: true })
    })

    it('is at the beginning when the beats came before the first event', async () => {
      await book.beat(REF, null, {})
      assert.deepEqual(await mark(4), { seq: 0, pending: false })
      await clock.advance(10_001)
      await book.beat(REF, at(4), {})
      assert.deepEqual(await mark(4), { seq: 0, pending: true })
    })

    it('says nothing about another log', async () => {
      await book.beat(REF, at(3), { displayed: cursor(2) })
      assert.deepEqual(await book.place(REF, at(5, 'e2')), { mark: null, displayed: null })
      await clock.advance(60_000)
      await book.beat(REF, at(5, 'e2'), {})
      assert.deepEqual((await book.place(REF, at(5, 'e2'))).mark, { seq: 5, pending: false })
    })

    it('is each user’s own, and each session’s', async () => {
      await book.beat(REF, at(3), {})
      assert.equal((await book.place({ ...REF, userId: 'bob' }, at(3))).mark, null)
      assert.equal((await book.place({ ...REF, sessionId: 'other' }, at(3))).mark, null)
    })
  })

  describe('the displayed cursor', () => {
    const displayed = async (): Promise<string | null> => (await book.place(REF, at(9))).displayed

    it('is the furthest that any device told', async () => {
      await book.beat(REF, at(9), { displayed: cursor(4) })
      await book.beat(REF, at(9), { displayed: cursor(2) })
      await book.beat(REF, at(9), {})
      assert.equal(await displayed(), cursor(4))
    })

    it('is never beyond the head, of another log, or nonsense', async () => {
      await book.beat(REF, at(9), { displayed: cursor(4) })
      for (const told of [cursor(10), cursor(8, 'e2'), 'nonsense', '0', ''])
        await book.beat(REF, at(9), { displayed: told })
      assert.equal(await displayed(), cursor(4))
    })

    it('is that of the present log when the log began again', async () => {
      await book.beat(REF, at(9, 'e0'), { displayed: cursor(9, 'e0') })
      assert.equal(await displayed(), null)
      await book.beat(REF, at(9), { displayed: cursor(2) })
      assert.equal(await displayed(), cursor(2))
    })

    it('only ever grows within a log', async () => {
      const beats = fc.array(fc.tuple(fc.nat(12), fc.constantFrom('e1', 'e1', 'e1', 'e2')), { maxLength: 30 })
      await fc.assert(
        fc.asyncProperty(beats, async (told) => {
          const ref = { ...REF, sessionId: crypto.randomUUID() }
          let highest = -1
          for (const [seq, epoch] of told) {
            await book.beat(ref, at(9), { displayed: cursor(seq, epoch) })
            if (epoch === 'e1' && seq <= 9) highest = Math.max(highest, seq)
            const now = (await book.place(ref, at(9))).displayed
            assert.equal(now === null ? -1 : parseCursor(now)!.seq, highest)
          }
        }),
        SEED,
      )
    })
  })

  describe('in the store', () => {
    it('is written once in 10 s, however many sessions and beats', async () => {
      for (let round = 0; round < 20; round++) {
        for (let i = 0; i < 50; i++) await book.beat({ sessionId: `s-${i}`, userId: 'ada' }, at(3), {})
        await clock.advance(499)
      }
      assert.equal(saves.length, 0)
      await clock.advance(100)
      assert.deepEqual(
        saves.map((rows) => rows.length),
        [50],
      )
      await clock.advance(60_000)
      assert.equal(saves.length, 1)
      assert.equal(clock.pending, 0)
    })

    it('is written at most every 10 s while beats go on', async () => {
      for (let second = 0; second < 60; second++) {
        await book.beat(REF, at(second), {})
        await clock.advance(1000)
      }
      assert.ok(saves.length >= 5 && saves.length <= 6, `${saves.length} writes in 60 s`)
    })

    it('lives on in the next process, a pending absence too', async () => {
      await book.beat(REF, at(3), { displayed: cursor(2), rung: 'sw' })
      await clock.advance(60_000)
      await book.beat(REF, at(8), {})
      await book.flush()
      book = newBook()
      assert.deepEqual(await book.place(REF, at(8)), {
        mark: { seq: 3, pending: true },
        displayed: cursor(2),
      })
    })

    it('makes a restart an absence only when it was long enough', async () => {
      await book.beat(REF, at(3), {})
      await book.flush()
      book = newBook()
      await clock.advance(5000)
      await book.beat(REF, at(4), {})
      assert.deepEqual(await mark(4), { seq: 4, pending: false })
      await book.flush()
      book = newBook()
      await clock.advance(11_000)
      await book.beat(REF, at(6), {})
      assert.deepEqual(await mark(6), { seq: 4, pending: true })
    })

    it('is tried again when it could not be written, and the failure is reported', async () => {
      let broken = true
      const sqlite = openSqlite(':memory:')
      store = storeWith(sqlite, {
        heads,
        savePresence: async (rows) => {
          if (broken) throw new LoomiError('store_unavailable', 'Down.')
          await sqlite.savePresence(rows)
        },
      })
      book = newBook()
      await book.beat(REF, at(3), {})
      await clock.advance(10_000)
      assert.equal(errors.length, 1)
      await clock.advance(10_000)
      assert.equal(errors.length, 2)
      broken = false
      await clock.advance(10_000)
      assert.equal((await sqlite.loadPresence(REF))?.headSeq, 3)
      assert.equal(clock.pending, 0)
    })

    it('is not tried for ever in a store that was closed', async () => {
      await book.beat(REF, at(3), {})
      await store.close()
      await clock.advance(60_000)
      assert.equal(errors.length, 1)
      assert.equal(clock.pending, 0)
    })

    it('takes a store that cannot be read for one that knows nothing', async () => {
      store = storeWith(store, { loadPresence: () => Promise.reject(new LoomiError('store_busy', 'Busy.')) })
      book = newBook()
      await book.beat(REF, at(3), {})
      assert.deepEqual(await mark(3), { seq: 3, pending: false })
      assert.equal(errors.length, 1)
    })
  })

  it('tells what the last beat said of its tab', async () => {
    await book.beat(REF, at(3), { rung: 'sw', state: 'hidden', displayed: cursor(2) })
    assert.deepEqual(await book.get(REF), {
      ...REF,
      lastBeatAt: clock.now(),
      rung: 'sw',
      state: 'hidden',
      displayed: cursor(2),
    })
  })

  it('holds no more than 100 000 users in sessions in memory', async () => {
    let loads = 0
    const quick = storeWith(store, {
      loadPresence: () => {
        loads++
        return Promise.resolve(null)
      },
    })
    book = new PresenceBook(quick, clock, 10_000, (error) => errors.push(error))
    const ref = (i: number): typeof REF => ({ sessionId: `s-${i}`, userId: 'ada' })
    for (let i = 0; i <= 100_000; i++) await book.place(ref(i), at(1))
    assert.equal(loads, 100_001)
    await book.place(ref(100_000), at(1))
    assert.equal(loads, 100_001)
    await book.place(ref(0), at(1))
    assert.equal(loads, 100_002)
  })
})
