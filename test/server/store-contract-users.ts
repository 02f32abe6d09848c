/** What server/store.ts promises of presence, and of a session that is given away; every store passes it. Part of the store contract. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keyOf, NOWHERE, type PresenceRow, type SessionRef, type Store } from '../../server/store.ts'
import { useSubject } from './contract-subject.ts'
import type { Contract, ContractSubject } from './store-contract.ts'
import { newEvent, newEvents, rowsOf } from './support.ts'

const AT = '2026-11-24T00:00:00.000Z'
const NOW = 1_795_000_000_000

/** The contract of presence and transfers, run against the stores that `open` makes. */
export const usersContract: Contract = (name, { shared }, open) => {
  describe(`the store contract of users: ${name}`, () => {
    let subject: ContractSubject
    let store: Store
    let count = 0
    useSubject(open, (its, made) => {
      store = its
      subject = made
    })

    const fresh = (userId = 'ada'): SessionRef => ({ sessionId: `users ${++count}`, userId })
    const row = (ref: SessionRef, fields: Partial<PresenceRow> = {}): PresenceRow => ({
      ...ref,
      lastBeatAt: NOW,
      headSeq: 4,
      pendingSeq: null,
      epoch: 'e1',
      displayed: 'e1-3-abcdef',
      ...fields,
    })
    const load = async (ref: SessionRef): Promise<PresenceRow | null> => {
      const kept = await store.loadPresence(ref)
      return kept && { ...kept }
    }

    describe('presence', () => {
      it('comes back as it was kept, by user and session', async () => {
        const [one, two] = [fresh(), fresh()]
        const rows = [
          row(one),
          row(two, { pendingSeq: 2, epoch: null, displayed: null }),
          row({ ...one, userId: 'bob' }, { headSeq: 0, pendingSeq: 0 }),
        ]
        await store.savePresence(rows)
        for (const kept of rows) assert.deepEqual(await load(kept), kept)
      })

      it('is replaced by that of a later beat, and by more that is known at the same one', async () => {
        const ref = fresh()
        await store.savePresence([row(ref, { pendingSeq: 2 })])
        const later = row(ref, { lastBeatAt: NOW + 1, headSeq: 9, epoch: 'e2', displayed: 'e2-9-abcdef' })
        await store.savePresence([later])
        assert.deepEqual(await load(ref), later)
        const same = { ...later, headSeq: 11, pendingSeq: 10 }
        await store.savePresence([same])
        assert.deepEqual(await load(ref), same)
      })

      it('is not replaced by that of an earlier beat, which another server heard', async () => {
        const ref = fresh()
        const kept = row(ref, { headSeq: 9, displayed: 'e1-9-abcdef' })
        await store.savePresence([kept])
        await store.savePresence([row(ref, { lastBeatAt: NOW - 1, headSeq: 2, pendingSeq: 1, epoch: 'e0' })])
        assert.deepEqual(await load(ref), kept)
      })

      it('keeps the furthest that was displayed of an epoch, whoever heard of it last', async () => {
        const ref = fresh()
        const displayed = async (cursor: string | null, lastBeatAt: number): Promise<unknown> => {
          await store.savePresence([row(ref, { lastBeatAt, displayed: cursor })])
          return (await load(ref))?.displayed
        }
        assert.equal(await displayed(null, NOW), null)
        assert.equal(await displayed('e1-9-abcdef', NOW - 5), 'e1-9-abcdef')
        assert.equal(await displayed('e1-10-abcdef', NOW - 9), 'e1-10-abcdef')
        assert.equal(await displayed('e1-9-abcdef', NOW + 5), 'e1-10-abcdef')
        assert.equal(await displayed('e1-0', NOW + 6), 'e1-10-abcdef')
        assert.equal(await displayed(null, NOW + 7), 'e1-10-abcdef')
        assert.equal(await displayed('e11-2-abcdef', NOW), 'e1-10-abcdef')
        assert.equal(await displayed('e11-2-abcdef', NOW + 8), 'e11-2-abcdef')
      })

      it('is null of a user nobody heard of', async () => {
        assert.equal(await store.loadPresence(fresh()), null)
      })

      it('takes thousands of rows at once', async () => {
        const rows = Array.from({ length: 5000 }, () => row(fresh()))
        await store.savePresence(rows)
        assert.deepEqual(await load(rows[4321]!), rows[4321])
      })
    })

    describe('a transfer', () => {
      const given = (ref: SessionRef): SessionRef => ({ ...ref, userId: 'bob' })
      const transfer = (ref: SessionRef): Promise<boolean> =>
        store.transferSession(ref.sessionId, ref.userId, 'bob')

      it('gives the log as it is to the other user, and nothing of it is left to the former owner’s reads', async () => {
        const [ref, other] = [fresh(), fresh()]
        await store.append(other, newEvents(1, 2))
        const before = await store.append(ref, newEvents(1, 3))
        assert.ok(before.ok)
        const rows = await rowsOf(store, ref)
        assert.equal(await transfer(ref), true)
        assert.deepEqual(await store.heads([given(ref), ref, other]), [
          before.head,
          null,
          (await store.heads([other]))[0],
        ])
        assert.deepEqual(await rowsOf(store, given(ref)), rows)
        assert.equal((await store.keys(given(ref), [1, 3])).size, 2)
        assert.deepEqual(await store.runHigh(given(ref), 'run-1'), { n: 3, i: 0 })
        assert.deepEqual(await store.read(ref, 0, 10), { head: null, events: [] })
        assert.equal((await store.keys(ref, [1, 3])).size, 0)
        assert.deepEqual(await store.runHigh(ref, 'run-1'), NOWHERE)
      })

      it('counts as done when it was done, and is refused to who does not have the session', async () => {
        const ref = fresh()
        assert.equal(await transfer(ref), false)
        await store.append(ref, [newEvent(1)])
        assert.equal(await store.transferSession(ref.sessionId, 'eve', 'bob'), false)
        assert.notDeepEqual(await store.heads([ref]), [null])
        for (let again = 0; again < 2; again++) assert.equal(await transfer(ref), true)
        assert.equal(await store.transferSession(ref.sessionId, 'ada', 'carl'), false)
        assert.deepEqual(await store.heads([{ ...ref, userId: 'carl' }]), [null])
      })

      it('lets an append in a former owner’s name go into the session, and says whose it is now', async () => {
        const ref = fresh()
        await store.append(ref, newEvents(1, 2), 1000)
        await transfer(ref)
        const result = await store.append(ref, newEvents(2, 4), 1000)
        assert.ok(result.ok)
        assert.deepEqual([result.userId, result.added.map(keyOf)], ['bob', ['run-1/3', 'run-1/4']])
        assert.equal(result.head.head, 4)
        const owners = await store.append(given(ref), [newEvent(5)])
        assert.ok(owners.ok)
        assert.equal(owners.userId, 'bob')
        assert.deepEqual(
          (await rowsOf(store, given(ref))).map(({ seq }) => seq),
          [1, 2, 3, 4, 5],
        )
        const overlapping = await store.append(ref, [newEvent(6, { first_n: 4 })])
        assert.deepEqual(overlapping, { ok: false, code: 'overlap', runId: 'run-1', high: { n: 5, i: 0 } })
        const stranger = { ...ref, userId: 'eve' }
        assert.deepEqual(await store.append(stranger, [newEvent(6)]), { ok: false, code: 'not_owner' })
      })

      it('takes the runs along: they are leased, stopped and ended as before, whoever produces them', async () => {
        const ref = fresh()
        await store.append(ref, newEvents(1, 2), 3_600_000)
        await store.leaseRuns([{ ...ref, runId: 'silent' }], 3_600_000)
        await transfer(ref)
        const theirs = [
          { ...ref, runId: 'run-1' },
          { ...ref, runId: 'later' },
        ]
        await store.leaseRuns(theirs, 3_600_000)
        assert.equal(await store.endRuns('stopped', { sessionId: ref.sessionId }, AT), 3)
        assert.deepEqual(
          (await store.stoppedRuns(theirs)).map((run) => ({ ...run })).toSorted(byRun),
          theirs.toSorted(byRun),
        )
        assert.deepEqual((await rowsOf(store, given(ref))).slice(2).map(keyOf).toSorted(), [
          'later/0',
          'run-1/2.1',
          'silent/0',
        ])
        const late = await store.append(ref, [newEvent(3)])
        assert.deepEqual(late, { ok: false, code: 'run_stopped', runId: 'run-1' })
      })

      it('takes presence along, and keeps the further of what both have displayed', async () => {
        const [ref, quiet] = [fresh(), fresh()]
        for (const one of [ref, quiet]) await store.append(one, [newEvent(1)])
        await store.savePresence([
          row(ref, { displayed: 'e1-9-abcdef' }),
          row(given(ref), { lastBeatAt: NOW + 1, headSeq: 7 }),
          row(quiet),
        ])
        await transfer(ref)
        await transfer(quiet)
        const merged = { lastBeatAt: NOW + 1, headSeq: 7, displayed: 'e1-9-abcdef' }
        assert.deepEqual(await load(given(ref)), row(given(ref), merged))
        assert.deepEqual(await load(given(quiet)), row(given(quiet)))
        assert.deepEqual([await load(ref), await load(quiet)], [null, null])
      })

      it('and back again makes the first owner the owner, and the second a former one', async () => {
        const ref = fresh()
        await store.append(ref, [newEvent(1)])
        await transfer(ref)
        assert.equal(await store.transferSession(ref.sessionId, 'bob', 'ada'), true)
        const own = await store.append(ref, [newEvent(2)])
        const former = await store.append(given(ref), [newEvent(3)])
        assert.ok(own.ok && former.ok)
        assert.deepEqual([own.userId, former.userId, former.head.head], ['ada', 'ada', 3])
        assert.deepEqual(await store.heads([given(ref)]), [null])
      })

      it('moves the session to where the user’s sessions are deleted, and leaves nothing of the former owner', async () => {
        const ref = fresh('anonymous')
        await store.append(ref, [newEvent(1)])
        await transfer(ref)
        assert.deepEqual(await store.deleteSessions({ userId: 'anonymous' }), [])
        assert.notDeepEqual(await store.heads([given(ref)]), [null])
        assert.deepEqual(await store.append(ref, [newEvent(2)]), { ok: false, code: 'not_owner' })
        await store.deleteSessions({ userId: 'bob' })
        assert.deepEqual(await store.heads([given(ref)]), [null])
        const anew = await store.append(ref, [newEvent(1)])
        assert.ok(anew.ok)
        assert.equal(anew.userId, 'anonymous')
      })

      it('and the deletion of what it gave away leaves no former owner to the log that is begun anew', async () => {
        const ref = fresh()
        await store.append(ref, [newEvent(1)])
        await transfer(ref)
        await store.deleteSessions({ sessionId: ref.sessionId })
        assert.ok((await store.append({ ...ref, userId: 'carl' }, [newEvent(1)])).ok)
        assert.deepEqual(await store.append(ref, [newEvent(2)]), { ok: false, code: 'not_owner' })
      })

      if (shared)
        it('in the middle of a feed of another process loses and doubles nothing', async () => {
          const other = await subject.reopen!()
          const ref = fresh()
          await store.append(ref, [newEvent(1)])
          const feed = (async () => {
            for (let n = 2; n <= 40; n++) assert.ok((await other.append(ref, [newEvent(n)], 1000)).ok)
          })()
          await transfer(ref)
          await feed
          assert.deepEqual(
            (await rowsOf(store, given(ref))).map(({ n }) => n),
            Array.from({ length: 40 }, (_, index) => index + 1),
          )
          await other.close()
        })
    })
  })
}

function byRun(one: { readonly runId: string }, other: { readonly runId: string }): number {
  return one.runId < other.runId ? -1 : 1
}
