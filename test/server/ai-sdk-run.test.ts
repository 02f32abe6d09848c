/** The AI SDK itself, with a model that is none: what it makes of a run, and what the log has of it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  jsonSchema,
  readUIMessageStream,
  stepCountIs,
  streamText,
  tool,
  type UIMessage,
  type UIMessageChunk,
} from 'ai'
import { MockLanguageModelV3 } from 'ai/test'
import fc from 'fast-check'
import { aiSdk } from '../../server/adapters/ai-sdk.ts'
import type { Draft } from '../../server/drafts.ts'
import { type Json, textOf } from '../../server/protocol.ts'
import { makeWorld, partTexts, REF, rowsOf, SEED, TIMES } from './support.ts'

type ModelPart =
  Awaited<ReturnType<MockLanguageModelV3['doStream']>>['stream'] extends ReadableStream<infer Part>
    ? Part
    : never

/** A lone surrogate, a NUL and both ends of line must come through. */
const ODD = 'Grüße 🌱\r\n\u0000\ud83c'

const text = (kind: 'text' | 'reasoning', id: string, ...deltas: string[]): ModelPart[] => [
  { type: `${kind}-start`, id },
  ...deltas.map((delta) => ({ type: `${kind}-delta` as const, id, delta })),
  { type: `${kind}-end`, id },
]
const finish = (unified: 'stop' | 'tool-calls'): ModelPart => ({
  type: 'finish',
  finishReason: { unified, raw: unified },
  usage: {
    inputTokens: { total: 10, noCache: 10, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: 5, text: 5, reasoning: 0 },
  },
})
const toolCall = (id: string, toolName: string, input: string): ModelPart[] => [
  { type: 'tool-input-start', id, toolName },
  ...(input.match(/.{1,3}/gsu) ?? []).map((delta) => ({ type: 'tool-input-delta' as const, id, delta })),
  { type: 'tool-input-end', id },
  { type: 'tool-call', toolCallId: id, toolName, input },
]

const STEPS: readonly (readonly ModelPart[])[] = [
  [
    ...text('reasoning', '0', 'I should', ' look.'),
    ...text('text', '0', 'Let me look. ', ODD),
    ...toolCall('c1', 'weather', '{"city":"Zürich"}'),
    ...toolCall('c2', 'broken', '{}'),
    ...toolCall('c3', 'weather', '{"city":'),
    finish('tool-calls'),
  ],
  [
    { type: 'source', sourceType: 'url', id: 's1', url: 'https://weather.test', title: 'Weather' },
    ...text('reasoning', '0', 'Sunny', '.'),
    ...text('text', '0', 'It is ', 'sunny.'),
    { type: 'file', mediaType: 'image/png', data: 'aGk=' },
    ...text('text', '1', ODD, ' Enjoy!'),
    finish('stop'),
  ],
]

function streamFrom<T>(chunks: readonly T[]): ReadableStream<T> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })
}

function run(steps: readonly (readonly ModelPart[])[]) {
  let step = 0
  const model = new MockLanguageModelV3({
    doStream: async () => ({ stream: streamFrom(steps[step++] ?? []) }),
  })
  const city = jsonSchema<{ city: string }>({ type: 'object', properties: { city: { type: 'string' } } })
  return streamText({
    model,
    prompt: 'How is the weather?',
    stopWhen: stepCountIs(steps.length),
    onError: () => {},
    tools: {
      weather: tool({
        inputSchema: city,
        async *execute({ city }: { city: string }): AsyncGenerator<Json> {
          yield { city, sky: '…' }
          yield { city, sky: 'sunny' }
        },
      }),
      broken: tool({
        inputSchema: jsonSchema<object>({ type: 'object' }),
        execute: async (): Promise<Json> => Promise.reject(new Error('secret')),
      }),
    },
  })
}

async function draftsOf(chunks: AsyncIterable<unknown>): Promise<Draft[]> {
  const reader = aiSdk.adapter()
  const drafts: Draft[] = []
  for await (const chunk of chunks) drafts.push(...reader.read(chunk))
  assert.equal(reader.outcome?.() ?? null, null)
  return [...drafts, ...reader.finish()]
}

/** The texts of a kind, part by part. */
function textsOf(drafts: readonly Draft[], kind: string): string[] {
  const texts = new Map<string, string>()
  for (const { content_type, part, event_data } of drafts)
    if (part !== undefined && content_type === kind)
      texts.set(part, (texts.get(part) ?? '') + textOf(event_data ?? null))
  return [...texts.values()]
}

const dataOf = (drafts: readonly Draft[], type: string): Json[] =>
  drafts.filter(({ event_type }) => event_type === type).map(({ event_data }) => event_data ?? null)

/** The last message that a UI makes of a stream. */
async function messageOf(stream: ReadableStream<UIMessageChunk>): Promise<UIMessage> {
  let last: UIMessage | undefined
  for await (const message of readUIMessageStream({ stream, terminateOnError: true })) last = message
  return last!
}

describe('a run of streamText', () => {
  it('is in the log as the SDK has it, part by part', async () => {
    const result = run(STEPS)
    const [drafts, steps, usage] = await Promise.all([
      draftsOf(result.fullStream),
      result.steps,
      result.totalUsage,
    ])
    const content = steps.flatMap((step) => step.content)
    const texts = (type: string): string[] =>
      content.flatMap((part) => (part.type === type && 'text' in part ? [part.text] : []))
    assert.deepEqual(textsOf(drafts, 'message'), texts('text'))
    assert.deepEqual(textsOf(drafts, 'thought'), texts('reasoning'))
    assert.equal(textsOf(drafts, 'message').slice(1).join(''), await result.text)
    assert.equal(textsOf(drafts, 'thought').at(-1), await result.reasoningText)
    const calls = steps.flatMap(({ toolCalls }) => toolCalls)
    assert.deepEqual(
      dataOf(drafts, 'tool_call').map((data) => (data as { input: Json }).input),
      calls.map(({ input }) => input),
    )
    const results = dataOf(drafts, 'tool_result') as { id: string }[]
    assert.deepEqual(
      results.filter(({ id }) => id === 'c1'),
      [
        { id: 'c1', name: 'weather', output: { city: 'Zürich', sky: '…' }, preliminary: true },
        { id: 'c1', name: 'weather', output: { city: 'Zürich', sky: 'sunny' }, preliminary: true },
        { id: 'c1', name: 'weather', output: { city: 'Zürich', sky: 'sunny' } },
      ],
    )
    assert.deepEqual(
      results.filter(({ id }) => id === 'c2'),
      [{ id: 'c2', name: 'broken', output: 'Error', is_error: true }],
    )
    const totals = dataOf(drafts, 'usage').map((data) => (data as { totalTokens: number }).totalTokens)
    assert.deepEqual(totals, [15, 15])
    assert.equal(usage.totalTokens, 30)
    assert.ok(!JSON.stringify(drafts).includes('secret'))
    assert.deepEqual(dataOf(drafts, 'provider_chunk'), [])
  })

  it('is in the log as a UI has it', async () => {
    const [shown, logged] = run(STEPS).toUIMessageStream({ sendSources: true }).tee()
    const [message, drafts] = await Promise.all([messageOf(shown), draftsOf(logged)])
    const texts = (type: string): string[] =>
      message.parts.flatMap((part) => (part.type === type && 'text' in part ? [part.text] : []))
    assert.deepEqual(textsOf(drafts, 'message'), texts('text'))
    assert.deepEqual(textsOf(drafts, 'thought'), texts('reasoning'))
    const ids = message.parts.flatMap((part) => ('toolCallId' in part ? [part.toolCallId] : []))
    assert.deepEqual(
      dataOf(drafts, 'tool_call').map((data) => (data as { id: string }).id),
      ids,
    )
    const weather = message.parts.find((part) => 'toolCallId' in part && part.toolCallId === 'c1')
    assert.ok(weather && 'output' in weather)
    assert.deepEqual(
      dataOf(drafts, 'tool_result').findLast((data) => (data as { id: string }).id === 'c1'),
      {
        id: 'c1',
        name: 'weather',
        output: weather.output as Json,
      },
    )
    assert.deepEqual(dataOf(drafts, 'source'), [{ url: 'https://weather.test', title: 'Weather', id: 's1' }])
    assert.deepEqual(dataOf(drafts, 'file'), [{ media_type: 'image/png', url: 'data:image/png;base64,aGk=' }])
  })

  it('has the same parts by both ways, and again when it is read again', async () => {
    const parts = (drafts: readonly Draft[]): unknown[] => drafts.filter(({ part }) => part !== undefined)
    const full = await draftsOf(run(STEPS).fullStream)
    assert.deepEqual(parts(await draftsOf(run(STEPS).toUIMessageStream())), parts(full))
    assert.deepEqual(await draftsOf(run(STEPS).fullStream), full)
  })

  it('is recorded to the letter', async () => {
    const { loomi, store } = makeWorld()
    await loomi.session(REF).record(run(STEPS).fullStream, aiSdk.adapter)
    const drafts = await draftsOf(run(STEPS).fullStream)
    assert.deepEqual(
      Object.values(partTexts(await rowsOf(store))).toSorted(),
      [...textsOf(drafts, 'message'), ...textsOf(drafts, 'thought')].toSorted(),
    )
  })
})

describe('any UI message stream', () => {
  const unit = fc.integer({ min: 0, max: 0xff_ff }).map((code) => String.fromCharCode(code))
  const delta = fc.record({
    type: fc.constantFrom('text' as const, 'reasoning' as const),
    id: fc.constantFrom('0', '1', 'a/b'),
    verb: fc.constantFrom('delta' as const, 'delta' as const, 'end' as const),
    delta: fc.string({ unit, maxLength: 4 }),
  })
  const steps = fc.array(fc.array(delta, { maxLength: 20 }), { maxLength: 4 })

  /** A stream that keeps the rules: texts are begun before they go on, and ended with their step. */
  function streamOf(
    steps: readonly { type: 'text' | 'reasoning'; id: string; verb: string; delta: string }[][],
  ): UIMessageChunk[] {
    const chunks: UIMessageChunk[] = [{ type: 'start' }]
    for (const step of steps) {
      const open = new Map<string, UIMessageChunk>()
      chunks.push({ type: 'start-step' })
      for (const { type, id, verb, delta } of step) {
        const slot = `${type}/${id}`
        if (!open.has(slot)) chunks.push({ type: `${type}-start`, id })
        open.set(slot, { type: `${type}-end`, id })
        if (verb === 'delta') chunks.push({ type: `${type}-delta`, id, delta })
        else chunks.push(open.get(slot)!)
        if (verb === 'end') open.delete(slot)
      }
      chunks.push(...open.values(), { type: 'finish-step' })
    }
    return [...chunks, { type: 'finish' }]
  }

  it('has its texts in the log to the letter', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (steps) => {
        const chunks = streamOf(steps)
        const message = await messageOf(streamFrom(chunks))
        const drafts = await draftsOf(streamFrom(chunks))
        for (const [kind, type] of [
          ['message', 'text'],
          ['thought', 'reasoning'],
        ] as const) {
          const expected = (message?.parts ?? []).flatMap((part) => (part.type === type ? [part.text] : []))
          assert.deepEqual(
            textsOf(drafts, kind).toSorted(),
            expected.filter((text) => text !== '').toSorted(),
          )
        }
        // Over the wire it is the same.
        assert.deepEqual(await draftsOf(streamFrom(JSON.parse(JSON.stringify(chunks)) as unknown[])), drafts)
      }),
      { ...SEED, numRuns: 100 * TIMES },
    )
  })
})
