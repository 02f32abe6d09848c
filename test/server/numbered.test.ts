import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Adapter } from '../../server/adapters/adapter.ts'
import { makeWorld, REF, rowsOf, settle, type World } from './support.ts'

interface Chunk {
  readonly sequence?: number
  readonly answer?: string
  readonly text?: string
}

/** A form whose chunks are numbered by the provider, from 0, under an id of the answer that only the first one tells. */
const numbered: Adapter = () => ({
  read: (chunk) => {
    const { text } = chunk as Chunk
    return text === undefined
      ? []
      : [{ event_type: 'llm_chunk', content_type: 'message', event_data: text, part: 'm' }]
  },
  finish: () => [],
  sequence: (chunk) => (chunk as Chunk).sequence ?? null,
  answerId: (chunk) => (chunk as Chunk).answer ?? null,
})

const answer = (id: string, words: string): Chunk[] => [
  { sequence: 0, answer: id },
  ...words.split(/(?<= )/).map((text, i) => ({ sequence: i + 1, text })),
]

const textOf = async ({ store }: World): Promise<string> =>
  (await rowsOf(store))
    .filter((r) => r.part_id !== null)
    .map((r) => JSON.parse(r.event_data) as string)
    .join('')

describe('a stream whose chunks the provider numbers', () => {
  const chunks = answer('resp_1', 'one two three four five six')

  it('is a run under the answer’s own id, with the provider’s numbers', async () => {
    const world = makeWorld()
    const session = world.loomi.session(REF)
    session.user('Count.')
    await session.record(chunks.slice(0, 2), numbered)
    const rows = await rowsOf(world.store)
    assert.deepEqual(
      rows.slice(1).map(({ run_id, n, i }) => [run_id, n, i]),
      [
        ['resp_1', 2, 0],
        ['resp_1', 2, 1],
      ],
    )
  })

  it('keeps the name that the app gave its run', async () => {
    const world = makeWorld()
    await world.loomi.session({ ...REF, runId: 'mine' }).record(chunks, numbered)
    assert.deepEqual([...new Set((await rowsOf(world.store)).map((r) => r.run_id))], ['mine'])
  })

  it('adds only what is new when it is read again from the start, nobody having kept a name', async () => {
    const world = makeWorld()
    for (const length of [3, 5, 7, 7]) {
      const session = world.loomi.session(REF)
      await session.record(chunks.slice(0, length), numbered)
    }
    assert.equal(await textOf(world), 'one two three four five six')
  })

  it('goes on from the middle under the name of the answer, however the first part was joined', async () => {
    for (let cut = 2; cut < chunks.length; cut++) {
      const world = makeWorld()
      const broken = (async function* () {
        yield* chunks.slice(0, cut)
        throw new Error('The line is gone.')
      })()
      await world.loomi.session(REF).record(broken, numbered)
      await world.loomi
        .session({ ...REF, runId: 'resp_1' })
        .record(chunks.slice(Math.max(1, cut - 2)), numbered)
      assert.equal(await textOf(world), 'one two three four five six', `cut at ${cut}`)
      assert.equal((await rowsOf(world.store)).at(-1)?.content_type, 'complete')
    }
  })

  it('is not disturbed by what the app emits by hand meanwhile, nor by an interruption', async () => {
    const world = makeWorld()
    const session = world.loomi.session(REF)
    session.thought('Let me see.')
    const slow = (async function* () {
      for (const chunk of chunks.slice(0, 4)) {
        yield chunk
        session.emit({ event_type: 'tick' })
        await settle()
      }
      await new Promise(() => undefined)
    })()
    void session.record(slow, numbered)
    await world.clock.advance(100)
    await world.loomi.close()
    const { loomi } = makeWorld({ store: world.store })
    await loomi.session(REF).record(chunks, numbered)
    assert.equal((await textOf(world)).replace('Let me see.', ''), 'one two three four five six')
  })

  it('may hold several answers, each numbered from 0', async () => {
    const world = makeWorld()
    const two = [...chunks, ...answer('resp_2', ' and seven')]
    await world.loomi.session(REF).record(two, numbered)
    await world.loomi.session(REF).record(two, numbered)
    assert.equal(await textOf(world), 'one two three four five six and seven')
  })

  it('takes a chunk once that the SDK brings twice after a reconnect of its own', async () => {
    const world = makeWorld()
    await world.loomi.session(REF).record([...chunks.slice(0, 4), ...chunks.slice(2)], numbered)
    assert.equal(await textOf(world), 'one two three four five six')
  })

  it('loses no chunk that has no number', async () => {
    const world = makeWorld()
    const mixed = [...chunks.slice(0, 3), { text: '[no number] ' }, ...chunks.slice(3)]
    await world.loomi.session(REF).record(mixed, numbered)
    assert.equal(await textOf(world), 'one two [no number] three four five six')
  })
})
