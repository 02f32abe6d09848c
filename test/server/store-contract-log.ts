/** What server/store.ts promises of the log, in sentences; every store passes them. Part of the store contract. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import { MAX_EVENT_BYTES } from '../../server/protocol.ts'
import {
  type AppendResult,
  keyOf,
  type NewEvent,
  NOWHERE,
  type SessionRef,
  type Store,
} from '../../server/store.ts'
import { useSubject } from './contract-subject.ts'
import type { Contract, ContractSubject } from './store-contract.ts'
import { newEvent, newEvents, rowsOf, until } from './support.ts'

/** The contract of the log, run against the stores that `open` makes. */
export const logContract: Contract = (name, { shared }, open) => {
  describe(`the store contract: ${name}`, () => {
    let subject: ContractSubject
    let store: Store
    let count = 0
    useSubject(open, (its, made) => {
      store = its
      subject = made
    })

    /** A session that no other test has touched. */
    const fresh = (userId = 'ada'): SessionRef => ({ sessionId: `session ${++count}`, userId })
    const append = async (
      ref: SessionRef,
      events: readonly NewEvent[],
    ): Promise<AppendResult & { ok: true }> => {
      const result = await store.append(ref, events)
      assert.ok(result.ok, JSON.stringify(result))
      return result
    }
    const seqs = async (ref: SessionRef, after: number, limit: number): Promise<number[]> =>
      (await store.read(ref, after, limit)).events.map(({ seq }) => seq)
    const keysOf = async (ref: SessionRef): Promise<string[]> => (await rowsOf(store, ref)).map(keyOf)

    describe('order', () => {
      it('numbers the events of a session 1, 2, 3 in the order of the appends', async () => {
        const ref = fresh()
        await append(ref, newEvents(1, 3))
        const { added, head } = await append(ref, newEvents(1, 2, { run_id: 'run-2' }))
        assert.deepEqual(
          added.map(({ seq }) => seq),
          [4, 5],
        )
        assert.equal(head.head, 5)
        const rows = await rowsOf(store, ref)
        assert.deepEqual(
          rows.map(({ seq }) => seq),
          [1, 2, 3, 4, 5],
        )
        assert.deepEqual(rows.map(keyOf), ['run-1/1', 'run-1/2', 'run-1/3', 'run-2/1', 'run-2/2'])
      })

      it('tells the key of the row that the added ones follow', async () => {
        const [ref, early] = [fresh(), fresh()]
        assert.equal((await append(early, [])).before, '')
        assert.equal((await append(early, [newEvent(1)])).before, '')
        assert.equal((await append(ref, newEvents(1, 3))).before, '')
        const end = newEvent(3, { i: 1, event_type: 'run_end', content_type: 'complete' })
        assert.equal((await append(ref, [newEvent(3), end])).before, 'run-1/3')
        assert.equal((await append(ref, newEvents(1, 2, { run_id: 'run-2' }))).before, 'run-1/3.1')
        assert.equal((await append(ref, [newEvent(2, { run_id: 'run-2' })])).before, '')
        await store.prune({ maxEventsPerSession: 1 }, 100)
        assert.equal((await append(ref, [newEvent(3, { run_id: 'run-2' })])).before, 'run-2/2')
      })

      it('numbers each session for itself', async () => {
        const [one, two] = [fresh(), fresh()]
        await append(one, newEvents(1, 2))
        const { added } = await append(two, newEvents(1, 2))
        assert.deepEqual(
          added.map(({ seq }) => seq),
          [1, 2],
        )
      })

      it('answers appends in the order in which they were asked for', async () => {
        const ref = fresh()
        const results = await Promise.all(newEvents(1, 20).map((event) => append(ref, [event])))
        assert.deepEqual(
          results.map(({ added }) => added[0]?.seq),
          results.map((_, index) => index + 1),
        )
      })

      it('leaves no hole and loses nothing when 16 append to one session at once', async () => {
        const ref = fresh()
        const others = shared ? await Promise.all([subject.reopen!(), subject.reopen!()]) : []
        const stores = [store, ...others]
        await Promise.all(
          Array.from({ length: 16 }, async (_, index) => {
            for (let n = 1; n <= 10; n += 2) {
              const events = newEvents(n, n + 1, { run_id: `run-${index}` })
              const result = await stores[index % stores.length]!.append(ref, events)
              assert.ok(result.ok)
            }
          }),
        )
        const rows = await rowsOf(store, ref)
        assert.deepEqual(
          rows.map(({ seq }) => seq),
          rows.map((_, index) => index + 1),
        )
        for (let index = 0; index < 16; index++) {
          const own = rows.filter(({ run_id }) => run_id === `run-${index}`)
          assert.deepEqual(
            own.map(({ n }) => n),
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
          )
          // A batch is one transaction: nobody comes between its two events.
          for (let at = 0; at < 10; at += 2) assert.equal(own[at]!.seq + 1, own[at + 1]!.seq)
        }
        await Promise.all(others.map((other) => other.close()))
      })

      it('goes on at once when an append follows an answered one', async () => {
        const ref = fresh()
        for (let n = 1; n <= 5; n++) await append(ref, [newEvent(n)])
        assert.equal((await rowsOf(store, ref)).length, 5)
      })
    })

    describe('once', () => {
      it('adds nothing when a batch is tried again', async () => {
        const ref = fresh()
        const first = await append(ref, newEvents(1, 3))
        const again = await append(ref, newEvents(1, 3))
        assert.deepEqual(again.added, [])
        assert.deepEqual(again.head, first.head)
      })

      it('adds the rest when half of what is tried again is stored, in one batch or in others', async () => {
        const ref = fresh()
        await append(ref, newEvents(1, 4))
        // The answer was lost; what is sent now is parted otherwise.
        for (const [from, to] of [
          [3, 6],
          [1, 2],
          [5, 9],
          [9, 9],
        ] as const)
          await append(ref, newEvents(from, to))
        assert.deepEqual(
          (await rowsOf(store, ref)).map(({ n }) => n),
          [1, 2, 3, 4, 5, 6, 7, 8, 9],
        )
      })

      it('adds once what 16 send at once', async () => {
        const ref = fresh()
        const others = shared ? [await subject.reopen!()] : []
        const stores = [store, ...others]
        const results = await Promise.all(
          Array.from({ length: 16 }, (_, index) =>
            stores[index % stores.length]!.append(ref, newEvents(1, 5 + index)),
          ),
        )
        const added = results.flatMap((result) => (result.ok ? result.added : []))
        assert.deepEqual(
          added.map(({ n }) => n).toSorted((a, b) => a - b),
          Array.from({ length: 20 }, (_, index) => index + 1),
        )
        assert.deepEqual(
          (await rowsOf(store, ref)).map(({ n }) => n),
          Array.from({ length: 20 }, (_, index) => index + 1),
        )
        await Promise.all(others.map((other) => other.close()))
      })

      it('adds only what is above the highest n of the run', async () => {
        const ref = fresh()
        await append(ref, newEvents(1, 3))
        const { added } = await append(ref, newEvents(2, 5))
        assert.deepEqual(
          added.map(({ n }) => n),
          [4, 5],
        )
        assert.deepEqual(
          (await rowsOf(store, ref)).map(({ n }) => n),
          [1, 2, 3, 4, 5],
        )
      })

      it('keeps several events of one chunk, and drops them together', async () => {
        const ref = fresh()
        const chunk = [0, 1, 2].map((i) => newEvent(1, { i }))
        assert.deepEqual((await append(ref, chunk)).added.map(keyOf), ['run-1/1', 'run-1/1.1', 'run-1/1.2'])
        assert.deepEqual((await append(ref, chunk)).added, [])
      })

      it('adds what is said about a run behind its newest chunk, and leaves the next number free', async () => {
        const ref = fresh()
        await append(ref, newEvents(1, 2))
        const end = newEvent(2, { i: 1, first_i: 1, event_type: 'run_end', content_type: 'complete' })
        assert.deepEqual((await append(ref, [end])).added.map(keyOf), ['run-1/2.1'])
        assert.deepEqual((await append(ref, [end])).added, [])
        assert.deepEqual((await append(ref, [newEvent(3)])).added.map(keyOf), ['run-1/3'])
        const joined = newEvent(3, { i: 1, first_n: 3, first_i: 0 })
        const result = await store.append(ref, [joined])
        assert.deepEqual(result, { ok: false, code: 'overlap', runId: 'run-1', high: { n: 3, i: 0 } })
      })

      it('asks to cut what is stored off an event that joins it with something new', async () => {
        const ref = fresh()
        await append(ref, newEvents(1, 3))
        const joined = newEvent(5, { first_n: 2 })
        const result = await store.append(ref, [joined, newEvent(6)])
        assert.deepEqual(result, { ok: false, code: 'overlap', runId: 'run-1', high: { n: 3, i: 0 } })
        assert.equal((await rowsOf(store, ref)).length, 3)
      })

      it('drops an event that joins nothing new, and takes one that joins only what is new', async () => {
        const ref = fresh()
        await append(ref, newEvents(1, 3))
        assert.deepEqual((await append(ref, [newEvent(3, { first_n: 1 })])).added, [])
        assert.deepEqual((await append(ref, [newEvent(6, { first_n: 4 })])).added.map(keyOf), ['run-1/6'])
        assert.deepEqual(await store.runHigh(ref, 'run-1'), { n: 6, i: 0 })
      })

      it('counts each run for itself, within a batch too', async () => {
        const ref = fresh()
        await append(ref, [newEvent(5), newEvent(2, { run_id: 'run-2' })])
        const { added } = await append(ref, [newEvent(3, { run_id: 'run-2' }), newEvent(4), newEvent(6)])
        assert.deepEqual(added.map(keyOf), ['run-2/3', 'run-1/6'])
      })

      it('remembers the highest n of a batch, whatever its order', async () => {
        const ref = fresh()
        await append(ref, [newEvent(5), newEvent(3)])
        assert.deepEqual(await store.runHigh(ref, 'run-1'), { n: 5, i: 0 })
      })

      it('drops within a batch too what does not come after the highest place of its run', async () => {
        const ref = fresh()
        const other = { run_id: 'run-2' }
        const batch = [
          newEvent(1),
          newEvent(1),
          newEvent(2, other),
          newEvent(3),
          newEvent(1, other),
          newEvent(2),
        ]
        const { added, head } = await append(ref, [...batch, newEvent(3, { i: 1, first_i: 1 }), newEvent(4)])
        const keys = ['run-1/1', 'run-2/2', 'run-1/3', 'run-1/3.1', 'run-1/4']
        assert.deepEqual(added.map(keyOf), keys)
        assert.deepEqual([head.head, head.headKey], [5, 'run-1/4'])
        assert.deepEqual(await keysOf(ref), keys)
        assert.deepEqual(await store.runHigh(ref, 'run-1'), { n: 4, i: 0 })
        assert.deepEqual((await append(ref, [newEvent(5), newEvent(5)])).added.map(keyOf), ['run-1/5'])
      })

      it('counts a run of the same name in another session for itself', async () => {
        const [one, two] = [fresh(), fresh()]
        await append(one, newEvents(1, 3))
        assert.deepEqual(await store.runHigh(two, 'run-1'), NOWHERE)
        assert.equal((await append(two, newEvents(1, 3))).added.length, 3)
      })
    })

    describe('all or nothing', () => {
      it('stores nothing of a batch that cannot be stored whole, and goes on', async () => {
        const ref = fresh()
        await append(ref, [newEvent(1)])
        const broken = newEvent(3, { event_data: null as unknown as string })
        await assert.rejects(store.append(ref, [newEvent(2), broken, newEvent(4)]), LoomiError)
        assert.deepEqual(await keysOf(ref), ['run-1/1'])
        assert.deepEqual(await store.runHigh(ref, 'run-1'), { n: 1, i: 0 })
        assert.deepEqual(
          (await append(ref, newEvents(2, 4))).added.map(({ seq }) => seq),
          [2, 3, 4],
        )
      })

      it('lets a batch that fails take no other with it', async () => {
        const [good, bad, alsoGood] = [fresh(), fresh(), fresh()]
        const broken = newEvent(1, { event_data: null as unknown as string })
        const settled = await Promise.allSettled([
          store.append(good, [newEvent(1)]),
          store.append(bad, [broken]),
          store.append(alsoGood, [newEvent(1)]),
        ])
        assert.deepEqual(
          settled.map(({ status }) => status),
          ['fulfilled', 'rejected', 'fulfilled'],
        )
        assert.deepEqual(await keysOf(good), ['run-1/1'])
        assert.deepEqual(await keysOf(alsoGood), ['run-1/1'])
        assert.deepEqual(await store.heads([bad]), [null])
      })
    })

    describe('ownership', () => {
      it('refuses an append to a session of somebody else', async () => {
        const ref = fresh()
        await append(ref, newEvents(1, 2))
        const stranger = { ...ref, userId: 'eve' }
        assert.deepEqual(await store.append(stranger, [newEvent(9, { run_id: 'x' })]), {
          ok: false,
          code: 'not_owner',
        })
        assert.deepEqual(await store.append(stranger, newEvents(1, 2)), { ok: false, code: 'not_owner' })
        assert.equal((await rowsOf(store, ref)).length, 2)
      })

      it('finds nothing for anybody but the owner', async () => {
        const ref = fresh()
        await append(ref, newEvents(1, 2))
        const stranger = { ...ref, userId: 'eve' }
        assert.deepEqual(await store.read(stranger, 0, 10), { head: null, events: [] })
        assert.deepEqual(await store.heads([stranger]), [null])
        assert.equal((await store.keys(stranger, [1, 2])).size, 0)
        assert.deepEqual(await store.runHigh(stranger, 'run-1'), NOWHERE)
      })

      it('takes user and session to the letter', async () => {
        const ref = { sessionId: `Größe ${++count}`, userId: 'Ada ' }
        await append(ref, [newEvent(1)])
        const near = [
          { ...ref, userId: 'ada ' },
          { ...ref, userId: 'Ada' },
          { ...ref, sessionId: ref.sessionId.toLowerCase() },
          { ...ref, sessionId: ref.sessionId.normalize('NFD') },
          { ...ref, sessionId: `${ref.sessionId} ` },
          { sessionId: ref.userId, userId: ref.sessionId },
        ]
        assert.deepEqual(
          await store.heads(near),
          near.map(() => null),
        )
      })
    })

    describe('epoch and head', () => {
      it('gives each log an epoch of its own, which stays', async () => {
        const [one, two] = [fresh(), fresh()]
        const first = await append(one, [newEvent(1)])
        const second = await append(two, [newEvent(1)])
        const later = await append(one, [newEvent(2)])
        assert.notEqual(first.head.epoch, second.head.epoch)
        assert.equal(later.head.epoch, first.head.epoch)
        assert.match(first.head.epoch, /^[a-z0-9]{1,16}$/)
      })

      it('tells the heads of many sessions in the order asked, null for those that are not', async () => {
        const [one, two, missing] = [fresh(), fresh('bob'), fresh()]
        await append(one, newEvents(1, 3))
        await append(two, [newEvent(1, { i: 0 }), newEvent(1, { i: 1 })])
        const [b, none, a, foreign] = await store.heads([two, missing, one, { ...one, userId: 'bob' }])
        assert.equal(none, null)
        assert.equal(foreign, null)
        assert.deepEqual({ ...a, epoch: '' }, { epoch: '', head: 3, headKey: 'run-1/3', closedSeq: null })
        assert.deepEqual({ ...b, epoch: '' }, { epoch: '', head: 2, headKey: 'run-1/1.1', closedSeq: null })
        assert.deepEqual(await store.heads([]), [])
      })

      it('tells the keys of the rows asked for that exist', async () => {
        const ref = fresh()
        await append(ref, newEvents(1, 3))
        assert.deepEqual(
          [...(await store.keys(ref, [3, 1, 99, 0]))].sort(([a], [b]) => a - b),
          [
            [1, 'run-1/1'],
            [3, 'run-1/3'],
          ],
        )
        assert.equal((await store.keys(ref, [])).size, 0)
        assert.equal((await store.keys(fresh(), [1])).size, 0)
      })
    })

    describe('closing a session', () => {
      it('says which row closed it and refuses what comes later', async () => {
        const ref = fresh()
        const { head } = await append(ref, [newEvent(1), newEvent(2, { event_type: 'session_complete' })])
        assert.equal(head.closedSeq, 2)
        assert.deepEqual(await store.append(ref, [newEvent(3)]), { ok: false, code: 'session_closed' })
        assert.equal((await store.heads([ref]))[0]?.closedSeq, 2)
        assert.equal((await rowsOf(store, ref)).length, 2)
      })

      it('still answers the retry of what was stored before', async () => {
        const ref = fresh()
        const events = [newEvent(1), newEvent(2, { event_type: 'session_complete' })]
        const { head } = await append(ref, events)
        assert.deepEqual(await append(ref, events), {
          ok: true,
          head,
          userId: ref.userId,
          added: [],
          before: '',
        })
      })
    })

    describe('reading', () => {
      it('gives the rows after a seq, at most as many as asked', async () => {
        const ref = fresh()
        await append(ref, newEvents(1, 10))
        assert.deepEqual(await seqs(ref, 4, 3), [5, 6, 7])
        assert.deepEqual(await seqs(ref, 8, 500), [9, 10])
        assert.deepEqual(await seqs(ref, 10, 500), [])
        assert.deepEqual(await seqs(ref, 99, 500), [])
        assert.deepEqual(await store.read(fresh(), 0, 500), { head: null, events: [] })
      })

      it('gives with the rows the head that the log had, also when there are none', async () => {
        const ref = fresh()
        const { head } = await append(ref, newEvents(1, 10))
        for (const after of [0, 4, 10, 99]) assert.deepEqual((await store.read(ref, after, 3)).head, head)
      })

      it('gives rows and head of one moment, whatever others do meanwhile', async () => {
        const ref = fresh()
        await append(ref, [newEvent(1)])
        const other = shared ? await subject.reopen!() : store
        let isOver = false
        const changing = (async () => {
          for (let round = 0; round < 30; round++) {
            await other.append(ref, newEvents(round * 2 + 2, round * 2 + 3))
            if (round % 5 === 4) await other.deleteSessions({ sessionId: ref.sessionId })
          }
          isOver = true
        })()
        const epochs = new Map<string, string>()
        while (!isOver) {
          const { head, events } = await store.read(ref, 0, 500)
          assert.equal(events.length, head?.head ?? 0)
          assert.equal(head?.headKey, events.at(-1) && keyOf(events.at(-1)!))
          // A log that is begun anew begins with another row.
          const first = events[0] && keyOf(events[0])
          if (head && first) assert.equal(epochs.get(head.epoch) ?? first, first)
          if (head && first) epochs.set(head.epoch, first)
          await new Promise((resolve) => setImmediate(resolve))
        }
        await changing
        if (other !== store) await other.close()
      })

      it('gives about a mebibyte at once, and always at least one row', async () => {
        const ref = fresh()
        const large = JSON.stringify('x'.repeat(MAX_EVENT_BYTES - 2))
        await append(ref, newEvents(1, 12, { event_data: large }))
        const page = (await store.read(ref, 0, 500)).events
        assert.ok(page.length >= 1 && page.length <= 5, `${page.length} rows of 256 KiB`)
        assert.equal((await rowsOf(store, ref)).length, 12)
      })

      it('counts metadata as bytes too', async () => {
        const ref = fresh()
        const event_metadata = JSON.stringify({ x: 'x'.repeat(MAX_EVENT_BYTES - 10) })
        await append(ref, newEvents(1, 12, { event_metadata }))
        const page = (await store.read(ref, 0, 500)).events
        assert.ok(page.length >= 1 && page.length <= 5, `${page.length} rows of 256 KiB`)
      })

      it('sees at once what was appended after a page that was cut short', async () => {
        const ref = fresh()
        await append(ref, newEvents(1, 8, { event_data: JSON.stringify('x'.repeat(200_000)) }))
        await store.read(ref, 0, 500)
        await append(ref, [newEvent(9)])
        assert.deepEqual(await seqs(ref, 8, 500), [9])
      })
    })

    if (shared)
      describe('another connection', () => {
        it('is woken within a few seconds by a commit of another process, and told of its session if of any', async () => {
          const other = await subject.reopen!()
          const ref = fresh()
          let woken = 0
          const stop = store.watch((sessionIds) => {
            if (sessionIds?.has(ref.sessionId) ?? true) woken++
          })
          await other.append(ref, [newEvent(1)])
          await until(() => woken > 0, 'a wake-up', 3000)
          stop()
          await other.close()
        })

        it('sees what was stored, and knows it again', async () => {
          const ref = fresh()
          const { head } = await append(ref, newEvents(1, 3))
          const other = await subject.reopen!()
          assert.deepEqual(await other.heads([ref]), [head])
          assert.deepEqual(await rowsOf(other, ref), await rowsOf(store, ref))
          assert.deepEqual(await other.runHigh(ref, 'run-1'), { n: 3, i: 0 })
          const result = await other.append(ref, newEvents(2, 4))
          assert.ok(result.ok)
          assert.deepEqual(
            result.added.map(({ seq }) => seq),
            [4],
          )
          await other.close()
        })
      })

    describe('closing the store', () => {
      it('finishes what was asked for, and answers later requests with an error', async () => {
        const { store, remove } = await open()
        const ref = fresh()
        const pending = store.append(ref, newEvents(1, 3))
        await store.close()
        assert.equal((await pending).ok, true)
        for (const late of [
          () => store.append(ref, [newEvent(4)]),
          () => store.read(ref, 0, 1),
          () => store.heads([ref]),
          () => store.loadPresence(ref),
        ]) {
          await assert.rejects(late, (error) => error instanceof LoomiError && error.code === 'closed')
        }
        await store.close()
        await remove?.()
      })
    })
  })
}
