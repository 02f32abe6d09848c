import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Adapter } from '../../server/adapters/adapter.ts'
import type { Draft } from '../../server/drafts.ts'
import type { Store } from '../../server/store.ts'
import { keyOf } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import {
  type FakeClock,
  makeWorld,
  partTexts,
  REF,
  rowsOf,
  SEED,
  settle,
  TIMES,
  type World,
} from './support.ts'

/** Chunks are drafts already. */
const drafts: Adapter = () => ({ read: (chunk) => chunk as Draft[], finish: () => [] })

const NEVER = new Promise<never>(() => undefined)

/** A stream of chunks: text deltas of two parts that take turns, and events between them. */
const streams = fc
  .array(
    fc.array(
      fc.oneof(
        { weight: 5, arbitrary: fc.record({ part: fc.constantFrom('a', 'b'), done: fc.boolean() }) },
        { weight: 1, arbitrary: fc.constant(null) },
      ),
      { maxLength: 3 },
    ),
    { minLength: 1, maxLength: 40 },
  )
  .map((chunks) =>
    chunks.map((chunk, number) =>
      chunk.map((kind, index): Draft => {
        const text = `${number}.${index} `
        if (!kind) return { event_type: 'tick', event_data: text }
        return {
          event_type: 'llm_chunk',
          content_type: 'message',
          event_data: text,
          part: kind.part,
          part_done: kind.done,
        }
      }),
    ),
  )
/** Milliseconds before each chunk. */
const paces = fc.infiniteStream(fc.constantFrom(0, 0, 0, 1, 15, 60))

/** Feeds a run; `cut`: stops after so many chunks without an end, as a killed process does. */
async function feed(
  world: World,
  chunks: readonly Draft[][],
  pace: Iterator<number>,
  cut = Infinity,
): Promise<void> {
  async function* source(): AsyncGenerator<Draft[]> {
    for (const [number, chunk] of chunks.entries()) {
      if (number >= cut) return cutShort()
      const gap = pace.next().value as number
      if (gap > 0) await world.clock.advance(gap)
      yield chunk
    }
  }
  let cutShort = (): Promise<never> => NEVER
  const stopped = new Promise<void>((resolve) => {
    cutShort = () => {
      resolve()
      return NEVER
    }
  })
  const recording = world.loomi.session({ ...REF, runId: 'run-1' }).record(source(), drafts)
  let done = false
  const ended = Promise.race([stopped, recording.then(() => undefined)]).then(() => (done = true))
  while (!done) await world.clock.advance(5)
  await ended
}

/** What one uninterrupted feed leaves. */
async function expected(chunks: readonly Draft[][]): Promise<unknown> {
  const world = makeWorld()
  await feed(world, chunks, gaps([]))
  return view(world.store)
}

/** What a viewer makes of a log, whatever the batching. */
async function view(store: Store): Promise<unknown> {
  const rows = await rowsOf(store)
  assert.deepEqual(
    rows.map(({ seq }) => seq),
    rows.map((_, index) => index + 1),
  )
  const keys = rows.map(keyOf)
  assert.equal(new Set(keys).size, keys.length, `a key twice in ${keys.join(' ')}`)
  return {
    texts: partTexts(rows),
    others: rows
      .filter(({ part_id }) => part_id === null)
      .map(({ event_type, event_data }) => `${event_type} ${event_data}`),
    ends: rows.filter(({ part_done }) => part_done).length,
  }
}

describe('a run that is fed again', () => {
  it('adds nothing when it was whole, whatever the batching', async () => {
    await fc.assert(
      fc.asyncProperty(streams, paces, paces, async (chunks, first, second) => {
        const store = openSqlite(':memory:')
        await feed(makeWorld({ store }), chunks, first)
        const before = await rowsOf(store)
        await feed(makeWorld({ store }), chunks, second)
        assert.deepEqual(await rowsOf(store), before)
      }),
      { ...SEED, numRuns: 50 * TIMES },
    )
  })

  it('is completed when it was cut short anywhere, whatever the batching', async () => {
    await fc.assert(
      fc.asyncProperty(streams, fc.nat(40), paces, paces, async (chunks, cut, first, second) => {
        const store = openSqlite(':memory:')
        await feed(makeWorld({ store }), chunks, first, Math.min(cut, chunks.length))
        await feed(makeWorld({ store }), chunks, second)
        assert.deepEqual(await view(store), await expected(chunks))
      }),
      { ...SEED, numRuns: 80 * TIMES },
    )
  })

  it('has each chunk once when two processes feed it at the same time', async () => {
    await fc.assert(
      fc.asyncProperty(streams, paces, paces, fc.nat(40), async (chunks, first, second, cut) => {
        const store = openSqlite(':memory:')
        await Promise.all([
          feed(makeWorld({ store }), chunks, first),
          feed(makeWorld({ store }), chunks, second, cut % 2 === 0 ? Infinity : Math.min(cut, chunks.length)),
        ])
        assert.deepEqual(await view(store), await expected(chunks))
      }),
      { ...SEED, numRuns: 80 * TIMES },
    )
  })

  it('has each chunk once when two handles of one process feed it at the same time', async () => {
    await fc.assert(
      fc.asyncProperty(streams, paces, paces, async (chunks, first, second) => {
        const world = makeWorld()
        await Promise.all([feed(world, chunks, first), feed(world, chunks, second)])
        assert.deepEqual(await view(world.store), await expected(chunks))
      }),
      { ...SEED, numRuns: 50 * TIMES },
    )
  })

  it('has the parts’ texts to the letter though its rows were cut elsewhere', async () => {
    const store = openSqlite(':memory:')
    const delta = (text: string): Draft[] => [
      { event_type: 'llm_chunk', content_type: 'message', event_data: text, part: 'm' },
    ]
    const chunks = ['a', 'b', '\ud83c', '\udf31', 'c'].map(delta)
    await feed(makeWorld({ store }), chunks, gaps([0, 0, 0]), 3)
    await feed(makeWorld({ store }), chunks, gaps([]))
    assert.equal(partTexts(await rowsOf(store))['run-1/m/0'], 'ab🌱c')
  })

  it('of another session or user is another run', async () => {
    const world = makeWorld()
    const chunks: Draft[][] = [[{ event_type: 'tick' }]]
    await feed(world, chunks, gaps([]))
    const other = world.loomi.session({ sessionId: 'other', userId: 'bob', runId: 'run-1' })
    other.emit({ event_type: 'tick' })
    await other.end()
    assert.equal((await rowsOf(world.store, { sessionId: 'other', userId: 'bob' })).length, 2)
  })
})

describe('events of several runs in one session', () => {
  it('never hold each other back', async () => {
    const { loomi, store, clock } = makeWorld()
    const [one, two] = [loomi.session({ ...REF, runId: 'a' }), loomi.session({ ...REF, runId: 'b' })]
    for (let i = 0; i < 50; i++) {
      one.message(`${i} `, { part: 'm' })
      if (i % 3 === 0) two.message(`${i} `, { part: 'm' })
      if (i % 7 === 0) await run(clock)
    }
    await Promise.all([one.end(), two.end()])
    const texts = partTexts(await rowsOf(store))
    assert.equal(texts['a/m/0'], Array.from({ length: 50 }, (_, i) => `${i} `).join(''))
    assert.equal(texts['b/m/0'], Array.from({ length: 17 }, (_, i) => `${i * 3} `).join(''))
  })
})

async function run(clock: FakeClock): Promise<void> {
  await clock.advance(13)
  await settle()
}

function* gaps(list: readonly number[]): Generator<number> {
  yield* list
  for (;;) yield 0
}
