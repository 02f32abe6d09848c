import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import { parseCursor } from '../../server/protocol.ts'
import type { NewEvent, Store, StoredEvent } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { makeWorld, REF, rowsOf, settle, storeWith, type World } from './support.ts'

/** A store that can be down, and that refuses some events for good. */
function fragile(refuses: (event: NewEvent) => boolean = () => false): {
  store: Store
  memory: Store
  down: (isDown: boolean) => void
} {
  const memory = openSqlite(':memory:')
  let isDown = false
  const store = storeWith(memory, {
    append: async (ref, events, leaseMs) => {
      if (isDown) throw new LoomiError('store_unavailable', 'Down.')
      if (events.some(refuses)) throw new LoomiError('store_refused', 'Never.')
      return memory.append(ref, events, leaseMs)
    },
  })
  return { store, memory, down: (value) => (isDown = value) }
}

const dataOf = (rows: readonly StoredEvent[]): unknown[] =>
  rows.map((r) => (r.event_type === 'run_end' ? r.content_type : (JSON.parse(r.event_data) as unknown)))

const codes = ({ reports }: World): string[] => reports.map(({ error }) => error.code)

describe('what waits for a store that fails', () => {
  it('is bounded for the whole process: what is past it is dropped, and the log says how much', async () => {
    const { store, down } = fragile()
    const world = makeWorld({ store, maxPendingBytes: 20_000 })
    const session = world.loomi.session(REF)
    session.emit({ event_type: 'note', event_data: 'before' })
    await settle()
    down(true)
    for (let i = 0; i < 100; i++) session.emit({ event_type: 'note', event_data: 'x'.repeat(1000) })
    const ended = session.end()
    await world.clock.advance(3000)
    down(false)
    await world.clock.advance(3000)
    await ended
    const rows = await rowsOf(store)
    const kept = rows.filter((r) => r.event_type === 'note').length - 1
    assert.ok(kept > 10 && kept < 20, `${kept} kept`)
    assert.deepEqual(dataOf(rows.slice(1 + kept)), [
      { count: 100 - kept, reason: 'pending_full' },
      'complete',
    ])
    assert.equal(codes(world).filter((code) => code === 'pending_full').length, 1)
  })

  it('has room again when it is stored', async () => {
    const { store, down } = fragile()
    const world = makeWorld({ store, maxPendingBytes: 3000 })
    const session = world.loomi.session(REF)
    for (let round = 0; round < 5; round++) {
      down(true)
      for (let i = 0; i < 2; i++) session.emit({ event_type: 'note', event_data: 'x'.repeat(1000) })
      await world.clock.advance(100)
      down(false)
      await world.clock.advance(3000)
    }
    await session.end()
    assert.equal((await rowsOf(store)).filter((r) => r.event_type === 'note').length, 10)
    assert.ok(!codes(world).includes('pending_full'))
  })

  it('is bounded for all sessions together, and one that is dropped from takes nothing from the other', async () => {
    const { store, down } = fragile()
    const world = makeWorld({ store, maxPendingBytes: 5000 })
    down(true)
    const one = world.loomi.session(REF)
    const two = world.loomi.session({ ...REF, sessionId: 's-43' })
    for (let i = 0; i < 4; i++) one.emit({ event_type: 'note', event_data: 'x'.repeat(1000) })
    for (let i = 0; i < 4; i++) two.emit({ event_type: 'note', event_data: 'x'.repeat(1000) })
    const ended = Promise.all([one.end(), two.end()])
    await world.clock.advance(500)
    down(false)
    await world.clock.advance(3000)
    await ended
    const rows = await rowsOf(store, REF)
    assert.deepEqual(dataOf(rows.slice(3)), [{ count: 1, reason: 'pending_full' }, 'complete'])
    const dropped = (await rowsOf(store, { ...REF, sessionId: 's-43' })).slice(0, -1)
    assert.deepEqual([...new Set(dropped.map((r) => r.event_type))], ['loomi_dropped'])
    const counts = dropped.map((r) => (JSON.parse(r.event_data) as { count: number }).count)
    assert.equal(
      counts.reduce((sum, count) => sum + count),
      4,
    )
  })

  it('is said to be stored only when it is, also behind a word that counts on', async () => {
    const { store, down } = fragile()
    const { loomi, clock } = makeWorld({ store, maxPendingBytes: 1_200_000 })
    const [one, two] = [loomi.session(REF), loomi.session(REF)]
    const large = { event_type: 'note', event_data: 'x'.repeat(250_000) }
    down(true)
    one.emit({ event_type: 'note', event_data: 'first' })
    await clock.advance(100)
    for (let i = 0; i < 4; i++) one.emit(large)
    two.emit(large)
    // More than one append takes.
    for (let i = 0; i < 550; i++) one.emit({ event_type: 'note', event_data: i })
    two.emit(large)
    const cursor = one.cursor()
    down(false)
    await clock.advance(5000)
    const rows = await rowsOf(store)
    assert.equal(parseCursor((await cursor)!)?.seq, rows.length)
    assert.deepEqual(
      rows.filter((r) => r.event_type === 'loomi_dropped').map((r) => JSON.parse(r.event_data) as unknown),
      [{ count: 2, reason: 'pending_full' }],
    )
  })

  it('goes to the store in portions, in order, when it is much', async () => {
    const { store, down, memory } = fragile()
    let largest = 0
    const world = makeWorld({
      store: storeWith(store, {
        append: (ref, events, leaseMs) => {
          largest = Math.max(largest, events.length)
          return store.append(ref, events, leaseMs)
        },
      }),
    })
    down(true)
    const session = world.loomi.session(REF)
    for (let i = 0; i < 3000; i++) session.emit({ event_type: 'note', event_data: i })
    await world.clock.advance(100)
    down(false)
    await world.clock.advance(1000)
    await session.end()
    assert.deepEqual(
      dataOf(await rowsOf(memory)).slice(0, -1),
      Array.from({ length: 3000 }, (_, i) => i),
    )
    assert.ok(largest <= 500, `${largest} in one append`)
  })
})

describe('an event that the store refuses for good', () => {
  const refusesBad = (event: NewEvent): boolean => event.event_data.includes('bad')

  it('is replaced by a word about it, while all others are stored in order', async () => {
    const { store, memory, down } = fragile(refusesBad)
    const world = makeWorld({ store })
    const session = world.loomi.session(REF)
    session.emit({ event_type: 'note', event_data: 0 })
    await settle()
    down(true)
    for (const data of [1, 2, 'bad', 4, 5, 'bad too', 'very bad', 8])
      session.emit({ event_type: 'note', event_data: data })
    const ended = session.end()
    await world.clock.advance(200)
    down(false)
    await world.clock.advance(3000)
    await ended
    const one = { count: 1, reason: 'refused' }
    assert.deepEqual(dataOf(await rowsOf(memory)), [0, 1, 2, one, 4, 5, one, one, 8, 'complete'])
    assert.ok(codes(world).includes('store_refused'))
  })

  it('costs the deltas that it was joined with, and the word counts them', async () => {
    const { store, memory } = fragile(refusesBad)
    const world = makeWorld({ store })
    const session = world.loomi.session(REF)
    session.message('a', { part: 'm' })
    await settle()
    for (const text of ['b', 'bad', 'c']) session.message(text, { part: 'm' })
    await world.clock.advance(50)
    session.message('d', { part: 'm', done: true })
    await session.end()
    assert.deepEqual(dataOf(await rowsOf(memory)), ['a', { count: 3, reason: 'refused' }, 'd', 'complete'])
  })

  it('is never parted from the events of its own chunk, which would be lost without a word', async () => {
    const { store, memory } = fragile(refusesBad)
    const world = makeWorld({ store })
    const recording = world.loomi.session(REF).record([['a'], ['b', 'bad', 'c'], ['d']], () => ({
      read: (chunk) => (chunk as string[]).map((event_data) => ({ event_type: 'note', event_data })),
      finish: () => [],
    }))
    await recording
    assert.deepEqual(dataOf(await rowsOf(memory)), ['a', { count: 3, reason: 'refused' }, 'd', 'complete'])
  })

  it('is given up when even the word about it is refused', async () => {
    const { store, memory } = fragile((event) => event.event_type !== 'run_end')
    const world = makeWorld({ store })
    const session = world.loomi.session(REF)
    session.emit({ event_type: 'note' })
    await session.end()
    assert.deepEqual(dataOf(await rowsOf(memory)), ['complete'])
  })
})

describe('a recorded event that cannot be stored as it is', () => {
  const record = async (chunks: readonly unknown[]): Promise<StoredEvent[]> => {
    const world = makeWorld()
    assert.deepEqual(await world.loomi.session(REF).record(chunks), { status: 'complete' })
    return rowsOf(world.store)
  }
  const delta = (content: string): unknown => ({ choices: [{ delta: { content } }] })

  it('because it is larger than 256 KiB is replaced by a word about it, and the rest goes on', async () => {
    const rows = await record([delta('a'), { type: 'huge', x: 'y'.repeat(262_144) }, delta('b')])
    assert.deepEqual(dataOf(rows), ['a', { count: 1, reason: 'event_too_large' }, 'b', 'complete'])
  })

  it('because its text is very long is parted, and the text is whole', async () => {
    const long = 'word 🌱 \ud83c\u0000'.repeat(100_000)
    const rows = await record([delta(`${long}.`), delta('end')])
    const texts = rows.filter((r) => r.part_id !== null).map((r) => JSON.parse(r.event_data) as string)
    assert.equal(texts.join(''), `${long}.end`)
    assert.ok(rows.every((r) => r.event_data.length <= 262_144))
  })
})
