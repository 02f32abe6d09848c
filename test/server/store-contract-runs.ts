/** What server/store.ts promises of runs, in sentences; every store passes them. Part of the store contract. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type NewEvent, keyOf, type RunRef, type SessionRef, type Store } from '../../server/store.ts'
import { useSubject } from './contract-subject.ts'
import type { Contract, ContractSubject } from './store-contract.ts'
import { newEvent, newEvents, rowsOf, until } from './support.ts'

const AT = '2026-11-24T00:00:00.000Z'
/** A lease that has lapsed as soon as somebody looks, and one that outlives the test. */
const SHORT = 1
const LONG = 3_600_000

/** The contract of runs, run against the stores that `open` makes. */
export const runsContract: Contract = (name, { shared, hasOwnClock = false }, open) => {
  describe(`the store contract of runs: ${name}`, () => {
    let subject: ContractSubject
    let store: Store
    let count = 0
    useSubject(open, (its, made) => {
      store = its
      subject = made
    })

    const fresh = (userId = 'ada'): SessionRef => ({ sessionId: `runs ${++count}`, userId })
    const run = (ref: SessionRef, runId = 'run-1'): RunRef => ({ ...ref, runId })
    const end = (status: string, n = 9): NewEvent =>
      newEvent(n, { event_type: 'run_end', content_type: status })
    const ends = async (ref: SessionRef): Promise<string[]> =>
      (await rowsOf(store, ref))
        .filter(({ event_type }) => event_type === 'run_end')
        .map((row) => `${keyOf(row)} ${row.content_type}`)
    const stop = (ref: SessionRef): Promise<number> => store.endRuns('stopped', ref, AT)

    describe('a stop', () => {
      it('ends each open run of the session once, behind its newest event', async () => {
        const ref = fresh()
        await store.append(ref, newEvents(1, 2))
        await store.append(ref, newEvents(1, 1, { run_id: 'run-2' }))
        assert.equal(await stop(ref), 2)
        assert.equal(await stop(ref), 0)
        assert.deepEqual((await ends(ref)).toSorted(), ['run-1/2.1 stopped', 'run-2/1.1 stopped'])
        const rows = await rowsOf(store, ref)
        assert.deepEqual(
          rows.map(({ seq }) => seq),
          [1, 2, 3, 4, 5],
        )
        const [head] = await store.heads([ref])
        assert.deepEqual([head?.head, head?.headKey], [5, keyOf(rows.at(-1)!)])
        assert.deepEqual(JSON.parse(rows.at(-1)!.event_data), { status: 'stopped' })
        assert.equal(rows.at(-1)!.created_at, AT)
      })

      it('is a fence: of that run nothing new is taken, and what was stored is still no error', async () => {
        const ref = fresh()
        await store.append(ref, newEvents(1, 2))
        await stop(ref)
        const refused = { ok: false, code: 'run_stopped', runId: 'run-1' }
        assert.deepEqual(await store.append(ref, [newEvent(3)]), refused)
        assert.deepEqual(await store.append(ref, [newEvent(1, { run_id: 'run-2' }), newEvent(3)]), refused)
        const again = await store.append(ref, newEvents(1, 2))
        assert.ok(again.ok)
        assert.deepEqual(again.added, [])
        assert.ok((await store.append(ref, [newEvent(1, { run_id: 'run-2' })])).ok)
      })

      it('leaves those runs alone that are named', async () => {
        const ref = fresh()
        await store.append(ref, [newEvent(1, { run_id: 'a' }), newEvent(1, { run_id: 'b' })])
        assert.equal(await store.endRuns('stopped', { ...ref, except: [run(ref, 'b')] }, AT), 1)
        assert.deepEqual(await ends(ref), ['a/1.1 stopped'])
      })

      it('leaves runs alone that have ended, sessions of others, what users said, and a word about what is missing', async () => {
        const [ref, other] = [fresh(), fresh()]
        await store.append(ref, [newEvent(1), end('complete')])
        await store.append(ref, [newEvent(1, { run_id: 'user', event_type: 'user_message' })])
        await store.append(ref, [newEvent(1, { run_id: 'gone', event_type: 'loomi_dropped' })], LONG)
        await store.append(ref, [newEvent(10, { event_type: 'loomi_dropped' })], LONG)
        await store.append(other, [newEvent(1)])
        assert.equal(await stop(ref), 0)
        assert.deepEqual(await ends(other), [])
      })

      it('is told to those who ask for their runs', async () => {
        const ref = fresh()
        await store.append(ref, newEvents(1, 1))
        await store.append(ref, newEvents(1, 1, { run_id: 'run-2' }))
        const runs = [run(ref), run(ref, 'run-2'), run(fresh(), 'run-3')]
        assert.deepEqual(await store.stoppedRuns(runs), [])
        await store.append(ref, [end('complete')])
        await stop(ref)
        assert.deepEqual(
          (await store.stoppedRuns(runs)).map((stopped) => ({ ...stopped })),
          [run(ref, 'run-2')],
        )
        assert.deepEqual(await store.stoppedRuns([]), [])
      })

      it('reaches a run that was leased and has no event, in a session that has one or none', async () => {
        const [ref, empty] = [fresh(), fresh()]
        await store.append(ref, [newEvent(1, { run_id: 'user', event_type: 'user_message' })])
        for (const session of [ref, empty]) {
          await store.leaseRuns([run(session)], LONG)
          assert.equal(await stop(session), 1)
          assert.equal((await store.stoppedRuns([run(session)])).length, 1)
        }
        assert.deepEqual(await ends(ref), ['run-1/0 stopped'])
        assert.deepEqual(await store.heads([empty]), [null])
        // Nor is its own end acknowledged, which would be in no log.
        for (const late of [newEvent(0, { event_type: 'run_end', content_type: 'stopped' }), newEvent(1)])
          assert.deepEqual(await store.append(empty, [late]), {
            ok: false,
            code: 'run_stopped',
            runId: 'run-1',
          })
        assert.deepEqual(await store.heads([empty]), [null])
      })

      it('writes nothing into a session that was closed', async () => {
        const ref = fresh()
        await store.append(ref, [newEvent(1), newEvent(2, { event_type: 'session_complete' })])
        await stop(ref)
        assert.deepEqual(await ends(ref), [])
      })
    })

    describe('a lease', () => {
      const sweep = (): Promise<number> => store.endRuns('interrupted', { lapsed: true }, AT)
      /** Sweeps until the session has so many ends; the lease is short, and when it lapses is the store's affair. */
      const sweepUntil = async (ref: SessionRef, count: number): Promise<void> =>
        until(
          async () => {
            await sweep()
            return (await ends(ref)).length >= count
          },
          `${count} ends`,
          5000,
        )
      /** Sweeps, after what was leased for a moment has lapsed for certain. */
      const sweepAll = async (): Promise<void> => {
        const witness = fresh()
        await store.append(witness, [newEvent(1)], SHORT)
        await sweepUntil(witness, 1)
      }

      it('that lapsed ends its run as interrupted, once; one that was renewed does not', async () => {
        const [gone, alive] = [fresh(), fresh()]
        await store.append(alive, newEvents(1, 2), SHORT)
        await store.leaseRuns([run(alive)], LONG)
        await store.append(gone, newEvents(1, 2), SHORT)
        await sweepUntil(gone, 1)
        await sweep()
        assert.deepEqual(await ends(gone), ['run-1/2.-1 interrupted'])
        assert.deepEqual(await ends(alive), [])
        await store.leaseRuns([run(alive)], SHORT)
        await sweepUntil(alive, 1)
        assert.deepEqual(await ends(alive), ['run-1/2.-1 interrupted'])
      })

      it('is renewed by an append, and is of no more use after the end', async () => {
        const ref = fresh()
        await store.append(ref, [newEvent(1)], SHORT)
        await store.append(ref, [newEvent(2)], LONG)
        await sweepAll()
        assert.deepEqual(await ends(ref), [])
        await store.append(ref, [end('complete')], SHORT)
        await sweepAll()
        assert.deepEqual(await ends(ref), ['run-1/9 complete'])
      })

      it('is neither given nor taken by an append without one', async () => {
        const [leased, free] = [fresh(), fresh()]
        await store.append(leased, [newEvent(1)], SHORT)
        await store.append(leased, [newEvent(2)])
        await store.append(free, [newEvent(1)])
        await sweepUntil(leased, 1)
        await sweepAll()
        assert.deepEqual([await ends(leased), await ends(free)], [['run-1/2.-1 interrupted'], []])
      })

      // A database has a clock that nobody moves.
      if (!hasOwnClock)
        it('lapses by the store’s clock, wherever those of its processes are', async () => {
          const advance = subject.advance!
          const ref = fresh()
          await store.append(ref, [newEvent(1)], 30_000)
          advance(20_000)
          await sweep()
          assert.deepEqual(await ends(ref), [])
          await store.leaseRuns([run(ref)], 30_000)
          advance(20_000)
          await sweep()
          assert.deepEqual(await ends(ref), [])
          advance(10_001)
          await sweep()
          assert.deepEqual(await ends(ref), ['run-1/1.-1 interrupted'])
        })

      it('that lapsed takes no place from its producer, who may live: what it adds to its newest chunk is kept', async () => {
        const ref = fresh()
        await store.append(ref, newEvents(1, 2), SHORT)
        await sweepUntil(ref, 1)
        const last = newEvent(2, { i: 1, event_type: 'run_end', content_type: 'complete' })
        const result = await store.append(ref, [last], LONG)
        assert.ok(result.ok)
        assert.deepEqual(result.added.map(keyOf), ['run-1/2.1'])
        assert.deepEqual(await ends(ref), ['run-1/2.-1 interrupted', 'run-1/2.1 complete'])
      })

      it('that lapsed is forgotten when its run has no event', async () => {
        const ref = fresh()
        await store.append(ref, [newEvent(1, { run_id: 'user', event_type: 'user_message' })])
        await store.leaseRuns([run(ref)], SHORT)
        await sweepAll()
        assert.deepEqual(await ends(ref), [])
        assert.equal(await stop(ref), 0)
      })

      it('that lapsed is no fence: the run goes on, and can be interrupted again', async () => {
        const ref = fresh()
        await store.append(ref, newEvents(1, 2), SHORT)
        await sweepUntil(ref, 1)
        const result = await store.append(ref, [newEvent(3)], SHORT)
        assert.ok(result.ok)
        assert.deepEqual(result.added.map(keyOf), ['run-1/3'])
        await sweepUntil(ref, 2)
        assert.deepEqual(await ends(ref), ['run-1/2.-1 interrupted', 'run-1/3.-2 interrupted'])
      })

      it('opens an interrupted run again, and one that was stopped or ended well never', async () => {
        const ref = fresh()
        await store.append(ref, [newEvent(1, { run_id: 'a' }), newEvent(1, { run_id: 'b' })], SHORT)
        await store.append(ref, [
          newEvent(1, { run_id: 'b', i: 1, event_type: 'run_end', content_type: 'complete' }),
        ])
        await sweepUntil(ref, 2)
        await store.leaseRuns([run(ref, 'a'), run(ref, 'b')], LONG)
        await stop(ref)
        await store.leaseRuns([run(ref, 'a')], SHORT)
        await sweepAll()
        assert.deepEqual(await ends(ref), ['b/1.1 complete', 'a/1.-1 interrupted', 'a/1.1 stopped'])
      })

      it('of a run in somebody else’s session is not taken', async () => {
        const ref = fresh()
        await store.append(ref, [newEvent(1, { run_id: 'mine' })])
        await store.leaseRuns([run({ ...ref, userId: 'eve' }, 'theirs')], SHORT)
        await sweepAll()
        assert.deepEqual(await ends(ref), [])
        assert.equal(await store.endRuns('stopped', { runs: [run(ref, 'theirs')] }, AT), 0)
      })

      it('can be given back as long as the run has no event', async () => {
        const ref = fresh()
        await store.append(ref, [newEvent(1, { run_id: 'kept' })], LONG)
        await store.leaseRuns([run(ref, 'none'), run(ref, 'kept')], LONG)
        await store.releaseRuns([run(ref, 'none'), run(ref, 'kept')])
        await stop(ref)
        assert.deepEqual(await ends(ref), ['kept/1.1 stopped'])
      })

      it('ends certain runs when it is asked for them', async () => {
        const ref = fresh()
        await store.append(ref, [newEvent(1, { run_id: 'a' }), newEvent(1, { run_id: 'b' })], LONG)
        await store.endRuns('interrupted', { runs: [run(ref, 'b'), run(fresh(), 'c')] }, AT)
        assert.deepEqual(await ends(ref), ['b/1.-1 interrupted'])
      })

      it('of a user is ended in each session that is theirs, and in no other', async () => {
        const [ref, another, foreign] = [fresh('eve'), fresh('eve'), fresh()]
        for (const one of [ref, another, foreign]) await store.append(one, [newEvent(1)])
        assert.equal(await store.endRuns('stopped', { userId: 'eve' }, AT), 2)
        for (const one of [ref, another]) assert.deepEqual(await ends(one), ['run-1/1.1 stopped'])
        assert.deepEqual(await ends(foreign), [])
      })

      it('that is named twice is ended once', async () => {
        const ref = fresh()
        await store.append(ref, [newEvent(1)])
        assert.equal(await store.endRuns('interrupted', { runs: [run(ref), run(ref)] }, AT), 1)
        assert.equal((await ends(ref)).length, 1)
      })

      it('of very many runs that lapsed at once is swept whole', async () => {
        const refs = Array.from({ length: 250 }, () => fresh())
        await Promise.all(refs.map((ref) => store.append(ref, [newEvent(1)], SHORT)))
        await sweepAll()
        for (const ref of refs) assert.deepEqual(await ends(ref), ['run-1/1.-1 interrupted'])
      })

      if (shared)
        it('is swept once however many processes do it at the same moment', async () => {
          const others = await Promise.all([subject.reopen!(), subject.reopen!()])
          const refs = Array.from({ length: 5 }, () => fresh())
          for (const ref of refs) await store.append(ref, newEvents(1, 2), SHORT)
          let ended = 0
          // The lease has to lapse first, by the store's clock; a sweep may have found some of them then.
          for (const giveUpAt = Date.now() + 5000; ended < refs.length && Date.now() < giveUpAt;) {
            const sweeps = [store, ...others].map((one) => one.endRuns('interrupted', { lapsed: true }, AT))
            for (const count of await Promise.all(sweeps)) ended += count
          }
          assert.equal(ended, refs.length)
          for (const ref of refs) assert.deepEqual(await ends(ref), ['run-1/2.-1 interrupted'])
          await Promise.all(others.map((other) => other.close()))
        })
    })
  })
}
