import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ResponseStream } from 'openai/lib/responses/ResponseStream'
import type { Response, ResponseOutputItem, ResponseStreamEvent } from 'openai/resources/responses/responses'
import { openaiResponses } from '../../server/adapters/openai-responses.ts'
import {
  answersOf,
  dataOf,
  draftsOf,
  endsOf,
  garbage,
  jsonLines,
  pieces,
  recordedChunks,
  recordingsOf,
  short,
  takeAll,
  textsOf,
  typesOfUnion,
} from './provider-chunks.ts'
import { itemStream, type Numbered, numbered, responseOf, wholeAnswer } from './openai-streams.ts'
import { SEED, TIMES } from './support.ts'

const read = (chunks: readonly unknown[]): ReturnType<typeof draftsOf> => draftsOf(openaiResponses, chunks)
const EVENT_TYPES = typesOfUnion('openai/resources/responses/responses', 'ResponseStreamEvent')
const ITEM_TYPES = typesOfUnion('openai/resources/responses/responses', 'ResponseOutputItem')

/** What the SDK makes of an answer, as the parts and the calls of a reading. */
async function sdkReading(chunks: readonly unknown[]): Promise<{ texts: object; calls: unknown[] }> {
  const response = await ResponseStream.fromReadableStream(jsonLines(chunks)).finalResponse()
  const texts: Record<string, string> = {}
  const calls: unknown[] = []
  for (const item of response.output) {
    if (item.type === 'message')
      for (const [index, part] of item.content.entries())
        if (part.type === 'refusal') texts[`refusal ${item.id}/r${index}`] = part.refusal
        else texts[`message ${item.id}/${index}`] = part.text
    if (item.type === 'reasoning') {
      for (const [index, { text }] of item.summary.entries()) texts[`thought ${item.id}/s${index}`] = text
      for (const [index, { text }] of (item.content ?? []).entries())
        texts[`thought ${item.id}/t${index}`] = text
    }
    calls.push(...sdkCall(item))
  }
  return { texts: Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== '')), calls }
}

function sdkCall(item: ResponseOutputItem): unknown[] {
  switch (item.type) {
    case 'function_call':
      return [{ id: item.call_id, name: item.name, input: JSON.parse(item.arguments) as unknown }]
    case 'custom_tool_call':
      return [{ id: item.call_id, name: item.name, input: item.input }]
    case 'mcp_call':
      return [
        { id: item.id, name: item.name, input: JSON.parse(item.arguments) as unknown, server_label: 'docs' },
      ]
    case 'code_interpreter_call':
      return [{ id: item.id, name: 'code_interpreter', input: { code: item.code } }]
    case 'web_search_call': {
      const { sources: _, ...input } = item.action as { sources?: unknown }
      return [{ id: item.id, name: 'web_search', input }]
    }
    default:
      return []
  }
}

async function assertLikeSdk(answers: readonly (readonly unknown[])[]): Promise<void> {
  const drafts = read(answers.flat())
  const expected = await Promise.all(answers.map(sdkReading))
  assert.deepEqual(
    textsOf(drafts),
    expected.reduce((all, { texts }) => ({ ...all, ...texts }), {}),
  )
  assert.deepEqual(
    dataOf(drafts, 'tool_call'),
    expected.flatMap(({ calls }) => calls),
  )
  const ends = endsOf(drafts)
  assert.deepEqual(ends.toSorted(), [...new Set(drafts.flatMap(({ part }) => part ?? []))].toSorted())
}

describe('Responses API events', () => {
  it('become what the SDK makes of them', () => assertLikeSdk([wholeAnswer()]))

  it('of several answers in one stream do so too', () =>
    assertLikeSdk([wholeAnswer('resp_1', 'a'), wholeAnswer('resp_2', 'b')]))

  it('keep any text to the letter, with and without deltas', async () => {
    const text = fc.record({ deltas: pieces, isDelta: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 4 }), async (texts) => {
        const items = texts.flatMap(({ deltas, isDelta }, i) =>
          itemStream.message(`m${i}`, i, deltas, isDelta),
        )
        const chunks = numbered([
          { type: 'response.created', response: responseOf('resp', 'in_progress') },
          ...items,
        ])
        await assertLikeSdk([chunks])
        const expected = texts.flatMap(({ deltas }, i) =>
          deltas.join('') ? [[`message m${i}/0`, deltas.join('')]] : [],
        )
        assert.deepEqual(textsOf(read(chunks)), Object.fromEntries(expected))
      }),
      { ...SEED, numRuns: 60 * TIMES },
    )
  })

  it('end calls that the stream cut off as text', () => {
    const drafts = read(numbered(itemStream.call('fc', 0, ['{"a', '":1}'])).slice(0, 2))
    assert.deepEqual(dataOf(drafts, 'tool_call'), [
      { id: 'call_fc', name: 'add', input: '{"a', incomplete: true },
    ])
  })

  it('of every kind that the SDK knows are known', () => {
    assert.ok(EVENT_TYPES.size > 50)
    for (const type of [...EVENT_TYPES.values(), 'keepalive']) {
      if (type.startsWith('response.output_item')) continue
      const types = read([{ type, sequence_number: 0 }]).map(({ event_type }) => event_type)
      assert.ok(!types.includes('provider_chunk'), type)
    }
    assert.deepEqual(short(read([{ type: 'response.new.thing', x: 1 }])), [
      'provider_chunk {"type":"response.new.thing","x":1}',
    ])
  })

  it('of items of every kind that the SDK knows are known', () => {
    assert.ok(ITEM_TYPES.size > 25)
    for (const type of ITEM_TYPES.values()) {
      const drafts = read([{ type: 'response.output_item.done', item: { type, id: 'i' } }])
      assert.deepEqual(dataOf(drafts, 'provider_chunk'), [], type)
    }
    const unknown = read([{ type: 'response.output_item.done', item: { type: 'new_item', id: 'i' } }])
    assert.deepEqual(
      unknown.map(({ content_type }) => content_type),
      ['new_item'],
    )
  })

  it('are known by their names', () => {
    for (const chunk of [{ type: 'response.created' }, { type: 'error', sequence_number: 3 }])
      assert.ok(openaiResponses.recognises(chunk))
    for (const chunk of [{ type: 'error' }, { type: 'message_start' }, { choices: [] }, [], 'x', null])
      assert.ok(!openaiResponses.recognises(chunk))
  })

  it('may be anything, and nothing throws', () => {
    const names =
      'type item item_id output_index content_index summary_index sequence_number delta text refusal'
    const more =
      'arguments input code part response id output error annotation content summary status name call_id'
    const types = [...EVENT_TYPES.values(), ...ITEM_TYPES.values(), 'refusal', 'incomplete']
    const chunk = garbage(types, `${names} ${more} action usage annotations`.split(' '))
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 8 }), (chunks) => takeAll(openaiResponses, chunks)),
      { ...SEED, numRuns: 1500 * TIMES },
    )
  })

  for (const name of recordingsOf('openai-responses')) {
    it(`recorded in ${name} become what the SDK makes of them`, () =>
      assertLikeSdk(answersOf(recordedChunks<ResponseStreamEvent>(name), 'response.created')))
  }
})

describe('the end of a Responses API answer', () => {
  const ending = (type: 'completed' | 'failed' | 'incomplete', fields: Partial<Response>): Numbered[] =>
    numbered([
      { type: 'response.created', response: responseOf('resp', 'in_progress') },
      { type: `response.${type}`, response: { ...responseOf('resp', type), ...fields } },
    ])
  const outcomeOf = (chunks: readonly unknown[]): unknown => {
    const reader = openaiResponses.adapter()
    const drafts = chunks.flatMap((chunk) => reader.read(chunk))
    return { outcome: reader.outcome?.(), events: short(drafts) }
  }

  it('tells what the answer cost', () => {
    const usage = {
      input_tokens: 1,
      input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
      output_tokens: 2,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 3,
    }
    assert.deepEqual(outcomeOf(ending('completed', { usage })), {
      outcome: null,
      events: [`usage ${JSON.stringify(usage)}`],
    })
  })

  it('may be a failure, told once', () => {
    const error = { code: 'server_error', message: 'Oh no' } as const
    const chunks = ending('failed', { error })
    const told = { type: 'error', sequence_number: 1, ...error, param: null }
    const expected = {
      outcome: { status: 'failed', code: 'server_error' },
      events: ['error {"code":"server_error","text":"Oh no"}'],
    }
    assert.deepEqual(outcomeOf(chunks), expected)
    assert.deepEqual(outcomeOf([chunks[0], told, chunks[1]]), expected)
    assert.deepEqual(outcomeOf([{ type: 'error', sequence_number: 1, error }]), expected)
    assert.deepEqual(outcomeOf(ending('failed', {})), {
      outcome: { status: 'failed', code: 'failed' },
      events: [],
    })
  })

  it('may come too early: with what there is, or because of what there was', () => {
    for (const reason of ['max_output_tokens', 'max_messages', 'steered'] as const)
      assert.deepEqual(outcomeOf(ending('incomplete', { incomplete_details: { reason } })), {
        outcome: null,
        events: [],
      })
    const filtered = ending('incomplete', { incomplete_details: { reason: 'content_filter' } })
    assert.deepEqual(outcomeOf(filtered), {
      outcome: { status: 'failed', code: 'content_filter' },
      events: [],
    })
  })

  it('may come because somebody asked for it', () => {
    const stopped = { outcome: { status: 'stopped', code: 'cancelled' }, events: [] }
    assert.deepEqual(outcomeOf(ending('completed', { status: 'cancelled' })), stopped)
    assert.deepEqual(outcomeOf([{ type: 'response.cancelled', response: {} }]), stopped)
  })
})
