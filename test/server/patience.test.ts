import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { LoomiError } from '../../server/errors.ts'
import { createLoomi } from '../../server/loomi.ts'
import { Log } from '../../server/log.ts'
import { Patience } from '../../server/patience.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { FakeClock, newEvent, openStream, REF, settle, storeWith } from './support.ts'

describe('the patience of a stream', () => {
  it('does not rest when a wake-up came while the store was being asked', async () => {
    const clock = new FakeClock()
    const log = new Log(openSqlite(':memory:'), clock, () => assert.fail())
    const watch = log.watch(REF)
    const sink = { closed: new AbortController().signal } as never
    const patience = new Patience(
      { sink, write: () => undefined } as never,
      REF,
      true,
      { log, clock, onError: assert.fail } as never,
      watch,
    )
    // The answer is of before the wake-up: the row that it wakes for is not in it.
    const read = Promise.withResolvers<null>()
    const answer = patience.ask(() => read.promise)
    await settle()
    watch.wake()
    await settle()
    read.resolve(null)
    await answer
    let rests = true
    void patience.rest().then(() => (rests = false))
    await settle()
    assert.equal(rests, false)
    watch.stop()
  })
  it('shows nothing after a discard under the boot of before, but lets the reader come again', async () => {
    const clock = new FakeClock()
    const log = new Log(openSqlite(':memory:'), clock, () => assert.fail())
    const watch = log.watch(REF)
    const closed = new AbortController()
    const written: unknown[] = []
    const patience = new Patience(
      {
        sink: { closed: closed.signal, end: () => closed.abort() },
        write: (bytes: unknown) => written.push(bytes),
      } as never,
      REF,
      true,
      { log, clock, boot: 'boot', onError: assert.fail } as never,
      watch,
    )
    const before = patience.boot()
    patience.open()
    log.unconfirmed.discard(REF)
    void patience.rest()
    await settle()
    assert.equal(patience.isGone, false)
    log.unconfirmed.publish(REF, [{ of: {}, event: newEvent(1) }])
    await settle()
    watch.wake()
    await settle()
    await patience.rest()
    assert.deepEqual([patience.isGone, written], [true, []])
    assert.equal(before, 'boot')
    watch.stop()
  })

  it('keeps nothing of its waits while the store fails for half an hour', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const fail = (): Promise<never> => Promise.reject(new LoomiError('store_unavailable', 'Down.'))
    const store = storeWith(openSqlite(':memory:'), {
      append: fail,
      read: fail,
      heads: fail,
      keys: fail,
      runHigh: fail,
      loadPresence: fail,
      endRuns: fail,
    })
    const clock = new FakeClock()
    const loomi = createLoomi({ clock, store, onEvent: () => undefined })
    const streams = 10
    for (let k = 0; k < streams; k++) {
      const stream = await openStream(loomi, { query: 'after=0' })
      void (async () => {
        while (await stream.pump()) stream.text = ''
      })()
    }
    const heap = (): number => {
      for (let k = 0; k < 4; k++) collect()
      return process.memoryUsage().heapUsed
    }
    const minutes = 7.5
    await clock.advance(minutes * 60_000)
    // What leaks does so in each quarter of the half hour; a table that grows once does so in one.
    const perSecond: number[] = []
    for (let quarter = 2; quarter <= 4; quarter++) {
      const before = heap()
      await clock.advance(minutes * 60_000)
      perSecond.push((heap() - before) / streams / minutes / 60)
    }
    await loomi.close()
    // With a race beside each wait it was 255.
    const bytes = Math.min(...perSecond)
    assert.ok(bytes < 60, `${bytes.toFixed(1)} bytes a stream a second`)
  })
})
