import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import type { Adapter } from '../../server/adapters/adapter.ts'
import type { Session } from '../../server/session.ts'
import { makeWorld, partTexts, REF, rowsOf, settle, until, type World } from './support.ts'

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content: string } }[]
}

const chunk = (content: string): Chunk => ({ choices: [{ delta: { content } }] })
const CHUNKS = ['One ', 'two ', 'three ', 'four.'].map(chunk)
const TEXT = 'One two three four.'

async function* slowly(chunks: readonly Chunk[], error?: unknown): AsyncGenerator<Chunk> {
  for (const chunk of chunks) {
    await settle()
    yield chunk
  }
  if (error !== undefined) throw error
}

describe('a recording', () => {
  let world: World
  let session: Session
  beforeEach(() => {
    world = makeWorld()
    session = world.loomi.session(REF)
  })

  const text = async (): Promise<string> => Object.values(partTexts(await rowsOf(world.store))).join('')
  const end = async (): Promise<unknown> => {
    const last = (await rowsOf(world.store)).at(-1)
    return last && [last.event_type, last.content_type]
  }

  const sources: [string, () => Parameters<Session['record']>[0]][] = [
    ['an async iterable', () => slowly(CHUNKS)],
    ['a sync iterable', () => CHUNKS],
    ['a promise of an async iterable', () => settle().then(() => slowly(CHUNKS))],
    ['a web stream', () => webStream(CHUNKS)],
    ['a web stream that cannot be iterated', () => withoutIterator(webStream(CHUNKS))],
    ['a promise of a web stream', () => Promise.resolve(webStream(CHUNKS))],
  ]
  for (const [name, source] of sources) {
    it(`of ${name} goes to the log, to its reader, and ends the run`, async () => {
      const recording = session.record(source())
      const read = []
      for await (const chunk of recording) read.push(chunk)
      assert.deepEqual(read, CHUNKS)
      assert.deepEqual(await recording, { status: 'complete' })
      assert.equal(await text(), TEXT)
      assert.deepEqual(await end(), ['run_end', 'complete'])
    })
  }

  it('starts at once and ends by itself though nobody reads or awaits it', async () => {
    void session.record(slowly(CHUNKS))
    await until(async () => String(await end()) === 'run_end,complete', 'the end of the run')
    assert.equal(await text(), TEXT)
  })

  it('goes on when its reader leaves after the third chunk', async () => {
    const recording = session.record(slowly(CHUNKS))
    let seen = 0
    for await (const _ of recording) if (++seen === 3) break
    await recording
    assert.equal(await text(), TEXT)
    assert.deepEqual(await end(), ['run_end', 'complete'])
  })

  it('gives a reader that comes late everything from the beginning', async () => {
    const recording = session.record(CHUNKS)
    await recording
    const read = []
    for await (const chunk of recording) read.push(chunk)
    assert.deepEqual(read, CHUNKS)
  })

  it('gives each chunk to one of two readers, and lets both end', async () => {
    const recording = session.record(slowly(CHUNKS))
    const reads = await Promise.all([collect(recording), collect(recording)])
    assert.deepEqual(reads.flat().length, CHUNKS.length)
  })

  describe('of a source that throws midway', () => {
    const broken = new Error('The provider hung up: key sk-123.')

    it('fails the run, and only its reader sees the throw', async () => {
      const recording = session.record(slowly(CHUNKS.slice(0, 2), broken))
      const read: unknown[] = []
      await assert.rejects(async () => {
        for await (const chunk of recording) read.push(chunk)
      }, broken)
      assert.deepEqual(read, CHUNKS.slice(0, 2))
      assert.deepEqual(await recording, { status: 'failed', error: broken })
      assert.equal(await text(), 'One two ')
      assert.deepEqual(await end(), ['run_end', 'failed'])
      assert.ok(!JSON.stringify(await rowsOf(world.store)).includes('sk-123'))
    })

    it('ends the part that was open', async () => {
      await session.record(slowly(CHUNKS.slice(0, 2), broken))
      const parts = (await rowsOf(world.store)).filter(({ part_id }) => part_id !== null)
      assert.equal(parts.at(-1)?.part_done, true)
    })

    it('leaves no unhandled rejection when nobody looks', async () => {
      void session.record(slowly(CHUNKS.slice(0, 2), broken))
      await until(async () => String(await end()) === 'run_end,failed', 'the end of the run')
    })

    const unreadable = Object.defineProperty(new Error('Odd.'), 'code', {
      get: () => {
        throw new Error('Not for you.')
      },
    })
    const odd: [string, unknown][] = [
      ['nothing', null],
      ['a text', 'Gone.'],
      ['a very long text', 'x'.repeat(300_000)],
      ['a number', 5],
      ['an error that fails when it is looked at', unreadable],
    ]
    for (const [name, thrown] of odd) {
      it(`takes ${name} for an error too`, async () => {
        const { status } = await session.record(
          (function* () {
            yield CHUNKS[0]
            throw thrown
          })(),
        )
        assert.equal(status, 'failed')
        assert.deepEqual(await end(), ['run_end', 'failed'])
      })
    }
  })

  const failing: [string, () => Parameters<Session['record']>[0]][] = [
    ['a promise that is rejected', () => Promise.reject(new Error('401'))],
    ['nothing', () => undefined as unknown as Iterable<unknown>],
    ['a number', () => 5 as unknown as Iterable<unknown>],
    ['a web stream that fails', () => new ReadableStream({ pull: (c) => c.error(new Error('cut')) })],
  ]
  for (const [name, source] of failing) {
    it(`of ${name} fails the run and nothing else`, async () => {
      const { status, error } = await session.record(source())
      assert.equal(status, 'failed')
      assert.ok(error instanceof Error)
      assert.deepEqual(await end(), ['run_end', 'failed'])
    })
  }

  it('keeps chunks of an unknown form as events under their own names', async () => {
    const chunks = [{ type: 'something', x: 1 }, null, 5]
    assert.deepEqual(await session.record(chunks), { status: 'complete' })
    const rows = (await rowsOf(world.store)).slice(0, -1)
    assert.deepEqual(
      rows.map(({ content_type, event_data }) => [content_type, JSON.parse(event_data)]),
      [
        ['something', { type: 'something', x: 1 }],
        ['unknown', null],
        ['unknown', 5],
      ],
    )
  })

  describe('with an adapter that throws', () => {
    const throwing = (where: 'read' | 'finish'): Adapter => {
      const fail = (): never => {
        throw new Error(`The adapter fails in ${where}.`)
      }
      return () => ({
        read: where === 'read' ? fail : () => [],
        finish: where === 'finish' ? fail : () => [],
      })
    }
    for (const where of ['read', 'finish'] as const) {
      it(`(in ${where}) fails the run without an unhandled rejection`, async () => {
        const { status } = await session.record(CHUNKS, throwing(where))
        assert.equal(status, 'failed')
        assert.deepEqual(await end(), ['run_end', 'failed'])
      })
    }
  })

  it('loses nothing that is emitted by hand meanwhile', async () => {
    const recording = session.record(slowly(CHUNKS))
    let seen = 0
    for await (const _ of recording) {
      session.emit({ event_type: 'tick', event_data: ++seen })
      await world.clock.advance(50)
    }
    await recording
    const rows = await rowsOf(world.store)
    assert.equal(await text(), TEXT)
    assert.deepEqual(
      rows.filter(({ event_type }) => event_type === 'tick').map(({ event_data }) => event_data),
      ['1', '2', '3', '4'],
    )
  })

  it('is a run of its own, and ends what was emitted by hand beside it', async () => {
    session.user('Count to four.')
    session.thought('Counting…')
    await session.record(CHUNKS)
    const rows = await rowsOf(world.store)
    const ofRun = (id: string): string[] => rows.filter((r) => r.run_id === id).map((r) => r.event_type)
    const [user, thought, answer] = [...new Set(rows.map(({ run_id }) => run_id))]
    assert.deepEqual(ofRun(user!), ['user_message'])
    assert.deepEqual(ofRun(thought!), ['llm_chunk', 'run_end'])
    assert.equal(ofRun(answer!).at(-1), 'run_end')
    assert.equal(await text(), TEXT)
  })

  it('of nothing is a run that ended', async () => {
    assert.deepEqual(await session.record([]), { status: 'complete' })
    assert.deepEqual(await end(), ['run_end', 'complete'])
  })

  it('is resolved, with the refusal on the session, when the session is somebody else’s', async () => {
    session.message('mine')
    await session.end()
    const stranger = world.loomi.session({ ...REF, userId: 'eve' })
    assert.deepEqual(await stranger.record(CHUNKS), { status: 'complete' })
    assert.equal(stranger.refused?.code, 'not_owner')
    assert.equal(await text(), '')
  })
})

function webStream<T>(chunks: readonly T[]): ReadableStream<T> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of source) all.push(item)
  return all
}

function withoutIterator<T>(stream: ReadableStream<T>): ReadableStream<T> {
  return { getReader: () => stream.getReader() } as ReadableStream<T>
}
