import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import { createLoomi } from '../../server/loomi.ts'
import { type EventFrame, formatCursor } from '../../server/protocol.ts'
import { keyOf, type Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import {
  bootOf,
  makeWorld,
  newEvents,
  openStream,
  REF,
  rowsOf,
  settle,
  type SseReader,
  storeWith,
} from './support.ts'

type Mood = 'well' | 'failing' | 'hanging' | 'mute'

/** A store whose every method fails or never answers while it is told to; when it is mute, it stores and does not say so. */
function moody(): { store: Store; memory: Store; become: (mood: Mood) => void } {
  const memory = openSqlite(':memory:')
  let mood: Mood = 'well'
  const release = new Set<() => void>()
  const through = async <T>(work: () => Promise<T>): Promise<T> => {
    if (mood === 'failing') throw new LoomiError('store_unavailable', 'Down.')
    if (mood === 'hanging') await new Promise<void>((resolve) => release.add(resolve))
    return work()
  }
  const store = storeWith(memory, {
    append: async (...args) => {
      const result = await through(() => memory.append(...args))
      return mood === 'mute' ? new Promise<never>(() => undefined) : result
    },
    read: (...args) => through(() => memory.read(...args)),
    heads: (...args) => through(() => memory.heads(...args)),
    keys: (...args) => through(() => memory.keys(...args)),
    runHigh: (...args) => through(() => memory.runHigh(...args)),
    loadPresence: (...args) => through(() => memory.loadPresence(...args)),
    savePresence: (...args) => through(() => memory.savePresence(...args)),
    endRuns: (...args) => through(() => memory.endRuns(...args)),
  })
  return {
    store,
    memory,
    become(next) {
      mood = next
      for (const go of release) go()
      release.clear()
    },
  }
}

/** The next event frames of a stream; others are passed over. */
async function events(
  reader: SseReader,
  count: number,
): Promise<{ id: string | undefined; frame: EventFrame }[]> {
  const found = []
  while (found.length < count) {
    const message = await reader.next()
    if (!message) throw new Error(`The stream ended after ${found.length} of ${count} events.`)
    if (message.frame.type === 'event') found.push({ id: message.id, frame: message.frame })
  }
  return found
}

/** The events that a stream has sent so far; it is read on. */
function eventsOf(reader: SseReader): { id: string | undefined; frame: EventFrame }[] {
  const found: { id: string | undefined; frame: EventFrame }[] = []
  void (async () => {
    for (let message = await reader.next(); message; message = await reader.next())
      if (message.frame.type === 'event') found.push({ id: message.id, frame: message.frame })
  })()
  return found
}

const dataOf = (list: readonly { frame: EventFrame }[]): unknown[] =>
  list.map(({ frame }) => frame.event_data)

for (const mood of ['failing', 'hanging'] as const) {
  describe(`while the store is ${mood}`, () => {
    it('viewers get what is emitted within a second, without ids, in order, and later the rows under the same keys', async () => {
      const { store, memory, become } = moody()
      const { loomi, clock } = makeWorld({ store })
      const session = loomi.session(REF)
      session.message('before')
      await settle()
      const viewer = await openStream(loomi)
      await viewer.through('replay_complete')
      become(mood)
      session.message('a', { part: 'm' })
      await clock.advance(100)
      session.message('b', { part: 'm', done: true })
      session.emit({ event_type: 'note', event_data: 1 })
      await clock.advance(1000)
      const early = await events(viewer, 3)
      assert.deepEqual(dataOf(early), ['a', 'b', 1])
      assert.ok(early.every(({ id, frame }) => id === undefined && frame.provisional === true))

      // From now on without delay.
      session.emit({ event_type: 'note', event_data: 2 })
      await settle()
      assert.deepEqual(dataOf(await events(viewer, 1)), [2])

      become('well')
      await clock.advance(5000)
      const stored = await events(viewer, 4)
      assert.deepEqual(dataOf(stored), ['a', 'b', 1, 2])
      assert.ok(stored.every(({ id, frame }) => id !== undefined && frame.provisional === undefined))
      assert.deepEqual(
        stored.slice(0, 3).map(({ frame }) => frame.key),
        early.map(({ frame }) => frame.key),
      )
      assert.deepEqual(
        (await rowsOf(memory)).slice(1).map(keyOf),
        stored.map(({ frame }) => frame.key),
      )
      await session.end()
      const [end] = await events(viewer, 1)
      assert.ok(end!.id !== undefined && end!.frame.content_type === 'complete')
      await viewer.cancel()
    })

    it('a reader that comes back gets the whole queue again, after what it has not seen yet', async () => {
      const { store, become } = moody()
      const { loomi, clock } = makeWorld({ store })
      const session = loomi.session(REF)
      session.message('one')
      session.message('two')
      await settle()
      const other = await openStream(loomi)
      const [first] = await events(other, 2)
      become(mood)
      session.message('three')
      session.message('four')
      await clock.advance(1500)
      const opening = openStream(loomi, { headers: { 'last-event-id': first!.id! } })
      await clock.advance(3000)
      const back = await opening
      const got = await back.take(5)
      assert.deepEqual(
        got.map(({ frame }) => (frame.type === 'event' ? frame.event_data : frame.type)),
        ['replay_start', 'two', 'replay_complete', 'three', 'four'],
      )
      assert.equal(bootOf(got[0]), bootOf({ id: undefined, frame: got[0]!.frame }))
      await Promise.all([other.cancel(), back.cancel()])
    })

    it('a page that is loaded anew, alone, gets what the process remembers and what is unconfirmed', async () => {
      const { store, become } = moody()
      const { loomi, clock } = makeWorld({ store })
      const session = loomi.session(REF)
      session.message('before')
      await settle()
      const tab = await openStream(loomi, { query: 'after=0' })
      await tab.through('replay_complete')
      become(mood)
      session.message('one')
      await clock.advance(1100)
      await tab.cancel()
      await clock.advance(3000)
      const opening = openStream(loomi, { query: 'after=0' })
      await clock.advance(3000)
      const again = await opening
      assert.deepEqual(dataOf(await events(again, 2)), ['before', 'one'])
      session.message('two')
      await settle()
      assert.deepEqual(dataOf(await events(again, 1)), ['two'])
      await again.cancel()
    })

    it('a reader whose place nobody remembers is held, told so, and served when the store is back', async () => {
      const { store, become } = moody()
      const { loomi, clock } = makeWorld({ store })
      const session = loomi.session(REF)
      session.message('one')
      await settle()
      become(mood)
      const opening = openStream(loomi)
      await clock.advance(3000)
      const reader = await opening
      await reader.pump()
      assert.match(reader.text, /: the log does not answer yet/)
      become('well')
      await clock.advance(3000)
      const types = (await reader.take(3)).map(({ frame }) => frame.type)
      assert.deepEqual(types, ['replay_start', 'event', 'replay_complete'])
      await reader.cancel()
    })

    it('a page that is there before the first event sees it', async () => {
      const { store, become } = moody()
      const { loomi, clock } = makeWorld({ store })
      const viewer = await openStream(loomi)
      await viewer.through('no_replay')
      become(mood)
      loomi.session(REF).message('first')
      await clock.advance(1100)
      const [first] = await events(viewer, 1)
      assert.deepEqual([first!.frame.event_data, first!.frame.provisional], ['first', true])
      become('well')
      await clock.advance(6000)
      assert.deepEqual(dataOf(await events(viewer, 1)), ['first'])
      await viewer.cancel()
    })

    it('beats are answered, and nobody but the user gets anything', async () => {
      const { store, become } = moody()
      const { loomi, clock } = makeWorld({ store })
      const session = loomi.session(REF)
      session.message('one')
      await settle()
      const eve = await openStream(loomi, { user: 'eve' })
      await eve.through('no_replay')
      become(mood)
      session.message('secret')
      await clock.advance(5000)
      const { beat } = await import('./support.ts')
      const answering = beat(loomi)
      await clock.advance(3000)
      assert.equal((await answering).success, true)
      assert.ok(!eve.text.includes('secret'))
      await eve.cancel()
    })
  })
}

describe('after an outage', () => {
  it('of an hour everything is stored once and in order, and who was there from the beginning has all of it', async () => {
    const { store, memory, become } = moody()
    const { loomi, clock } = makeWorld({ store })
    const other = createLoomi({ store, clock, onEvent: () => undefined })
    const session = loomi.session(REF)
    session.message('0', { part: 'm' })
    await settle()
    const here = eventsOf(await openStream(loomi, { query: 'after=0' }))
    const elsewhere = eventsOf(await openStream(other, { query: 'after=0' }))
    const numbers = Array.from({ length: 361 }, (_, n) => String(n))
    become('failing')
    for (const text of numbers.slice(1)) {
      session.message(text, { part: 'm' })
      await clock.advance(10_000)
      const { frame } = here.at(-1)!
      assert.deepEqual([frame.event_data, frame.provisional], [text, true])
    }
    become('well')
    await clock.advance(60_000)
    await session.end()
    await clock.advance(10_000)
    const all = [...numbers, { status: 'complete' }]
    const rows = await rowsOf(memory)
    assert.deepEqual(
      rows.map(({ event_data }) => JSON.parse(event_data) as unknown),
      all,
    )
    for (const shown of [here, elsewhere]) {
      const stored = shown.filter(({ id }) => id !== undefined)
      assert.deepEqual(dataOf(stored), all)
      assert.equal(new Set(stored.map(({ id }) => id)).size, all.length)
    }
    await Promise.all([loomi.close(), other.close()])
  })

  it('what another process stored meanwhile comes first in the log, and every reader gets it once', async () => {
    const { store, memory, become } = moody()
    const { loomi, clock } = makeWorld({ store })
    const elsewhere = makeWorld({ store: memory })
    const session = loomi.session(REF)
    session.message('one')
    await settle()
    const viewer = await openStream(loomi)
    await events(viewer, 1)
    become('failing')
    session.message('mine')
    await clock.advance(1100)
    assert.deepEqual(dataOf(await events(viewer, 1)), ['mine'])
    elsewhere.loomi.session(REF).message('theirs')
    await settle()
    become('well')
    await clock.advance(6000)
    assert.deepEqual(dataOf(await events(viewer, 2)), ['theirs', 'mine'])
    await viewer.cancel()
  })

  it('whose events are refused for good the stream ends, and the next one has another boot', async () => {
    const { store, memory, become } = moody()
    const { loomi, clock } = makeWorld({ store })
    const session = loomi.session({ ...REF, runId: 'r' })
    session.message('one')
    await settle()
    const viewer = await openStream(loomi)
    const [opening] = await viewer.take(3)
    become('failing')
    session.message('never')
    await clock.advance(1100)
    assert.deepEqual(dataOf(await events(viewer, 1)), ['never'])
    // Somebody stops the run, through another process that reaches the store.
    await memory.endRuns('stopped', REF, new Date(clock.now()).toISOString())
    become('well')
    await clock.advance(6000)
    const rest = await viewer.rest()
    assert.ok(!rest.some(({ frame }) => frame.type === 'event' && frame.provisional))
    const next = await openStream(loomi, { query: 'after=0' })
    const [again] = await next.through('replay_complete')
    assert.notEqual(bootOf(again), bootOf(opening))
    await next.cancel()
  })

  for (const who of ['comes from its row', 'is told that it is pruned'])
    it(`what is stored, as its producer does not know yet, is not shown to a reader who ${who}`, async () => {
      const { store, memory, become } = moody()
      const { loomi, clock } = makeWorld({ store })
      const session = loomi.session({ ...REF, runId: 'r' })
      session.message('one')
      await settle()
      become('mute')
      session.message('two')
      await clock.advance(50)
      session.message('three')
      await clock.advance(1100)
      const [head] = await memory.heads([REF])
      assert.equal(head?.head, 2)
      // Either the app has rendered what the log holds, or none of it is left.
      const isPruned = who !== 'comes from its row'
      if (isPruned) {
        await memory.append(REF, newEvents(1, 1, { run_id: 'other', event_data: '"newest"' }))
        await memory.prune({ maxEventsPerSession: 1 }, 100)
      }
      const after = isPruned ? '0' : formatCursor(head.epoch, head.head, head.headKey)
      const viewer = await openStream(loomi, { query: `after=${after}` })
      const shown = dataOf(await events(viewer, isPruned ? 2 : 1))
      assert.deepEqual(new Set(shown), new Set(isPruned ? ['newest', 'three'] : ['three']))
      await viewer.cancel()
    })

  it('what is stored, as its producer does not know yet, is not shown to who comes from its row as the store goes away', async () => {
    const { store, memory, become } = moody()
    const { loomi, clock } = makeWorld({ store })
    const session = loomi.session({ ...REF, runId: 'r' })
    session.message('one')
    await settle()
    const tab = await openStream(loomi, { query: 'after=0' })
    become('mute')
    session.message('two')
    await clock.advance(50)
    session.message('three')
    // By then the log was looked at: the process knows the row, and its producer does not.
    await clock.advance(11_000)
    become('failing')
    const [head] = await memory.heads([REF])
    assert.equal(head?.head, 2)
    const after = formatCursor(head.epoch, head.head, head.headKey)
    const viewer = await openStream(loomi, { query: `after=${after}` })
    assert.deepEqual(dataOf(await events(viewer, 1)), ['three'])
    for (const reader of [tab, viewer]) await reader.cancel()
  })

  it('what the reader has displayed beyond what this process remembers is not announced as missed', async () => {
    const { store, memory, become } = moody()
    const { loomi, clock } = makeWorld({ store })
    const viewer = await openStream(loomi)
    await viewer.next()
    loomi.session({ ...REF, runId: 'here' }).message('one')
    await settle()
    // Another process appends, and the device displays it there; this one does not hear of it any more.
    await memory.append(REF, newEvents(1, 3, { run_id: 'elsewhere' }))
    become('failing')
    const [head] = await memory.heads([REF])
    const seen = formatCursor(head!.epoch, head!.head, head!.headKey)
    const opening = openStream(loomi, { query: `after=0&seen=${seen}` })
    await clock.advance(1100)
    const again = await opening
    const frame = (await again.next())?.frame
    assert.deepEqual(frame && { ...frame, boot: '' }, {
      type: 'no_replay',
      cursor: `${head!.epoch}-0`,
      seen: head!.head,
      count: 1,
      boot: '',
    })
    for (const reader of [viewer, again]) await reader.cancel()
  })

  it('nothing is left of it: queues, timers, and the boot are as before', async () => {
    const { store, become } = moody()
    const { loomi, clock } = makeWorld({ store })
    const session = loomi.session(REF)
    session.message('one')
    await settle()
    const viewer = await openStream(loomi)
    const [opening] = await viewer.take(3)
    become('failing')
    session.message('two')
    await clock.advance(1100)
    become('well')
    await clock.advance(6000)
    await session.end()
    await viewer.cancel()
    await settle()
    const next = await openStream(loomi, { query: 'after=0' })
    const frames = await next.through('replay_complete')
    assert.equal(bootOf(frames[0]), bootOf(opening))
    await next.cancel()
    await loomi.close()
    await settle()
    assert.equal(clock.pending, 0)
  })
})
