import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import { createLoomi, type Loomi, type Report } from '../../server/loomi.ts'
import type { Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { FakeClock, newEvent, openStream, REF, rowsOf, settle, storeWith } from './support.ts'

/** Processes that share a store and a clock, as far as one test process can hold them. */
function processes(
  count: number,
  given?: Store,
): {
  loomis: Loomi[]
  clock: FakeClock
  store: Store
  reports: Report[]
} {
  const clock = new FakeClock()
  const store = given ?? openSqlite(':memory:', () => clock.now())
  const reports: Report[] = []
  const loomis = Array.from({ length: count }, () =>
    createLoomi({ store, clock, onEvent: (report) => reports.push(report) }),
  )
  return { loomis, clock, store, reports }
}

const ends = async (store: Store): Promise<string[]> =>
  (await rowsOf(store)).filter((r) => r.event_type === 'run_end').map((r) => r.content_type)

/** Never ends and never says a word more. */
async function* silent(): AsyncGenerator {
  yield { choices: [{ delta: { content: 'One ' } }] }
  await new Promise(() => undefined)
}

describe('a stop', () => {
  it('fires the signal of the producer in the same process at once and ends the run', async () => {
    const { loomis, store } = processes(1)
    const session = loomis[0]!.session(REF)
    const { signal } = session
    session.message('Hm')
    await loomis[0]!.stop(REF.sessionId)
    assert.equal(signal.aborted, true)
    assert.equal((signal.reason as LoomiError).code, 'stopped')
    assert.deepEqual(await ends(store), ['stopped'])
  })

  it('fires the signal of a producer in another process within a second', async () => {
    const { loomis, clock, store } = processes(2)
    const session = loomis[0]!.session(REF)
    const { signal } = session
    session.message('Hm')
    await settle()
    await loomis[1]!.stop(REF.sessionId)
    assert.deepEqual(await ends(store), ['stopped'])
    await clock.advance(1000)
    assert.equal(signal.aborted, true)
  })

  it('is shown to every viewer at once, wherever it was asked for', async () => {
    const { loomis, clock } = processes(3)
    loomis[0]!.session(REF).message('Hm')
    await settle()
    const viewers = await Promise.all(loomis.map((loomi) => openStream(loomi)))
    for (const viewer of viewers) await viewer.through('replay_complete')
    await loomis[1]!.stop(REF.sessionId)
    await clock.advance(5000)
    for (const viewer of viewers) {
      const frame = (await viewer.next())!.frame
      assert.ok(frame.type === 'event' && frame.content_type === 'stopped')
      await viewer.cancel()
    }
  })

  it('keeps what was emitted before it and drops what comes after it', async () => {
    const { loomis, clock, store } = processes(2)
    const session = loomis[0]!.session(REF)
    for (const text of ['a', 'b', 'c']) session.message(text, { part: 'm' })
    await loomis[0]!.stop(REF.sessionId)
    session.message('d', { part: 'm' })
    await session.end()
    await clock.advance(1000)
    const rows = await rowsOf(store)
    const first = rows.filter((r) => r.run_id === rows[0]!.run_id)
    assert.equal(first.at(-1)!.content_type, 'stopped')
    const texts = first.slice(0, -1).map((r) => JSON.parse(r.event_data) as string)
    assert.equal(texts.join(''), 'abc')
    assert.deepEqual(await ends(store), ['stopped'])
    session.message('The next answer.')
    await session.end()
    assert.deepEqual(await ends(store), ['stopped', 'complete'])
  })

  it('is a fence: a producer that has not heard of it yet adds nothing any more', async () => {
    const { loomis, clock, store, reports } = processes(2)
    const recording = loomis[0]!.session(REF).record(
      (async function* () {
        yield { choices: [{ delta: { content: 'One ' } }] }
        await settle()
        await loomis[1]!.stop(REF.sessionId)
        yield { choices: [{ delta: { content: 'two' } }] }
        await settle()
        yield { choices: [{ delta: { content: 'three' } }] }
      })(),
    )
    await clock.advance(2000)
    assert.deepEqual((await recording).status, 'stopped')
    const rows = await rowsOf(store)
    assert.deepEqual(
      rows.map((r) => JSON.parse(r.event_data) as unknown),
      ['One ', { status: 'stopped' }],
    )
    assert.deepEqual(reports, [])
  })

  it('ends a recording whose source never says a word more, and tells the source', async () => {
    const { loomis, clock, store } = processes(2)
    let told = false
    const source: AsyncIterable<unknown> = {
      [Symbol.asyncIterator]: () => {
        const inner = silent()
        return {
          next: () => inner.next(),
          return: async () => {
            told = true
            return { done: true, value: undefined }
          },
        }
      },
    }
    const recording = loomis[0]!.session(REF).record(source)
    const read: unknown[] = []
    const reading = (async () => {
      for await (const chunk of recording) read.push(chunk)
    })()
    await settle()
    await loomis[1]!.stop(REF.sessionId)
    await clock.advance(1000)
    assert.equal((await recording).status, 'stopped')
    await reading
    assert.equal(read.length, 1)
    assert.equal(told, true)
    assert.deepEqual(await ends(store), ['stopped'])
  })

  it('reaches an answer of which nothing came yet', async () => {
    const { loomis, clock, store } = processes(2)
    const session = loomis[0]!.session(REF)
    session.user('Where to?')
    const { signal } = session
    await settle()
    await loomis[1]!.stop(REF.sessionId)
    await clock.advance(1000)
    assert.equal(signal.aborted, true)
    assert.deepEqual(await ends(store), ['stopped'])
  })

  it('does nothing after the end, nor to what the user said', async () => {
    const { loomis, clock, store } = processes(2)
    const session = loomis[0]!.session(REF)
    session.user('Where to?')
    session.message('Home.')
    await session.end()
    const { signal } = loomis[0]!.session({ ...REF, sessionId: 'another' })
    for (const loomi of loomis) await loomi.stop(REF.sessionId)
    await clock.advance(2000)
    assert.deepEqual(await ends(store), ['complete'])
    assert.equal(signal.aborted, false)
  })

  it('stops all runs of the session and none of another', async () => {
    const { loomis, store } = processes(2)
    const signals = [0, 1].map((i) => {
      const session = loomis[i]!.session(REF)
      session.message(`${i}`)
      return session.signal
    })
    const other = loomis[0]!.session({ ...REF, sessionId: 'another' })
    other.message('x')
    await settle()
    await loomis[0]!.stop(REF.sessionId)
    assert.deepEqual(await ends(store), ['stopped', 'stopped'])
    assert.equal(signals[0]!.aborted, true)
    assert.equal(other.signal.aborted, false)
  })

  it('leaves the next answer a signal of its own', async () => {
    const { loomis } = processes(1)
    const session = loomis[0]!.session(REF)
    const first = session.signal
    await loomis[0]!.stop(REF.sessionId)
    assert.equal(first.aborted, true)
    assert.equal(session.signal, first)
    await session.end()
    assert.equal(session.signal.aborted, false)
  })

  it('that the store cannot take rejects, and yet stops what runs here; the end is stored when the store is back', async () => {
    let isDown = false
    const memory = openSqlite(':memory:')
    const down = async <T>(work: () => Promise<T>): Promise<T> => {
      if (isDown) throw new LoomiError('store_unavailable', 'Down.')
      return work()
    }
    const { loomis, clock, store } = processes(
      1,
      storeWith(memory, {
        append: (...args) => down(() => memory.append(...args)),
        endRuns: (...args) => down(() => memory.endRuns(...args)),
      }),
    )
    const session = loomis[0]!.session(REF)
    session.message('a')
    await settle()
    isDown = true
    const { signal } = session
    const stopped = assert.rejects(loomis[0]!.stop(REF.sessionId), { code: 'store_unavailable' })
    await clock.advance(1500)
    await stopped
    assert.equal(signal.aborted, true)
    isDown = false
    await clock.advance(5000)
    assert.deepEqual(await ends(store), ['stopped'])
  })

  it('of a session whose name is none is refused', async () => {
    await assert.rejects(processes(1).loomis[0]!.stop(''), { code: 'bad_id' })
  })
})

describe('a run', () => {
  it('of a producer that is gone ends as interrupted within the lease and 5 s, once, while somebody looks on', async () => {
    const { loomis, clock, store } = processes(2)
    const viewer = await openStream(loomis[1]!)
    // Its process is gone: it renews nothing any more.
    await store.append(REF, [{ ...newEvent(1), run_id: 'gone' }], 30_000)
    await clock.advance(29_000)
    assert.deepEqual(await ends(store), [])
    await clock.advance(6000)
    assert.deepEqual(await ends(store), ['interrupted'])
    await clock.advance(60_000)
    assert.deepEqual(await ends(store), ['interrupted'])
    await viewer.cancel()
  })

  it('of a producer that is gone is ended by the first who comes to read', async () => {
    const { loomis, clock, store } = processes(1)
    await store.append(REF, [{ ...newEvent(1), run_id: 'gone' }], 30_000)
    await clock.advance(3_600_000)
    assert.deepEqual(await ends(store), [])
    const viewer = await openStream(loomis[0]!)
    const frames = await viewer.through('replay_complete')
    assert.deepEqual(
      frames.map(({ frame }) => (frame.type === 'event' ? frame.content_type : frame.type)),
      ['replay_start', 'note', 'interrupted', 'replay_complete'],
    )
    await viewer.cancel()
  })

  it('of a slow model is never interrupted while its process lives', async () => {
    const { loomis, clock, store } = processes(2)
    const viewer = await openStream(loomis[1]!)
    void loomis[0]!.session(REF).record(silent())
    await clock.advance(600_000)
    assert.deepEqual(await ends(store), [])
    await viewer.cancel()
  })

  it('whose model has not begun to answer is not interrupted either, and leaves no trace when its process dies', async () => {
    const { loomis, clock, store } = processes(2)
    const session = loomis[0]!.session(REF)
    session.user('Where to?')
    void session.record(new Promise<never>(() => undefined))
    const viewer = await openStream(loomis[1]!)
    await clock.advance(120_000)
    assert.deepEqual(await ends(store), [])
    await loomis[0]!.close()
    await clock.advance(120_000)
    assert.deepEqual(await ends(store), [])
    assert.equal((await rowsOf(store)).length, 1)
    await viewer.cancel()
  })

  it('is given time to renew its lease when the machine was asleep', async () => {
    const clock = new FakeClock()
    let asleepMs = 0
    const sleepy = {
      now: () => clock.now() + asleepMs,
      elapsed: () => clock.now(),
      setTimeout: clock.setTimeout.bind(clock),
      clearTimeout: clock.clearTimeout.bind(clock),
    }
    const store = openSqlite(':memory:', sleepy.now)
    const watcher = createLoomi({ store, clock: sleepy })
    const viewer = await openStream(watcher)
    await store.append(REF, [{ ...newEvent(1), run_id: 'r' }], 30_000)
    // Everything wakes an hour later; the watcher looks before the producer has renewed.
    asleepMs = 3_600_000
    await clock.advance(9000)
    assert.deepEqual(await ends(store), [])
    await store.leaseRuns([{ ...REF, runId: 'r' }], 30_000)
    await clock.advance(20_000)
    assert.deepEqual(await ends(store), [])
    await clock.advance(30_000)
    assert.deepEqual(await ends(store), ['interrupted'])
    await viewer.cancel()
  })

  it('that is open when its process closes ends as interrupted at once', async () => {
    const { loomis, store } = processes(1)
    const session = loomis[0]!.session(REF)
    session.user('Where to?')
    session.message('Home', { part: 'm' })
    await loomis[0]!.close()
    const rows = await rowsOf(store)
    assert.deepEqual(
      rows.map((r) => r.content_type),
      ['user', 'message', 'interrupted'],
    )
    // It takes no place from a producer that takes the run up again.
    assert.deepEqual([rows[2]!.n, rows[2]!.i], [1, -1])
  })

  it('that was interrupted goes on when its stream is fed again, and ends well', async () => {
    const { loomis, clock, store } = processes(2)
    const chunks = ['One ', 'two ', 'three'].map((content) => ({ choices: [{ delta: { content } }] }))
    const cut = async function* (): AsyncGenerator {
      yield* chunks.slice(0, 2)
      await new Promise(() => undefined)
    }
    void loomis[0]!.session({ ...REF, runId: 'r' }).record(cut())
    await clock.advance(100)
    await loomis[0]!.close()
    await loomis[1]!.session({ ...REF, runId: 'r' }).record(chunks)
    const rows = await rowsOf(store)
    const texts = rows.filter((r) => r.part_id !== null).map((r) => JSON.parse(r.event_data) as string)
    assert.equal(texts.join(''), 'One two three')
    assert.deepEqual(await ends(store), ['interrupted', 'complete'])
  })

  it('that was begun and of which nothing came leaves no trace', async () => {
    const { loomis, clock, store } = processes(1)
    const session = loomis[0]!.session(REF)
    void session.signal
    await session.end()
    session.user('Hello?')
    await clock.advance(120_000)
    await loomis[0]!.close()
    assert.deepEqual(
      (await rowsOf(store)).map((r) => r.content_type),
      ['user'],
    )
    assert.equal(clock.pending, 0)
  })
})
