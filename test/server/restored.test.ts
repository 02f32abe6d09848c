import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { after, afterEach, describe, it } from 'node:test'
import { keyOf, type Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { makeWorld, newEvents, openStream, REF, rowsOf, settle, tempFolder, type World } from './support.ts'

describe('a log that is set back to an older copy under open streams', () => {
  const folder = tempFolder()
  const stores: Store[] = []
  let files = 0
  after(() => folder.remove())
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close()
  })

  /** A log of five rows in a file, and the hand that sets it back to its first `rows`. */
  async function scene(): Promise<{ world: World; other: Store; restore: (rows: number) => void }> {
    const file = folder.path(`${++files}.db`)
    const [store, other] = [openSqlite(file), openSqlite(file)]
    stores.push(store, other)
    await store.append(REF, newEvents(1, 5, { run_id: 'old' }))
    return {
      world: makeWorld({ store }),
      other,
      restore(rows) {
        const db = new DatabaseSync(file)
        db.exec(`delete from loomi_stream_events where seq > ${rows};
          update loomi_sessions set head = ${rows}, head_key = 'old/${rows}'`)
        db.close()
      },
    }
  }

  const dataOf = async (reader: Awaited<ReturnType<typeof openStream>>, count: number): Promise<unknown[]> =>
    (await reader.take(count)).map(({ frame }) =>
      frame.type === 'reset' ? frame.reason : frame.type === 'event' ? frame.key : frame.type,
    )

  it('is noticed when it is shorter than what the reader has', async () => {
    const { world, restore } = await scene()
    const reader = await openStream(world.loomi)
    await reader.through('replay_complete')
    restore(3)
    await world.clock.advance(5000)
    const frames = await dataOf(reader, 6)
    assert.deepEqual(frames, ['beyond_end', 'replay_start', 'old/1', 'old/2', 'old/3', 'replay_complete'])
    await reader.cancel()
  })

  for (const [name, extra] of [
    ['to the same length', 2],
    ['past the reader', 4],
  ] as const) {
    it(`is noticed when it has grown ${name} before anybody looked`, async () => {
      const { world, other, restore } = await scene()
      const reader = await openStream(world.loomi)
      await reader.through('replay_complete')
      restore(3)
      await other.append(REF, newEvents(1, extra, { run_id: 'new' }))
      await world.clock.advance(5000)
      const rows = await rowsOf(other)
      const frames = await dataOf(reader, rows.length + 3)
      assert.deepEqual(frames, ['tag', 'replay_start', ...rows.map(keyOf), 'replay_complete'])
      await reader.cancel()
    })
  }

  for (const rows of [2, 1])
    it(`is noticed when all that the reader has is pruned in it, with ${rows} rows left`, async () => {
      const { world, other, restore } = await scene()
      const reader = await openStream(world.loomi)
      const id = (await reader.through('replay_complete')).at(-1)!.id!
      restore(3)
      await other.append(REF, newEvents(1, 2 + rows, { run_id: 'new' }))
      await other.prune({ maxEventsPerSession: rows }, 100)
      await world.clock.advance(5000)
      const expected = ['tag', 'replay_start', 'gap', ...(await rowsOf(other)).map(keyOf), 'replay_complete']
      assert.deepEqual(await dataOf(reader, rows + 4), expected)
      await reader.cancel()
      const again = await openStream(world.loomi, { headers: { 'last-event-id': id } })
      assert.deepEqual(await dataOf(again, rows + 4), expected)
      await again.cancel()
    })

  it('is not taken from memory for a reader whose row is another one in it, even where the store has no row to compare', async () => {
    const { world, other, restore } = await scene()
    const first = await openStream(world.loomi)
    const id = (await first.through('replay_complete')).at(-1)!.id!
    await first.cancel()
    restore(3)
    const watching = await openStream(world.loomi)
    await watching.through('replay_complete')
    const session = world.loomi.session({ ...REF, runId: 'new' })
    for (let i = 0; i < 6; i++) {
      session.emit({ event_type: 'note', event_data: i })
      await settle()
    }
    await other.prune({ maxEventsPerSession: 2 }, 100)
    const again = await openStream(world.loomi, { headers: { 'last-event-id': id } })
    assert.deepEqual(await dataOf(again, 5), ['replay_start', 'gap', 'new/5', 'new/6', 'replay_complete'])
    for (const reader of [watching, again]) await reader.cancel()
  })

  it('is shown from its beginning to a reader who was told that it was deleted, wherever that one came from', async () => {
    const { world, other } = await scene()
    const first = await openStream(world.loomi)
    const id = (await first.take(4))[3]!.id!
    await first.cancel()
    const reader = await openStream(world.loomi, { headers: { 'last-event-id': id } })
    await reader.through('replay_complete')
    const [head] = await other.heads([REF])
    await other.deleteSessions(REF)
    await world.clock.advance(5000)
    assert.deepEqual(await dataOf(reader, 2), ['epoch', 'no_replay'])
    // The backup is of the very log that the reader came with a cursor of.
    await other.append(REF, newEvents(1, 5, { run_id: 'old' }))
    const db = new DatabaseSync(folder.path(`${files}.db`))
    db.exec(`update loomi_sessions set epoch = '${head!.epoch}'`)
    db.close()
    await world.clock.advance(5000)
    const rows = ['old/1', 'old/2', 'old/3', 'old/4', 'old/5']
    assert.deepEqual(await dataOf(reader, 8), ['epoch', 'replay_start', ...rows, 'replay_complete'])
    await reader.cancel()
  })

  it('is noticed when this process itself appends to it, and readers that were behind get the new rows', async () => {
    const { world, restore } = await scene()
    const [ahead, behind] = [await openStream(world.loomi), await openStream(world.loomi)]
    await ahead.through('replay_complete')
    await behind.through('replay_complete')
    restore(2)
    const session = world.loomi.session(REF)
    for (let i = 0; i < 5; i++) {
      session.emit({ event_type: 'note', event_data: i })
      await settle()
    }
    await world.clock.advance(5000)
    for (const reader of [ahead, behind]) {
      const rest = await dataOf(reader, 4)
      assert.equal(rest[1], 'replay_start')
      assert.deepEqual(rest.slice(2), ['old/1', 'old/2'])
      await reader.cancel()
    }
  })
})
