import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { after, afterEach, beforeEach, describe, it } from 'node:test'
import { Log } from '../../server/log.ts'
import { tagOf } from '../../server/protocol.ts'
import { keyOf, type Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { FakeClock, newEvent, newEvents, REF, storeWith, tempFolder } from './support.ts'

describe('the log that one process remembers, when an older copy of it has grown in its place', () => {
  const folder = tempFolder()
  let files = 0
  let store: Store
  let log: Log
  let restore: (rows: number) => void
  beforeEach(async () => {
    const file = folder.path(`${++files}.db`)
    store = openSqlite(file)
    // Without hints: what is known is what was asked.
    const deaf = storeWith(store, { watch: () => () => undefined })
    log = new Log(deaf, new FakeClock(), () => assert.fail())
    log.watch(REF)
    await log.append(REF, newEvents(1, 10, { run_id: 'old' }))
    restore = (rows) => {
      const db = new DatabaseSync(file)
      db.exec(`delete from loomi_stream_events where seq > ${rows};
        update loomi_sessions set head = ${rows}, head_key = 'old/${rows}'`)
      db.close()
    }
  })
  afterEach(() => store.close())
  after(() => folder.remove())

  /** What a reader gets whose last row is `old/<after>`. */
  const keysAfter = async (after: number): Promise<readonly string[] | 'replaced'> => {
    const page = await log.read(REF, after, tagOf(`old/${after}`))
    return page!.isReplaced ? 'replaced' : page!.rows.map(({ row }) => keyOf(row))
  }
  const stored = async (after: number): Promise<string[]> =>
    (await store.read(REF, after, 500)).events.map(keyOf)

  it('is believed no more when a page that one reader asks for holds other rows', async () => {
    restore(5)
    await store.append(REF, newEvents(1, 7, { run_id: 'new' }))
    await log.head(REF)
    const before = log.unconfirmed.discards(REF)
    assert.deepEqual(await keysAfter(5), await stored(5))
    assert.deepEqual(await keysAfter(3), await stored(3))
    assert.equal(await keysAfter(10), 'replaced')
    assert.notEqual(log.unconfirmed.discards(REF), before)
  })

  it('is believed no more when its head is found to be lower', async () => {
    restore(5)
    const before = log.unconfirmed.discards(REF)
    await log.head(REF)
    assert.deepEqual(await keysAfter(3), ['old/4', 'old/5'])
    assert.notEqual(log.unconfirmed.discards(REF), before)
  })

  it('is not joined with a page whose reader does not know the row before it', async () => {
    restore(5)
    await store.append(REF, newEvents(1, 7, { run_id: 'new' }))
    await log.head(REF)
    await log.read(REF, 10)
    assert.deepEqual(await keysAfter(3), await stored(3))
    assert.equal(await keysAfter(10), 'replaced')
  })

  it('is not joined with an append that follows a row of another server', async () => {
    restore(8)
    await store.append(REF, newEvents(1, 2, { run_id: 'new' }))
    const before = log.unconfirmed.discards(REF)
    await log.append(REF, [newEvent(3, { run_id: 'new' })])
    assert.deepEqual(await keysAfter(3), await stored(3))
    assert.deepEqual(await keysAfter(8), ['new/1', 'new/2', 'new/3'])
    assert.equal(await keysAfter(10), 'replaced')
    assert.notEqual(log.unconfirmed.discards(REF), before)
  })

  describe('and what was unconfirmed was confirmed in it', () => {
    const unconfirmed = newEvent(11, { run_id: 'old' })
    const ways: Readonly<Record<string, () => Promise<unknown>>> = {
      'by an append': () => log.append(REF, [unconfirmed]),
      'by a look at what is stored': async () => {
        await store.append(REF, [unconfirmed])
        await log.confirmation.byStore(REF)
      },
    }
    for (const [way, confirm] of Object.entries(ways))
      for (const [what, grown] of [
        ['is shorter', 0],
        ['has grown on', 7],
      ] as const)
        it(`${way}, that is discarded as soon as the copy ${what}`, async () => {
          log.unconfirmed.publish(REF, [{ of: {}, event: unconfirmed }])
          await confirm()
          const before = log.unconfirmed.discards(REF)
          await store.append(REF, [newEvent(12, { run_id: 'old' })])
          await log.confirmation.recheck(REF)
          assert.equal(log.unconfirmed.discards(REF), before)
          restore(5)
          if (grown > 0) await store.append(REF, newEvents(1, grown, { run_id: 'new' }))
          await log.confirmation.recheck(REF)
          assert.notEqual(log.unconfirmed.discards(REF), before)
        })
  })
})
