import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ToolMessage } from '@langchain/core/messages'
import type {
  EndStreamEvent,
  ErrorStreamEvent,
  MessagesStreamEvent,
  MessagesTupleStreamEvent,
  UpdatesStreamEvent,
} from '@langchain/langgraph-sdk'
import { langGraph } from '../../server/adapters/langgraph.ts'
import { at, piece, read, update, whole } from './langgraph-chunks.ts'
import { dataOf, short, textsOf } from './provider-chunks.ts'

describe('tool calls of LangGraph', () => {
  const call = (index: number | undefined, args: string, id?: string, name?: string): object => ({
    index,
    args,
    id,
    name,
  })
  const calls = (...tool_call_chunks: object[]): unknown => piece('', { tool_call_chunks })
  const result = new ToolMessage({ tool_call_id: 'c1', name: 'look', content: 'moss', status: 'error' })

  it('are told once when their result comes, with the result', () => {
    const chunks = [
      calls(call(0, '{"a":', 'c1', 'look'), call(1, '', 'c2', 'wait')),
      calls(call(0, '1}'), call(1, '{}')),
      ['messages', [result, at('tools')]],
      update(whole('', { tool_calls: [{ id: 'c1', name: 'look', args: { a: 1 } }] })),
      ['updates', { tools: { messages: [result] } }],
    ]
    assert.deepEqual(short(read(...chunks)), [
      'tool_call {"id":"c1","name":"look","input":{"a":1}}',
      'tool_call {"id":"c2","name":"wait","input":{}}',
      'tool_result {"id":"c1","name":"look","output":"moss","is_error":true}',
    ])
  })

  it('are whole at the end if they can be read, and cut off if not', () => {
    const chunks = [calls(call(0, '{"a":1}', 'c1', 'look')), calls(call(1, '{"b', 'c2', 'wait'))]
    assert.deepEqual(dataOf(read(...chunks), 'tool_call'), [
      { id: 'c1', name: 'look', input: { a: 1 } },
      { id: 'c2', name: 'wait', input: '{"b', incomplete: true },
    ])
  })

  it('do not join without an index, nor under one index with another id', () => {
    const chunks = [
      calls(call(undefined, '{"a":1}', 'c1', 'look'), call(undefined, '{"a":2}', 'c2', 'look')),
      calls(call(0, '{"a":3}', 'c3', 'look')),
      calls(call(0, '{"a":4}', 'c4', 'look')),
    ]
    assert.deepEqual(
      dataOf(read(...chunks), 'tool_call').map((data) => (data as { input: unknown }).input),
      [{ a: 1 }, { a: 2 }, { a: 3 }, { a: 4 }],
    )
  })

  it('are found in blocks where that is the only place, those of the provider’s own tools too', () => {
    const chunks = [
      piece([{ type: 'server_tool_use', index: 1, id: 's1', name: 'web_search', input: {} }]),
      piece([{ type: 'input_json_delta', index: 1, input: '{"q":"a"}' }]),
      piece([{ type: 'web_search_tool_result', index: 2, tool_use_id: 's1', content: [] }]),
      piece([{ type: 'tool_use', index: 3, id: 'c1', name: 'look', input: '' }]),
      piece([{ type: 'input_json_delta', index: 3, input: '{"a":1}' }]),
    ]
    assert.deepEqual(short(read(...chunks)), [
      'tool_call {"id":"s1","name":"web_search","input":{"q":"a"}}',
      'tool_result {"id":"s1","name":"web_search_tool_result","output":[]}',
      'tool_call {"id":"c1","name":"look","input":{"a":1}}',
    ])
  })

  it('of streamEvents without a model are told by the tool itself, its error without the stack', () => {
    const event = (event: string, data: object): object => ({
      event,
      name: 'look',
      run_id: 'r1',
      data,
      metadata: {},
    })
    const error = 'Bad moss.\n\nError: Bad moss.\n    at look (/srv/app.js:1:1)\n    at run (/srv/app.js:2:2)'
    const chunks = [
      event('on_tool_start', { input: { input: '{"a":1}' } }),
      event('on_tool_error', { error }),
    ]
    assert.deepEqual(short(read(...chunks)), [
      'tool_call {"id":"r1","name":"look","input":{"a":1}}',
      'tool_result {"id":"r1","name":"look","output":"Bad moss.","is_error":true}',
    ])
  })
})

describe('LangGraph’s platform', () => {
  it('sends messages that grow', () => {
    const grown = (content: string, more = {}): unknown => ({
      event: 'messages/partial',
      data: [{ type: 'ai', id: 'm', content, ...more }],
    })
    const tool_calls = [{ id: 'c', name: 'look', args: { a: 1 } }]
    const chunks = [
      { event: 'metadata', data: { run_id: 'r', thread_id: 't' } },
      { event: 'messages/metadata', data: { m: { metadata: at('agent') } } } satisfies MessagesStreamEvent,
      grown('Hel'),
      grown('Hello', { tool_calls: [{ id: 'c', name: 'look', args: {} }] }),
      grown('Hello!', { tool_calls }),
      {
        event: 'messages/complete',
        data: [{ type: 'tool', tool_call_id: 'c', content: 'moss' }],
      } satisfies MessagesStreamEvent,
      { event: 'end', data: null } satisfies EndStreamEvent,
    ]
    assert.ok(langGraph.recognises(chunks[0]))
    const drafts = read(...chunks)
    assert.deepEqual(short(drafts), [
      'message m/0 "Hel"',
      'message m/0 "lo"',
      'message m/0 "!"',
      'message m/0 "" end',
      'tool_call {"id":"c","name":"look","input":{"a":1}}',
      'tool_result {"id":"c","name":"","output":"moss"}',
    ])
    assert.equal(drafts[0]?.agent_source, 'agent')
  })

  it('sends pieces that do not say so', () => {
    const tuple = (content: string): MessagesTupleStreamEvent => ({
      event: 'messages',
      data: [{ type: 'ai', id: 'm', content }, { tags: [] }],
    })
    const end = {
      event: 'updates',
      data: { agent: { messages: [whole('aab')] } },
    } satisfies UpdatesStreamEvent<object>
    assert.deepEqual(textsOf(read(tuple('a'), tuple('a'), tuple('b'), end)), { 'message m/0': 'aab' })
  })

  it('tells how a run ended', () => {
    const outcome = (...chunks: unknown[]): unknown => {
      const reader = langGraph.adapter()
      for (const chunk of chunks) reader.read(chunk)
      return reader.outcome?.()
    }
    const end = (status: NonNullable<EndStreamEvent['data']>['status']): EndStreamEvent => ({
      event: 'end',
      data: { run_id: 'r', status },
    })
    const error = {
      event: 'error',
      data: { error: 'TimeoutError', message: 'Too slow.' },
    } satisfies ErrorStreamEvent
    assert.deepEqual(dataOf(read(error), 'error'), [{ code: 'TimeoutError', text: 'Too slow.' }])
    assert.deepEqual(outcome(error, end('error')), { status: 'failed', code: 'TimeoutError' })
    assert.deepEqual(outcome(end('timeout')), { status: 'failed', code: 'timeout' })
    assert.deepEqual(outcome(end('interrupted')), { status: 'stopped', code: 'interrupted' })
    assert.equal(outcome(end('success')), null)
  })
})
