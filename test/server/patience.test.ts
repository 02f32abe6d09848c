import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Log } from '../../server/log.ts'
import { Patience } from '../../server/patience.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { FakeClock, newEvent, REF, settle } from './support.ts'

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
    await patience.rest(1)
    assert.equal(patience.isGone, false)
    log.unconfirmed.publish(REF, [{ of: {}, event: newEvent(1) }])
    await patience.rest(1)
    assert.deepEqual([patience.isGone, written], [true, []])
    assert.equal(before, 'boot')
    watch.stop()
  })
})
