import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import { createLoomi, type Loomi, type Report } from '../../server/loomi.ts'
import type { Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { beat, FakeClock, makeWorld, openStream, REF, rowsOf, settle, storeWith } from './support.ts'

function processes(count: number, given?: Store) {
  const clock = new FakeClock()
  const store = given ?? openSqlite(':memory:', () => clock.now())
  const reports: Report[] = []
  const loomis: Loomi[] = Array.from({ length: count }, () =>
    createLoomi({ store, clock, onEvent: (report) => reports.push(report) }),
  )
  return { loomis, clock, store, reports }
}
const ends = async (store: Store): Promise<string[]> =>
  (await rowsOf(store)).filter((r) => r.event_type === 'run_end').map((r) => r.content_type)

/** A store on a switch. */
function fragile() {
  const memory = openSqlite(':memory:')
  let isDown = false
  const or =
    <A extends unknown[], T>(work: (...args: A) => Promise<T>) =>
    async (...args: A): Promise<T> => {
      if (isDown) throw new LoomiError('store_unavailable', 'Down.')
      return work(...args)
    }
  const store = storeWith(memory, {
    append: or(memory.append.bind(memory)),
    endRuns: or(memory.endRuns.bind(memory)),
    leaseRuns: or(memory.leaseRuns.bind(memory)),
    stoppedRuns: or(memory.stoppedRuns.bind(memory)),
    releaseRuns: or(memory.releaseRuns.bind(memory)),
    heads: or(memory.heads.bind(memory)),
    read: or(memory.read.bind(memory)),
  })
  return { memory, store, down: (value: boolean) => void (isDown = value) }
}
const hang = () => new Promise<never>(() => undefined)

describe('an interrupted end takes nobody’s place', () => {
  it('a page hears at once that a run is stopped which was fed again behind what is stored', async () => {
    const { loomis, clock } = processes(2)
    const chunks = ['One ', 'two'].map((content) => ({ choices: [{ delta: { content } }] }))
    const answer = async function* (count: number) {
      yield* chunks.slice(0, count)
      await hang()
    }
    void loomis[0]!.session({ ...REF, runId: 'r' }).record(answer(2))
    await clock.advance(100)
    await loomis[0]!.close()
    void loomis[1]!.session({ ...REF, runId: 'r' }).record(answer(1))
    const viewer = await openStream(loomis[1]!)
    await viewer.through('replay_complete')
    await clock.advance(100)
    await loomis[1]!.stop(REF.sessionId)
    await settle()
    const { frame } = (await viewer.take(1))[0]!
    assert.equal(frame.type === 'event' && frame.content_type, 'stopped')
    await viewer.cancel()
  })

  it('a run that its process has ended as it goes away does not end once more when it is stopped', async () => {
    const { loomis, clock, store } = processes(1)
    void loomis[0]!.session({ ...REF, runId: 'r' }).record(
      (async function* () {
        yield { choices: [{ delta: { content: 'One' } }] }
        await hang()
      })(),
    )
    await clock.advance(100)
    const closed = loomis[0]!.close()
    const stopped = loomis[0]!.stop(REF.sessionId)
    await clock.advance(5000)
    await Promise.allSettled([closed, stopped])
    await clock.advance(60_000)
    assert.equal((await ends(store)).length, 1)
  })

  it('a run that was interrupted before its end is complete when it is fed again', async () => {
    const { loomis, clock, store } = processes(2)
    const chunks = ['One ', 'two'].map((content) => ({ choices: [{ delta: { content } }] }))
    void loomis[0]!.session({ ...REF, runId: 'r' }).record(
      (async function* () {
        yield* chunks
        await hang()
      })(),
    )
    await clock.advance(100)
    await loomis[0]!.close()
    await loomis[1]!.session({ ...REF, runId: 'r' }).record(chunks)
    assert.deepEqual(await ends(store), ['interrupted', 'complete'])
  })

  for (const isAway of [false, true])
    it(`a run that is fed again is stopped also where it is still at what was stored before${isAway ? ', once the store is back' : ''}`, async () => {
      const { memory, store, down } = fragile()
      const { loomis, clock } = processes(2, store)
      const chunks = ['One ', 'two ', 'three'].map((content) => ({ choices: [{ delta: { content } }] }))
      const answer = async function* (count: number) {
        yield* chunks.slice(0, count)
        await hang()
      }
      void loomis[0]!.session({ ...REF, runId: 'r' }).record(answer(2))
      await clock.advance(100)
      await loomis[0]!.close()
      const again = loomis[1]!.session({ ...REF, runId: 'r' })
      const { signal } = again
      void again.record(answer(1))
      await clock.advance(100)
      down(isAway)
      const stopped = loomis[1]!.stop(REF.sessionId).then(
        () => 'stopped',
        (error: LoomiError) => error.code,
      )
      await clock.advance(2000)
      assert.equal(await stopped, isAway ? 'store_unavailable' : 'stopped')
      assert.equal(signal.aborted, true)
      down(false)
      const viewer = await openStream(loomis[1]!)
      await clock.advance(30_000)
      await viewer.cancel()
      assert.deepEqual(await ends(memory), ['interrupted', 'stopped'])
    })

  it('a tool result that the end of the stream makes is kept', async () => {
    const { loomis, clock, store } = processes(2)
    const adapter = () => ({
      read: (text: unknown) => [{ event_type: 'note', event_data: String(text) }],
      finish: () => [{ event_type: 'tool_call', event_data: 'held back' }],
    })
    void loomis[0]!.session({ ...REF, runId: 'r' }).record(
      (async function* () {
        yield 'a'
        await hang()
      })(),
      adapter,
    )
    await clock.advance(100)
    await loomis[0]!.close()
    await loomis[1]!.session({ ...REF, runId: 'r' }).record(['a'], adapter)
    assert.deepEqual(
      (await rowsOf(store)).map((r) => r.event_type),
      ['note', 'run_end', 'tool_call', 'run_end'],
    )
  })

  it('a living run that another process took for dead says complete when it ends', async () => {
    const { loomis, clock, store } = processes(1)
    const session = loomis[0]!.session(REF)
    session.message('Found two.')
    await settle()
    await store.leaseRuns([{ ...REF, runId: (await rowsOf(store))[0]!.run_id }], 0)
    await store.endRuns('interrupted', { lapsed: true }, new Date(clock.now()).toISOString())
    await session.end()
    assert.equal((await ends(store)).at(-1), 'complete')
  })
})

describe('a run that takes its provider’s name', () => {
  it('a stop that comes just before the provider tells its id stops the answer', async () => {
    const { loomis, clock, store } = processes(2)
    const gate = Promise.withResolvers<void>()
    const recording = loomis[0]!.session(REF).record(
      (async function* () {
        await gate.promise
        yield { type: 'response.created', sequence_number: 0, response: { id: 'resp_1', output: [] } }
        for (let n = 1; n < 50; n++) {
          yield {
            type: 'response.output_text.delta',
            sequence_number: n,
            item_id: 'msg_1',
            output_index: 0,
            content_index: 0,
            delta: `${n} `,
          }
          await settle()
        }
        await hang()
      })(),
    )
    let ended = false
    void recording.then(() => (ended = true))
    loomis[0]!.session(REF).user('Where to?')
    await settle()
    await loomis[1]!.stop(REF.sessionId)
    gate.resolve()
    await settle()
    await clock.advance(5000)
    const rows = await rowsOf(store)
    assert.equal(ended, true, `still going after: ${rows.map((r) => r.event_type).join()}`)
  })
})

describe('a session that was closed', () => {
  it('a closed session leaves no timer and no lease', async () => {
    const { loomis, clock } = processes(1)
    const session = loomis[0]!.session(REF)
    session.message('a')
    await session.end()
    await session.close()
    await clock.advance(60_000)
    assert.equal(clock.pending, 0)
  })
  it('a stop of a closed session reports nothing', async () => {
    const { loomis, clock, reports } = processes(1)
    const session = loomis[0]!.session(REF)
    session.message('a')
    await session.end()
    await session.close()
    await clock.advance(20_000)
    await loomis[0]!.stop(REF.sessionId)
    assert.deepEqual(reports, [])
  })
})

describe('the bound on what waits', () => {
  it('in a long outage what is dropped takes no room', async () => {
    const { store, down, memory } = fragile()
    const world = makeWorld({ store, maxPendingBytes: 5000 })
    const session = world.loomi.session(REF)
    session.emit({ event_type: 'note', event_data: 'before' })
    await settle()
    down(true)
    session.emit({ event_type: 'note', event_data: 'x'.repeat(4000) })
    await world.clock.advance(2000)
    for (let i = 0; i < 3000; i++) session.emit({ event_type: 'note', event_data: 'x'.repeat(1000) })
    await world.clock.advance(2000)
    down(false)
    await world.clock.advance(5000)
    await session.end()
    const dropped = (await rowsOf(memory)).filter((r) => r.event_type === 'loomi_dropped')
    const full = world.reports.filter((r) => r.error.code === 'pending_full').length
    assert.deepEqual([dropped.length, full], [1, 1])
  })
  it('makes one word for each of two runs that are dropped from in turn', async () => {
    const { store, down, memory } = fragile()
    const world = makeWorld({ store, maxPendingBytes: 5000 })
    const [a, b] = [world.loomi.session(REF), world.loomi.session(REF)]
    down(true)
    a.emit({ event_type: 'note', event_data: 'x'.repeat(4500) })
    for (let i = 0; i < 1000; i++)
      for (const s of [a, b]) s.emit({ event_type: 'note', event_data: 'x'.repeat(1000) })
    await world.clock.advance(100)
    down(false)
    await world.clock.advance(5000)
    const dropped = (await rowsOf(memory)).filter((r) => r.event_type === 'loomi_dropped')
    assert.ok(dropped.length <= 2, `${dropped.length}`)
  })
})

describe('an outage that is longer than the lease', () => {
  it('a living run is not interrupted by its own process after an outage longer than the lease', async () => {
    const { store, down, memory } = fragile()
    const world = makeWorld({ store })
    const viewer = await openStream(world.loomi)
    const session = world.loomi.session(REF)
    session.message('a')
    await settle()
    // 8 s in: the renewals (every 10 s) miss what the poll (every 5 s) sees.
    await world.clock.advance(8000)
    down(true)
    await world.clock.advance(45_000)
    down(false)
    await world.clock.advance(60_000)
    assert.deepEqual(await ends(memory), [])
    await viewer.cancel()
  })
  for (const after of [39_000, 41_000, 43_000, 45_000, 47_000])
    it(`an end during an outage is what the log says, ${after}`, async () => {
      const { store, down, memory } = fragile()
      const world = makeWorld({ store })
      const viewer = await openStream(world.loomi)
      const session = world.loomi.session(REF)
      session.message('a')
      await settle()
      await world.clock.advance(8000)
      down(true)
      await world.clock.advance(5000)
      void session.end()
      await world.clock.advance(after)
      down(false)
      await world.clock.advance(60_000)
      assert.deepEqual(await ends(memory), ['complete'])
      await viewer.cancel()
    })
})

describe('loomi.close()', () => {
  it('what is emitted after close reopens nothing', async () => {
    const { loomis, clock, store } = processes(1)
    const session = loomis[0]!.session(REF)
    session.message('a')
    await loomis[0]!.close()
    session.message('b')
    await settle()
    const viewer = createLoomi({ store, clock })
    const reader = await openStream(viewer)
    await clock.advance(60_000)
    assert.deepEqual(await ends(store), ['interrupted'])
    await reader.cancel()
  })
  it('tells its producers that it is going away', async () => {
    const { loomis } = processes(1)
    const session = loomis[0]!.session(REF)
    const { signal } = session
    session.message('a')
    await loomis[0]!.close()
    assert.equal(signal.aborted, true)
  })
  it('waits no longer than 5 s for a store that hangs', async () => {
    const world = makeWorld({ store: storeWith(openSqlite(':memory:'), { savePresence: hang }) })
    await beat(world.loomi)
    let closed = false
    void world.loomi.close().then(() => (closed = true))
    await world.clock.advance(60_000)
    assert.equal(closed, true)
  })
  it('stores what a handle emits whose session was not used for long, among many', async () => {
    const gate: (() => void)[] = []
    const memory = openSqlite(':memory:')
    let slow = false
    const store = storeWith(memory, {
      append: async (...args) => {
        if (slow) await new Promise<void>((resolve) => gate.push(resolve))
        return memory.append(...args)
      },
    })
    const world = makeWorld({ store })
    const session = world.loomi.session(REF)
    session.message('a')
    await session.end()
    for (let i = 0; i < 1002; i++) world.loomi.session({ sessionId: `x${i}`, userId: 'ada' })
    slow = true
    session.message('b')
    let closed = false
    void world.loomi.close().then(() => (closed = true))
    await settle()
    assert.equal(closed, false, 'closed while an append was under way')
    for (const go of gate) go()
  })
})

describe('a flush', () => {
  it('a cursor is answered while another answer streams', async () => {
    const memory = openSqlite(':memory:')
    let appends = 0
    const box: { session?: ReturnType<Loomi['session']> } = {}
    const store = storeWith(memory, {
      append: async (...args) => {
        // The model is quicker than the store.
        if (++appends < 500) box.session!.emit({ event_type: 'note', event_data: appends })
        return memory.append(...args)
      },
    })
    const world = makeWorld({ store })
    box.session = world.loomi.session(REF)
    box.session.message('a')
    await world.loomi.session(REF).cursor()
    assert.ok(appends < 10, `${appends} appends`)
  })
})

describe('a recording', () => {
  it('ends when it is stopped while its promise is pending', async () => {
    const { loomis, clock } = processes(1)
    const recording = loomis[0]!.session(REF).record(hang())
    await settle()
    await loomis[0]!.stop(REF.sessionId)
    let status = ''
    void recording.then((r) => (status = r.status))
    await clock.advance(5000)
    assert.equal(status, 'stopped')
  })
  it('a signal taken for the next answer belongs to it', async () => {
    const { loomis } = processes(1)
    const session = loomis[0]!.session(REF)
    const gate = Promise.withResolvers<void>()
    const first = session.record(
      (async function* () {
        yield 'a'
        await gate.promise
      })(),
    )
    await settle()
    const { signal } = session
    gate.resolve()
    await first
    void session.record(
      (async function* () {
        yield 'b'
        await hang()
      })(),
    )
    await settle()
    await loomis[0]!.stop(REF.sessionId)
    assert.equal(signal.aborted, true)
  })
  it('tells the source when the adapter fails', async () => {
    const { loomis } = processes(1)
    let told = false
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false as const, value: 'a' }),
        return: async () => {
          told = true
          return { done: true as const, value: undefined }
        },
      }),
    }
    await loomis[0]!.session(REF).record(source, () => ({
      read: () => {
        throw new Error('x')
      },
      finish: () => [],
    }))
    assert.equal(told, true)
  })
  it('a long text chunk fed again after a part of it', async () => {
    const { loomis, store } = processes(1)
    const text = Array.from({ length: 10_000 }, (_, i) => `${i} `).join('')
    const ask = { ...REF, runId: 'r' }
    void loomis[0]!.session(ask).record(
      (async function* () {
        yield text.slice(0, 100)
        await hang()
      })(),
    )
    await settle()
    const other = createLoomi({ store, clock: new FakeClock() })
    await other.session(ask).record([text])
    const texts = (await rowsOf(store))
      .filter((r) => r.part_id !== null)
      .map((r) => JSON.parse(r.event_data) as string)
    assert.ok(
      texts.join('') === text,
      `${texts.join('').length} of ${text.length}, ${texts.map((t) => t.length).join()}`,
    )
  })
  it('does not keep what nobody will read', async () => {
    const { setFlagsFromString } = await import('node:v8')
    setFlagsFromString('--expose-gc')
    const gc = (await import('node:vm')).runInNewContext('gc') as () => void
    const { loomis } = processes(1)
    const refs: WeakRef<object>[] = []
    const recording = loomis[0]!.session(REF).record(
      (async function* () {
        for (let i = 0; i < 100; i++) {
          const chunk = { event_type: 'note', event_data: i }
          refs.push(new WeakRef(chunk))
          yield chunk
        }
        await hang()
      })(),
    )
    for await (const _ of recording) break
    await settle()
    gc()
    await settle()
    gc()
    const kept = refs.filter((r) => r.deref() !== undefined).length
    assert.ok(kept < 10, `${kept} kept of 100`)
    void recording.then(() => undefined)
  })
})

describe('a stop in the middle of an append', () => {
  it('a stop leaves the answer alone that begins after it', async () => {
    const memory = openSqlite(':memory:')
    const store = storeWith(memory, {
      append: async (...args) => {
        await settle()
        return memory.append(...args)
      },
    })
    const { loomis, clock } = processes(1, store)
    const session = loomis[0]!.session(REF)
    session.message('one')
    await settle()
    session.message('one more')
    const stopped = loomis[0]!.stop(REF.sessionId)
    session.user('Next?')
    session.message('two')
    await stopped
    await clock.advance(1000)
    session.message('three', { part: 'x' })
    await session.end()
    await clock.advance(1000)
    assert.deepEqual(await ends(memory), ['stopped', 'complete'])
  })
})

describe('presence that could not be read', () => {
  it('what the store knows survives an outage at the first beat', async () => {
    const memory = openSqlite(':memory:')
    let isDown = false
    const store = storeWith(memory, {
      loadPresence: async (ref) => {
        if (isDown) throw new LoomiError('store_unavailable', 'Down.')
        return memory.loadPresence(ref)
      },
    })
    const first = makeWorld({ store })
    const s = first.loomi.session(REF)
    s.message('a')
    await s.end()
    const displayed = await s.cursor()
    await beat(first.loomi, { last_event_id: displayed })
    await first.loomi.close()
    isDown = true
    const second = makeWorld({ store })
    await beat(second.loomi)
    isDown = false
    await second.clock.advance(20_000)
    await beat(second.loomi)
    assert.equal((await second.loomi.presence(REF))?.displayed, displayed)
    await second.loomi.close()
    assert.equal((await memory.loadPresence(REF))?.displayed, displayed)
  })
})
