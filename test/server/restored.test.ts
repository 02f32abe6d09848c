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
