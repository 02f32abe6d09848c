import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ChatCompletionStream } from 'openai/lib/ChatCompletionStream'
import type { ChatCompletionChunk } from 'openai/resources/chat/completions'
import { detect } from '../../server/adapters/forms.ts'
import { openaiChat } from '../../server/adapters/openai-chat.ts'
import type { Draft } from '../../server/drafts.ts'
import {
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
} from './provider-chunks.ts'
import { makeWorld, REF, rowsOf, SEED, TIMES } from './support.ts'

type Delta = ChatCompletionChunk.Choice.Delta
type End = ChatCompletionChunk.Choice['finish_reason']

const chunk = (delta: unknown, more: object = {}, index = 0): unknown => ({
  id: 'chat',
  object: 'chat.completion.chunk',
  choices: [{ index, delta, ...more }],
})

/** A chunk as OpenAI's types have it. */
const typed = (delta: Delta, finish_reason: End = null, index = 0): ChatCompletionChunk => ({
  id: 'chat',
  object: 'chat.completion.chunk',
  created: 0,
  model: 'gpt-5',
  choices: [{ index, delta, finish_reason }],
})

const call = (index: number, fields: object): Delta => ({ tool_calls: [{ index, ...fields }] })

const read = (chunks: readonly unknown[]): Draft[] => draftsOf(openaiChat, chunks)

/** The texts that the SDK makes of a stream, by kind, and the calls. */
async function sdkReading(chunks: readonly unknown[]): Promise<{ texts: object; calls: unknown[] }> {
  const { choices } = await ChatCompletionStream.fromReadableStream(jsonLines(chunks)).finalChatCompletion()
  const texts: Record<string, string> = { thought: '', message: '', refusal: '' }
  const calls: unknown[] = []
  for (const { message } of choices) {
    texts['message'] += message.content ?? ''
    texts['refusal'] += message.refusal ?? ''
    for (const { id, function: fn } of (message.tool_calls ?? []) as {
      id: string
      function: { name: string; arguments: string }
    }[])
      calls.push({ id, name: fn.name, input: JSON.parse(fn.arguments) as unknown })
  }
  for (const { choices } of chunks as { choices: { delta: { reasoning_content?: string | null } }[] }[])
    for (const { delta } of choices) texts['thought'] += delta.reasoning_content ?? ''
  return { texts, calls }
}

async function assertLikeSdk(chunks: readonly unknown[]): Promise<void> {
  const drafts = read(chunks)
  const texts: Record<string, string> = { thought: '', message: '', refusal: '' }
  for (const [name, text] of Object.entries(textsOf(drafts))) texts[name.split(' ')[0]!] += text
  assert.deepEqual({ texts, calls: dataOf(drafts, 'tool_call') }, await sdkReading(chunks))
  assert.deepEqual(
    endsOf(drafts).toSorted(),
    [...new Set(drafts.flatMap(({ part }) => part ?? []))].toSorted(),
  )
}

describe('Chat Completions chunks', () => {
  it('become what OpenAI’s SDK makes of them', () =>
    assertLikeSdk([
      typed({ role: 'assistant', content: '' }),
      typed({ content: 'Hel' }),
      typed({ content: 'lo' }),
      typed(call(0, { id: 'a', type: 'function', function: { name: 'add', arguments: '' } })),
      typed(call(0, { function: { arguments: '{"a"' } })),
      typed(call(1, { id: 'b', type: 'function', function: { name: 'sub', arguments: '{"b"' } })),
      typed(call(0, { function: { arguments: ':1}' } })),
      typed(call(1, { function: { arguments: ':2}' } })),
      typed({}, 'tool_calls'),
      typed({ role: 'assistant', refusal: 'I wo' }, null, 1),
      typed({ refusal: 'n’t' }, null, 1),
      typed({}, 'stop', 1),
    ]))

  it('keep any text to the letter', async () => {
    const deltas = fc.array(fc.tuple(pieces, fc.constantFrom('content', 'reasoning_content')), {
      maxLength: 4,
    })
    await fc.assert(
      fc.asyncProperty(deltas, async (texts) => {
        const told = texts.flatMap(([all, field]) => all.map((text) => typed({ [field]: text })))
        await assertLikeSdk([typed({ role: 'assistant' }), ...told, typed({}, 'stop')])
      }),
      { ...SEED, numRuns: 60 * TIMES },
    )
  })

  it('become deltas of one message, ended by the finish reason', () => {
    const drafts = read([
      chunk({ role: 'assistant', content: '' }),
      chunk({ content: 'Hel' }),
      chunk({ content: 'lo' }),
      chunk({}, { finish_reason: 'stop' }),
    ])
    assert.deepEqual(short(drafts), ['message chat/0 "Hel"', 'message chat/0 "lo"', 'message chat/0 "" end'])
    assert.ok(drafts.every(({ event_type }) => event_type === 'llm_chunk'))
  })

  it('are ended with the stream when no finish reason came', () => {
    assert.deepEqual(short(read([chunk({ content: 'a' })])), ['message chat/0 "a"', 'message chat/0 "" end'])
  })

  it('are ended once when the last delta carries the finish reason', () => {
    const drafts = read([
      chunk({ content: 'a' }),
      chunk({ content: 'b' }, { finish_reason: 'length' }),
      { choices: [] },
    ])
    assert.deepEqual(short(drafts), ['message chat/0 "a"', 'message chat/0 "b"', 'message chat/0 "" end'])
  })

  for (const field of ['reasoning_content', 'reasoning'] as const) {
    it(`with ${field} become a thought, which ends where the message begins`, () => {
      const drafts = read([
        chunk({ [field]: 'Hm', content: null }),
        chunk({ [field]: '…' }),
        chunk({ [field]: null, content: 'Yes' }),
      ])
      assert.deepEqual(short(drafts), [
        'thought chat/0 "Hm"',
        'thought chat/0 "…"',
        'thought chat/0 "" end',
        'message chat/1 "Yes"',
        'message chat/1 "" end',
      ])
    })
  }

  it('may go back to thinking: a part of its own', () => {
    const drafts = read([chunk({ reasoning: 'a' }), chunk({ content: 'b' }), chunk({ reasoning: 'c' })])
    assert.deepEqual(
      drafts.filter(({ event_data }) => event_data !== '').map(({ part }) => part),
      ['chat/0', 'chat/1', 'chat/2'],
    )
  })

  it('may carry both in one chunk: the thought first', () => {
    const [first, , third] = read([chunk({ content: 'b', reasoning_content: 'a' })])
    assert.deepEqual([first?.content_type, third?.content_type], ['thought', 'message'])
  })

  it('may repeat a thought under both names', () => {
    assert.deepEqual(short(read([chunk({ reasoning_content: 'a', reasoning: 'a' })])).length, 2)
  })

  it('of several choices become a part each', () => {
    const drafts = read([
      chunk({ content: 'a' }, {}, 0),
      chunk({ content: 'x' }, {}, 1),
      {
        choices: [
          { index: 1, delta: { content: 'y' } },
          { index: 0, delta: { content: 'b' } },
        ],
      },
      chunk({}, { finish_reason: 'stop' }, 1),
      chunk({ content: 'c' }, { finish_reason: 'stop' }, 0),
    ])
    assert.deepEqual(textsOf(drafts), { 'message chat/0': 'abc', 'message chat/1': 'xy' })
    assert.equal(drafts.filter(({ part_done }) => part_done).length, 2)
  })

  it('may have ids that no part could carry', async () => {
    const { loomi, store } = makeWorld()
    const ids = ['', 'x'.repeat(500), 'a\u0000b\nc', `${'y'.repeat(79)}🌱`, '\ud83c', 7]
    for (const id of ids) {
      const { status } = await loomi.session(REF).record([{ id, choices: [{ delta: { content: 'a' } }] }])
      assert.equal(status, 'complete', JSON.stringify(id))
    }
    const parts = (await rowsOf(store)).filter(({ event_data }) => event_data === '"a"')
    assert.equal(parts.length, ids.length)
  })

  it('are known by their object, or by a delta', () => {
    for (const known of [
      chunk({}),
      { object: 'chat.completion.chunk', choices: [] },
      { choices: [{ delta: {} }] },
    ])
      assert.ok(openaiChat.recognises(known))
    for (const other of [{ type: 'response.created' }, { choices: [{ text: 'x' }] }, [], 'x', null])
      assert.ok(!openaiChat.recognises(other))
  })

  it('are found behind what nobody knows, which is kept', () => {
    const drafts = draftsOf({ recognises: () => true, adapter: detect }, [
      { hello: 1 },
      chunk({ content: 'a' }),
    ])
    assert.deepEqual(dataOf(drafts, 'provider_chunk'), [{ hello: 1 }])
    assert.deepEqual(textsOf(drafts), { 'message chat/0': 'a' })
  })

  it('may be anything, and nothing throws', () => {
    const names =
      'object choices delta index finish_reason content reasoning reasoning_content refusal tool_calls id'
    const more =
      'function custom name arguments input function_call annotations url_citation url title usage error'
    const others = 'thinking text type image_url images audio transcript code message'
    const types = [
      'chat.completion.chunk',
      'stop',
      'error',
      'image_url',
      'tool_reference',
      'text',
      'thinking',
    ]
    const some = garbage(types, `${names} ${more} ${others}`.split(' '))
    fc.assert(
      fc.property(fc.array(some, { maxLength: 8 }), (chunks) => takeAll(openaiChat, chunks)),
      { ...SEED, numRuns: 1500 * TIMES },
    )
  })

  for (const name of recordingsOf('openai-chat')) {
    it(`recorded in ${name} become what the SDK makes of them`, () => assertLikeSdk(recordedChunks(name)))
  }
})
