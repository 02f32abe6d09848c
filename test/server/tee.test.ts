import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { makeWorld, partTexts, REF, rowsOf, settle, until, type World } from './support.ts'

const encoder = new TextEncoder()

/** Server-sent events of a Chat Completions stream, as bytes that are cut anywhere. */
function bytesOf(texts: readonly string[], size: number): Uint8Array[] {
  const lines = texts.map((content) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`)
  const all = encoder.encode(`${lines.join('')}data: [DONE]\n\n`)
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size))
}

function responseOf(chunks: readonly Uint8Array[], init: ResponseInit = {}, error?: Error): Response {
  async function* body(): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) {
      await settle()
      yield chunk
    }
    if (error) throw error
  }
  const pieces = body()
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await pieces.next()
      if (done) controller.close()
      else controller.enqueue(value)
    },
  })
  return new Response(stream, {
    headers: { 'content-type': 'text/event-stream', 'x-own': 'kept' },
    ...init,
  })
}

const TEXTS = ['One ', 'two 🌱 ', 'three\n', 'four.']
const textOf = async ({ store }: World): Promise<string> =>
  Object.values(partTexts(await rowsOf(store))).join('')
const isOver = async ({ store }: World): Promise<boolean> =>
  (await rowsOf(store)).at(-1)?.event_type === 'run_end'

async function read(response: Response): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = []
  for await (const chunk of response.body!) chunks.push(chunk)
  return chunks
}

describe('a response that is recorded on its way (tee)', () => {
  it('reaches its reader with the same status, headers and bytes, piece by piece', async () => {
    const world = makeWorld()
    const chunks = bytesOf(TEXTS, 7)
    const response = world.loomi.session(REF).tee(responseOf(chunks, { status: 201, statusText: 'Made' }))
    assert.deepEqual([response.status, response.statusText], [201, 'Made'])
    assert.deepEqual(await read(response), chunks)
    await until(() => isOver(world), 'the end of the run')
    assert.equal(await textOf(world), TEXTS.join(''))
  })

  it('keeps its headers', () => {
    const response = makeWorld().loomi.session(REF).tee(responseOf([]))
    assert.equal(response.headers.get('x-own'), 'kept')
    assert.equal(response.headers.get('content-type'), 'text/event-stream')
  })

  it('is recorded to its end though its reader leaves after the third piece', async () => {
    const world = makeWorld()
    const response = world.loomi.session(REF).tee(responseOf(bytesOf(TEXTS, 50)))
    let seen = 0
    for await (const _ of response.body!) if (++seen === 3) break
    await until(() => isOver(world), 'the end of the run')
    assert.equal(await textOf(world), TEXTS.join(''))
  })

  it('fails the run when it breaks, and its reader sees the break', async () => {
    const world = makeWorld()
    const chunks = bytesOf(TEXTS, 1000)
    const response = world.loomi.session(REF).tee(responseOf(chunks, {}, new Error('The line is gone.')))
    await assert.rejects(read(response), /The line is gone/)
    await until(() => isOver(world), 'the end of the run')
    assert.equal((await rowsOf(world.store)).at(-1)?.content_type, 'failed')
    assert.equal(await textOf(world), TEXTS.join(''))
  })

  it('without a body goes through as it is', () => {
    const response = new Response(null, { status: 204 })
    assert.equal(makeWorld().loomi.session(REF).tee(response), response)
  })

  it('that is an error of the provider fails the run with its status, and its reader gets it whole', async () => {
    const world = makeWorld()
    const body = '{"error":{"message":"key sk-123 is wrong","type":"invalid_api_key"}}'
    const response = world.loomi.session(REF).tee(new Response(body, { status: 401 }))
    assert.equal(response.status, 401)
    assert.equal(await response.text(), body)
    await until(() => isOver(world), 'the end of the run')
    const rows = await rowsOf(world.store)
    assert.deepEqual(JSON.parse(rows.at(-1)!.event_data), { status: 'failed', code: 'http_401' })
    assert.ok(!JSON.stringify(rows).includes('sk-123'))
  })
})

describe('a response given to record()', () => {
  it('yields its bytes and records what they hold, however they are cut', async () => {
    for (const size of [1, 3, 64, 100_000]) {
      const world = makeWorld()
      const chunks = bytesOf(TEXTS, size)
      const recording = world.loomi.session(REF).record(Promise.resolve(responseOf(chunks)))
      const got: unknown[] = []
      for await (const chunk of recording) got.push(chunk)
      assert.deepEqual(got, chunks)
      assert.deepEqual(await recording, { status: 'complete' })
      assert.equal(await textOf(world), TEXTS.join(''))
    }
  })

  it('adds nothing when it is recorded again under the same run, cut otherwise', async () => {
    const world = makeWorld()
    for (const size of [5, 90])
      await world.loomi.session({ ...REF, runId: 'r' }).record(responseOf(bytesOf(TEXTS, size)))
    assert.equal(await textOf(world), TEXTS.join(''))
    assert.equal((await rowsOf(world.store)).filter((r) => r.event_type === 'run_end').length, 1)
  })
})

describe('plain text given to record()', () => {
  it('is one message, and adds nothing when it is read again in other pieces', async () => {
    const world = makeWorld()
    const text = 'It rains 🌧 in Lisbon.\r\nTake \u0000 the tram.'
    for (const size of [3, 7, 1000]) {
      const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
        text.slice(i * size, (i + 1) * size),
      )
      await world.loomi.session({ ...REF, runId: 'r' }).record(pieces)
    }
    assert.equal(await textOf(world), text)
  })

  it('is whole when two handles feed it at the same moment, in other pieces', async () => {
    const world = makeWorld()
    const ways = [
      ['Hello wor', 'ld, how are you?'],
      ['Hello world', ', how ', 'are you?'],
    ]
    await Promise.all(ways.map((pieces) => world.loomi.session({ ...REF, runId: 'r' }).record(pieces)))
    assert.equal(await textOf(world), 'Hello world, how are you?')
  })

  it('goes on in the middle of a piece where a killed process left it', async () => {
    const world = makeWorld()
    await world.loomi.session({ ...REF, runId: 'r' }).record(['Hello', ' wor'])
    await world.loomi.session({ ...REF, runId: 'r' }).record(['Hello world', ', how are you?'])
    assert.equal(await textOf(world), 'Hello world, how are you?')
  })
})
