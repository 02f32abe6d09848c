import assert from 'node:assert/strict'
import { mkdirSync, rmdirSync } from 'node:fs'
import { after, describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import { createLoomi, type Report } from '../../server/loomi.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { lazyStore } from '../../server/stores/lazy.ts'
import { FakeClock, newEvent, openStream, REF, rowsOf, seqsOf, tempFolder, until } from './support.ts'

describe('a store given as a URL', { timeout: 20_000 }, () => {
  const folder = tempFolder()
  after(() => folder.remove())
  let files = 0
  /** A path where nothing can be opened until `mend`: a folder is in its place. */
  function blocked(): { path: string; mend: () => void } {
    const path = folder.path(`${++files}.db`)
    mkdirSync(path)
    return { path, mend: () => rmdirSync(path) }
  }

  it('is opened with first use, and closed with the Loomi', async () => {
    const path = folder.path('first-use.db')
    const loomi = createLoomi({ store: path })
    loomi.session(REF).message('a')
    await loomi.close()
    const store = openSqlite(path)
    assert.equal((await rowsOf(store))[0]?.event_data, '"a"')
    await store.close()
  })

  it('is tried again after it could not be opened: what was emitted meanwhile is stored', async () => {
    const { path, mend } = blocked()
    const reports: Report[] = []
    const clock = new FakeClock()
    const loomi = createLoomi({ store: path, clock, onEvent: (report) => reports.push(report) })
    const session = loomi.session(REF)
    session.message('a')
    await clock.advance(1000)
    assert.equal(reports[0]?.error.code, 'store_unavailable')
    mend()
    session.message('b')
    await clock.advance(5000)
    await session.end()
    const events = []
    for await (const { event_data } of session.read()) events.push(event_data)
    assert.deepEqual(events.slice(0, 2), ['a', 'b'])
    await loomi.close()
  })

  it('is a stream’s to wait for, and its watchers are woken once it is there', async () => {
    const { path, mend } = blocked()
    const clock = new FakeClock()
    const loomi = createLoomi({ store: path, clock, onEvent: () => undefined })
    const stream = await openStream(loomi, { query: 'after=0' })
    await clock.advance(1000)
    mend()
    await clock.advance(2000)
    await stream.take(1)
    // The clock stands still from here: only the store's own hint can tell.
    const other = openSqlite(path)
    await other.append(REF, [newEvent(1)])
    assert.deepEqual(seqsOf(await stream.take(1)), [1])
    await stream.cancel()
    await other.close()
    await loomi.close()
  })

  it('is closed without a fuss when it could never be opened', async () => {
    const { path } = blocked()
    const store = lazyStore(path)
    const pending = store.heads([REF])
    const closed = store.close()
    await assert.rejects(
      pending,
      (error) => error instanceof LoomiError && error.code === 'store_unavailable',
    )
    await closed
    await store.close()
  })

  it('is not opened again by what comes after the close', async () => {
    const path = folder.path('closed.db')
    const store = lazyStore(path)
    await store.append(REF, [newEvent(1)])
    await store.close()
    await assert.rejects(
      store.append(REF, [newEvent(2)]),
      (error) => error instanceof LoomiError && error.code === 'closed',
    )
  })

  it('stops to wake whom it should not', async () => {
    const path = folder.path('watch.db')
    const store = lazyStore(path)
    let woken = 0
    const stop = store.watch(() => woken++)
    await store.append(REF, [newEvent(1)])
    const other = openSqlite(path)
    await other.append(REF, [newEvent(2)])
    await until(() => woken > 0, 'a wake-up', 1000)
    stop()
    const before = woken
    await other.append(REF, [newEvent(3)])
    let later = 0
    const end = store.watch(() => later++)
    await other.append(REF, [newEvent(4)])
    await until(() => later > 0, 'a wake-up of the other', 1000)
    assert.equal(woken, before)
    end()
    await other.close()
    await store.close()
  })
})
