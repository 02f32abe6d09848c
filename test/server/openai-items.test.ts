import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ResponseOutputItem, ResponseOutputText } from 'openai/resources/responses/responses'
import { openaiResponses } from '../../server/adapters/openai-responses.ts'
import { draftsOf, short } from './provider-chunks.ts'

/** What an item becomes that is told when it is done; fields that the API has and the SDK's types have not may be added. */
const done = (item: ResponseOutputItem, more: object = {}): string[] =>
  short(
    draftsOf(openaiResponses, [
      { type: 'response.output_item.done', sequence_number: 0, output_index: 0, item: { ...item, ...more } },
    ]),
  )

describe('items of a Responses API answer', () => {
  it('that search the web are a call, and a result when the sources were asked for', () => {
    const action = { type: 'search', query: 'q' } as const
    const item = { type: 'web_search_call', id: 'ws', status: 'completed', action } as const
    const call = 'tool_call {"id":"ws","name":"web_search","input":{"type":"search","query":"q"}}'
    assert.deepEqual(done(item), [call])
    const sources = [{ type: 'url' as const, url: 'https://a.example' }]
    assert.deepEqual(done({ ...item, action: { ...action, sources } }), [
      call,
      'tool_result {"id":"ws","name":"web_search","output":[{"type":"url","url":"https://a.example"}]}',
    ])
  })

  it('that failed say so', () => {
    assert.deepEqual(
      done({ type: 'file_search_call', id: 'fs', status: 'failed', queries: ['q'], results: null }),
      [
        'tool_call {"id":"fs","name":"file_search","input":{"queries":["q"]}}',
        'tool_result {"id":"fs","name":"file_search","output":null,"is_error":true}',
      ],
    )
    const error = { type: 'http_error', code: 502, message: 'No.' } as const
    const mcp = {
      type: 'mcp_call',
      id: 'm',
      name: 'ask',
      server_label: 's',
      arguments: '{}',
      error,
    } as const
    const call = 'tool_call {"id":"m","name":"ask","input":{},"server_label":"s"}'
    assert.deepEqual(done(mcp), [
      call,
      `tool_result {"id":"m","name":"ask","output":${JSON.stringify(error)},"is_error":true}`,
    ])
    // As it was told before there were objects for it.
    assert.deepEqual(done(mcp, { error: 'No.' }), [
      call,
      'tool_result {"id":"m","name":"ask","output":"No.","is_error":true}',
    ])
  })

  it('that found files have them as result', () => {
    const results = [{ file_id: 'f', filename: 'a.md', score: 1, text: 'x' }]
    assert.deepEqual(
      done({ type: 'file_search_call', id: 'fs', status: 'completed', queries: ['q'], results }),
      [
        'tool_call {"id":"fs","name":"file_search","input":{"queries":["q"]}}',
        `tool_result {"id":"fs","name":"file_search","output":${JSON.stringify(results)}}`,
      ],
    )
  })

  it('that use a computer are a call, and what was seen a result', () => {
    const action = { type: 'screenshot' } as const
    assert.deepEqual(
      done({
        type: 'computer_call',
        id: 'i',
        call_id: 'c',
        status: 'completed',
        pending_safety_checks: [],
        action,
      }),
      ['tool_call {"id":"c","name":"computer","input":{"type":"screenshot"},"pending_safety_checks":[]}'],
    )
    const output = { type: 'computer_screenshot', image_url: 'https://a.example/i.png' } as const
    assert.deepEqual(
      done({ type: 'computer_call_output', id: 'o', call_id: 'c', status: 'completed', output }),
      [`tool_result {"id":"c","name":"computer","output":${JSON.stringify(output)}}`],
    )
  })

  it('that are images are files', () => {
    const item = { type: 'image_generation_call', id: 'ig', status: 'completed', result: 'aGk=' } as const
    assert.deepEqual(done(item), ['file {"media_type":"image/png","data":"aGk="}'])
    assert.deepEqual(done(item, { output_format: 'webp' }), [
      'file {"media_type":"image/webp","data":"aGk="}',
    ])
    assert.deepEqual(done({ ...item, status: 'failed', result: null }), [
      'tool_result {"id":"ig","name":"image_generation","output":null,"is_error":true}',
    ])
  })

  it('that ask for leave say which tool is to be used', () => {
    assert.deepEqual(
      done({
        type: 'mcp_approval_request',
        id: 'a',
        name: 'send',
        server_label: 's',
        arguments: '{"to":"x"}',
      }),
      ['tool_approval_request {"id":"a","name":"send","input":{"to":"x"},"server_label":"s"}'],
    )
  })

  it('whose input did not come to its end say so', () => {
    const item = {
      type: 'function_call',
      id: 'i',
      call_id: 'c',
      name: 'f',
      arguments: '{"a',
      status: 'incomplete',
    } as const
    assert.deepEqual(done(item), ['tool_call {"id":"c","name":"f","input":"{\\"a","incomplete":true}'])
  })
})

describe('sources in a Responses API answer', () => {
  const page = {
    type: 'url_citation',
    url: 'https://a.example',
    title: 'A',
    start_index: 0,
    end_index: 1,
  } as const
  const file = { type: 'file_citation', file_id: 'f', filename: 'a.md', index: 1 } as const
  const at = { item_id: 'm', output_index: 0, content_index: 0 }
  const told = (annotation: unknown, index: number): unknown => ({
    type: 'response.output_text.annotation.added',
    annotation_index: index,
    annotation,
    ...at,
  })
  const item = (annotations: ResponseOutputText['annotations']): unknown => ({
    type: 'response.output_item.done',
    output_index: 0,
    item: {
      type: 'message',
      id: 'm',
      role: 'assistant',
      content: [{ type: 'output_text', text: '', annotations }],
    },
  })
  const expected = [
    'source {"url":"https://a.example","title":"A","type":"url_citation","start_index":0,"end_index":1}',
    'source {"url":"","title":"a.md","type":"file_citation","file_id":"f","filename":"a.md","index":1}',
  ]

  it('are told once, be it as they come or at the end', () => {
    for (const chunks of [[told(page, 0), told(file, 1)], [told(page, 0)], []])
      assert.deepEqual(short(draftsOf(openaiResponses, [...chunks, item([page, file])])), expected)
  })
})
