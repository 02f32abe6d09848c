import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MessageStream } from '@anthropic-ai/sdk/lib/MessageStream'
import fc from 'fast-check'
import { anthropic } from '../../server/adapters/anthropic.ts'
import {
  block,
  caller,
  end,
  type Event,
  FOUND,
  input,
  says,
  SEARCH,
  start,
  TEXT,
  THINKING,
  thinks,
  TOOL,
  usage,
  wholeMessage,
} from './anthropic-streams.ts'
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
import { SEED, TIMES } from './support.ts'

const read = (chunks: readonly unknown[]): ReturnType<typeof draftsOf> => draftsOf(anthropic, chunks)

const outcomeOf = (chunks: readonly unknown[]): unknown => {
  const reader = anthropic.adapter()
  chunks.forEach((chunk) => reader.read(chunk))
  return reader.outcome?.()
}

/** What the SDK makes of the messages of a stream, as the parts and the calls of a reading. */
async function sdkReading(messages: readonly (readonly unknown[])[]): Promise<object> {
  const texts: Record<string, string> = {}
  const calls: unknown[] = []
  for (const chunks of messages) {
    const { id, content } = await MessageStream.fromReadableStream(jsonLines(chunks)).finalMessage()
    for (const [index, item] of content.entries()) {
      if (item.type === 'text') texts[`message ${id}/${index}`] = item.text
      if (item.type === 'thinking') texts[`thought ${id}/${index}`] = item.thinking
      if (item.type === 'tool_use' || item.type === 'server_tool_use')
        calls.push({ id: item.id, name: item.name, input: item.input })
    }
  }
  return { texts: Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== '')), calls }
}

async function assertLikeSdk(messages: readonly (readonly unknown[])[]): Promise<void> {
  const drafts = read(messages.flat())
  const told = { texts: textsOf(drafts), calls: dataOf(drafts, 'tool_call') }
  assert.deepEqual(told, await sdkReading(messages))
  assert.deepEqual(endsOf(drafts), [...new Set(drafts.flatMap(({ part }) => part ?? []))])
}

describe('Messages API events', () => {
  it('become what the SDK makes of them', () => assertLikeSdk([wholeMessage('msg_1')]))

  it('of several messages in one stream do so too', () =>
    assertLikeSdk([wholeMessage('msg_1'), wholeMessage('msg_2')]))

  it('keep any text to the letter', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(pieces, fc.boolean()), { maxLength: 4 }), async (blocks) => {
        const told = blocks.flatMap(([texts, isThought], index) =>
          isThought ? block(index, THINKING, ...thinks(...texts)) : block(index, TEXT, ...says(...texts)),
        )
        await assertLikeSdk([[start('msg'), ...told, ...end()]])
      }),
      { ...SEED, numRuns: 60 * TIMES },
    )
  })

  it('under one id twice are told apart', () => {
    const once = [start('m'), ...block(0, TEXT, ...says('a')), { type: 'message_stop' }]
    assert.deepEqual(textsOf(read([...once, ...once])), { 'message m/0': 'a', 'message m.1/0': 'a' })
  })

  it('of several blocks under one index are told apart', () => {
    const blocks = [
      block(0, THINKING, ...thinks('a')),
      block(0, TEXT, ...says('b')),
      block(0, TEXT, ...says('c')),
    ]
    assert.deepEqual(textsOf(read([start('m'), ...blocks.flat()])), {
      'thought m/0': 'a',
      'message m/0.1': 'b',
      'message m/0.2': 'c',
    })
  })

  it('tell what a tool gave, without what only the model can read', () => {
    assert.deepEqual(dataOf(read([...block(0, SEARCH), ...block(1, FOUND)]), 'tool_result'), [
      {
        id: 'srv',
        name: 'web_search',
        output: [{ type: 'web_search_result', title: 'A', url: 'https://a.example', page_age: null }],
      },
    ])
  })

  it('tell that a tool failed', () => {
    const content = { type: 'web_fetch_tool_result_error', error_code: 'unavailable' } as const
    const failed = block(0, { type: 'web_fetch_tool_result', tool_use_id: 'x', caller, content })
    const mcp = { type: 'mcp_tool_result', tool_use_id: 'y', is_error: true, content: 'No.' }
    const drafts = read([...failed, { type: 'content_block_start', index: 1, content_block: mcp }])
    assert.deepEqual(dataOf(drafts, 'tool_result'), [
      { id: 'x', name: 'web_fetch', output: content, is_error: true },
      { id: 'y', name: 'mcp', output: 'No.', is_error: true },
    ])
  })

  it('tell whose tool it is, and which file it left', () => {
    const tool = { type: 'mcp_tool_use', id: 'x', name: 'ask', server_name: 'docs', input: { q: 1 } }
    const drafts = read([
      { type: 'content_block_start', index: 0, content_block: tool },
      { type: 'content_block_stop', index: 0 },
      ...block(1, { type: 'container_upload', file_id: 'f' }),
    ])
    assert.deepEqual(short(drafts), [
      'tool_call {"id":"x","name":"ask","input":{"q":1},"server_name":"docs"}',
      'file {"file_id":"f"}',
    ])
  })

  it('tell sources as they come', () => {
    const page = {
      type: 'web_search_result_location',
      url: 'https://a.example',
      title: 'A',
      cited_text: 'x',
      encrypted_index: 'y',
    } as const
    const place = {
      type: 'page_location',
      document_index: 0,
      document_title: 'D',
      file_id: null,
      cited_text: 'x',
      start_page_number: 1,
      end_page_number: 2,
    } as const
    const drafts = read(
      block(0, TEXT, ...[page, place].map((citation) => ({ type: 'citations_delta' as const, citation }))),
    )
    const { document_title: _, ...rest } = place
    assert.deepEqual(dataOf(drafts, 'source'), [
      { url: 'https://a.example', title: 'A', type: 'web_search_result_location', cited_text: 'x' },
      { url: '', title: 'D', ...rest },
    ])
  })

  it('tell what the message cost, with what was known at its start', () => {
    assert.deepEqual(dataOf(read([start('m'), ...end({}, { cache_read_input_tokens: 4 })]), 'usage'), [
      { ...usage, output_tokens: 9, cache_read_input_tokens: 4 },
    ])
  })

  it('tell why an answer was refused, which is an answer', () => {
    const stop_details = { type: 'refusal', category: 'bio', explanation: 'Not that.' } as const
    const chunks = [start('m'), ...end({ stop_reason: 'refusal', stop_details })]
    assert.deepEqual(textsOf(read(chunks)), { 'refusal m/refusal': 'Not that.' })
    assert.equal(outcomeOf(chunks), null)
  })

  it('are an answer also when it grew too long', () => {
    for (const stop_reason of ['max_tokens', 'model_context_window_exceeded'] as const)
      assert.equal(outcomeOf([start('m'), ...end({ stop_reason })]), null)
  })

  it('that break off end what was open, and say that a call is not whole', () => {
    const cut = [
      start('m'),
      ...block(0, TEXT, ...says('a')).slice(0, 2),
      ...block(1, TOOL, ...input('{"a')).slice(0, 2),
    ]
    assert.deepEqual(short(read(cut)), [
      'message m/0 "a"',
      'message m/0 "" end',
      'tool_call {"id":"toolu","name":"add","input":"{\\"a","incomplete":true}',
    ])
    const full = read([...block(0, TOOL, ...input('{"a')), ...end({ stop_reason: 'max_tokens' })])
    assert.deepEqual(dataOf(full, 'tool_call'), [
      { id: 'toolu', name: 'add', input: '{"a', incomplete: true },
    ])
  })

  it('may begin a message before the last one ended', () => {
    const [begun, next] = [0, 1].map((index) => block(index, TEXT, ...says('a')).slice(0, 2))
    assert.deepEqual(short(read([start('m'), ...begun!, start('n'), ...next!])), [
      'message m/0 "a"',
      'message m/0 "" end',
      'message n/1 "a"',
      'message n/1 "" end',
    ])
  })

  it('may be an error, which the next message takes back', () => {
    const reader = anthropic.adapter()
    const error = {
      type: 'error',
      error: { type: 'overloaded_error', message: 'Overloaded' },
      request_id: null,
    }
    assert.deepEqual(short(reader.read(error)), ['error {"code":"overloaded_error","text":"Overloaded"}'])
    assert.deepEqual(reader.outcome?.(), { status: 'failed', code: 'overloaded_error' })
    reader.read(start('m'))
    assert.equal(reader.outcome?.(), null)
  })

  for (const [module, prefix] of [
    ['messages', ''],
    ['beta/messages', 'Beta'],
  ] as const) {
    const types = (union: string): string[] => [
      ...typesOfUnion(`@anthropic-ai/sdk/resources/${module}/messages`, prefix + union).values(),
    ]
    it(`of every kind that the SDK’s ${module} knows are known`, () => {
      const chunks = [
        ...types('RawMessageStreamEvent')
          .filter((type) => !/_start$|block_delta/.test(type))
          .map((type) => ({ type })),
        ...types('ContentBlock').map((type) => ({ type: 'content_block_start', content_block: { type } })),
        ...types('RawContentBlockDelta').map((type) => ({ type: 'content_block_delta', delta: { type } })),
        { type: 'ping' },
      ]
      assert.ok(chunks.length > 20)
      for (const chunk of chunks)
        assert.deepEqual(dataOf(read([chunk]), 'provider_chunk'), [], JSON.stringify(chunk))
    })
  }

  it('of a new kind are kept as they are', () => {
    const chunks = [
      { type: 'message_pause' },
      { type: 'content_block_start', content_block: { type: 'video' } },
      { type: 'content_block_delta', delta: { type: 'video_delta' } },
      7,
    ]
    const drafts = read(chunks)
    assert.deepEqual(dataOf(drafts, 'provider_chunk'), chunks)
    assert.deepEqual(
      drafts.map(({ content_type }) => content_type),
      ['message_pause', 'video', 'video_delta', 'unknown'],
    )
  })

  it('are known by their names', () => {
    const error = { type: 'api_error', message: 'Oh no' }
    for (const chunk of [start('m'), { type: 'content_block_stop' }, { type: 'error', error }])
      assert.ok(anthropic.recognises(chunk))
    for (const chunk of [
      { type: 'ping' },
      { type: 'error', error: {} },
      { type: 'response.created' },
      [],
      'x',
      null,
    ])
      assert.ok(!anthropic.recognises(chunk))
  })

  it('may be anything, and nothing throws', () => {
    const names =
      'type index message content_block delta id name input text thinking partial_json citation citations'
    const types =
      'message_start content_block_start content_block_delta content_block_stop message_delta message_stop error text ' +
      'thinking tool_use web_search_tool_result text_delta thinking_delta input_json_delta citations_delta refusal'
    const more = 'usage error tool_use_id content is_error stop_details explanation file_id url title source'
    const chunk = garbage(types.split(' '), `${names} ${more}`.split(' '))
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 8 }), (chunks) => takeAll(anthropic, chunks)),
      { ...SEED, numRuns: 1500 * TIMES },
    )
  })

  for (const name of recordingsOf('anthropic')) {
    it(`recorded in ${name} become what the SDK makes of them`, () =>
      assertLikeSdk(answersOf(recordedChunks<Event>(name), 'message_start')))
  }
})
