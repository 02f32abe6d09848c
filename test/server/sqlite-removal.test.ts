import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { newEvent, newEvents, REF, rowsOf, tempFolder } from './support.ts'

const BOB = { ...REF, userId: 'bob' }
/** So many rows are deleted in three steps. */
const ROWS = 1200

describe('a deletion that takes several steps', () => {
  const folder = tempFolder()
  const stores: Store[] = []
  let files = 0
  after(async () => {
    for (const store of stores) await store.close()
    folder.remove()
  })

  /** Two processes on one log with a session that has so many rows. */
  async function open(rows: number): Promise<[Store, Store]> {
    const file = folder.path(`log-${++files}.db`)
    const pair: [Store, Store] = [openSqlite(file), openSqlite(file)]
    stores.push(...pair)
    await pair[0].append(REF, newEvents(1, rows))
    return pair
  }

  for (const rows of [1, 499, 500, 501, ROWS])
    it(`deletes a session of ${rows} rows, and what begins anew begins with the first`, async () => {
      const [store] = await open(rows)
      assert.deepEqual(await store.deleteSessions({ sessionId: REF.sessionId }), [REF])
      assert.deepEqual(await store.heads([REF]), [null])
      const anew = await store.append(BOB, [newEvent(1)])
      assert.deepEqual(anew.ok && anew.added.map(({ seq }) => seq), [1])
    })

  it('deletes the session whose it is by then when it is given away in between', async () => {
    const [here, there] = await open(ROWS)
    const [deleted, given] = await Promise.all([
      here.deleteSessions({ sessionId: REF.sessionId }),
      there.transferSession(REF.sessionId, 'ada', 'bob'),
    ])
    assert.deepEqual([deleted, given], [[BOB], true])
    assert.deepEqual(await here.heads([REF, BOB]), [null, null])
  })

  for (const rows of [500, ROWS])
    it(`leaves a session of ${rows} rows that is given away in between of a user to the other, as one that was pruned`, async () => {
      const [here, there] = await open(rows)
      const [deleted, given] = await Promise.all([
        here.deleteSessions({ userId: 'ada' }),
        there.transferSession(REF.sessionId, 'ada', 'bob'),
      ])
      if (rows === 500) return assert.deepEqual([deleted, given], [[REF], false])
      assert.deepEqual([deleted, given], [[], true])
      const left = await rowsOf(here, BOB)
      assert.deepEqual([left[0]!.seq, left.length], [501, ROWS - 500])
      assert.deepEqual([...(await here.keys(BOB, [499, 500, 501]))].toSorted(bySeq), [
        [500, 'run-1/500'],
        [501, 'run-1/501'],
      ])
      const again = await there.append(BOB, newEvents(1, ROWS + 1))
      assert.deepEqual(again.ok && again.added.map(({ n }) => n), [ROWS + 1])
    })

  for (const choice of [{ sessionId: REF.sessionId }, { userId: 'ada' }])
    it(`forgets no place of what was begun anew in between (${Object.keys(choice).join()})`, async () => {
      const [here, there] = await open(1)
      const [deleted, begun] = await Promise.all([
        here.deleteSessions(choice),
        there.append(REF, newEvents(1, 3)),
      ])
      assert.deepEqual(deleted, [REF])
      assert.equal(begun.ok && begun.added.length, 3)
      assert.deepEqual(await here.runHigh(REF, 'run-1'), { n: 3, i: 0 })
    })
})

function bySeq([one]: [number, string], [other]: [number, string]): number {
  return one - other
}
