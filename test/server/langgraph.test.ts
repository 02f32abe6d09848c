import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AIMessage, AIMessageChunk, HumanMessage } from '@langchain/core/messages'
import fc from 'fast-check'
import { langGraph } from '../../server/adapters/langgraph.ts'
import { at, piece, read, update, whole } from './langgraph-chunks.ts'
import { dataOf, garbage, pieces, roughText, short, takeAll, textsOf } from './provider-chunks.ts'
import { SEED, TIMES } from './support.ts'

describe('messages of LangGraph', () => {
  it('are deltas of parts, ended when the provider says why it stopped', () => {
    const drafts = read(
      piece('Hel'),
      piece('lo'),
      piece('', { response_metadata: { finish_reason: 'stop' } }),
      ['custom', 'after'],
    )
    assert.deepEqual(short(drafts), [
      'message m/0 "Hel"',
      'message m/0 "lo"',
      'message m/0 "" end',
      'graph_event "after"',
    ])
    assert.equal(drafts[0]?.agent_source, 'agent')
  })

  it('have thoughts in blocks of many names, and beside the content', () => {
    const blocks = [
      { type: 'thinking', thinking: 'a' },
      { type: 'reasoning', reasoning: 'b' },
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'c' }] },
      { type: 'reasoning_content', reasoningText: { text: 'd' } },
      { type: 'reasoning_content', reasoning_content: { text: 'e' } },
    ]
    const beside = { additional_kwargs: { reasoning_content: 'f' } }
    const drafts = read(
      ...blocks.map((block) => piece([block])),
      piece('', beside),
      piece([{ type: 'text', text: 'g' }]),
    )
    assert.deepEqual(textsOf(drafts), { 'thought m/0': 'abcdef', 'message m/1': 'g' })
  })

  it('have a part for each block, under the block’s own index', () => {
    const text = (index: number, text: string): unknown => piece([{ type: 'text', index, text }])
    const drafts = read(text(1, 'a'), text(1, 'b'), text(4, 'c'), piece('d'))
    assert.deepEqual(textsOf(drafts), { 'message m/1': 'ab', 'message m/4': 'cd' })
  })

  it('have refusals, sources, files and what nobody knows', () => {
    const drafts = read(
      piece([{ type: 'refusal', refusal: 'No.' }]),
      piece([
        {
          type: 'text',
          text: 'x',
          annotations: [{ type: 'citation', url: 'https://a.example/', title: 'A' }],
        },
      ]),
      piece([{ type: 'image', mimeType: 'image/png', data: 'AA==' }]),
      piece([{ type: 'image', mimeType: 'image/png', data: new Uint8Array([1]) }]),
      piece([{ type: 'image_url', image_url: { url: 'https://b.example/' } }]),
      piece([{ type: 'from_tomorrow', text: 'y' }]),
    )
    assert.deepEqual(short(drafts), [
      'refusal m/0 "No."',
      'refusal m/0 "" end',
      'message m/1 "x"',
      'source {"url":"https://a.example/","title":"A"}',
      'file {"media_type":"image/png","data":"AA=="}',
      'file {"media_type":"image/png","data":"AQ=="}',
      'file {"media_type":"","url":"https://b.example/"}',
      'provider_chunk {"type":"from_tomorrow","text":"y"}',
      'message m/1 "" end',
    ])
  })

  it('say who speaks by the namespace, or at the root by the node', () => {
    const message = { type: 'AIMessageChunk', id: 'm', content: 'a' }
    const deep = { langgraph_node: 'n', langgraph_checkpoint_ns: 'team:1|sub:2|n:3' }
    const speakers = [
      ['messages', [message, at('agent')]],
      [[], 'messages', [message, at('agent')]],
      [['team:1', 'sub:2'], 'messages', [message, deep]],
      ['messages', [message, deep]],
      { event: 'messages|team:1|sub:2', data: [message, deep] },
      [message, {}],
    ].map((chunk) => read(chunk)[0]?.agent_source)
    assert.deepEqual(speakers, ['agent', 'agent', 'team:1|sub:2', 'team:1|sub:2', 'team:1|sub:2', undefined])
  })

  it('keep the parts of strange and long ids apart', () => {
    const ids = ['a/b', 'a_b', 'x'.repeat(200), `${'x'.repeat(200)}y`, '\u0000', '\ud83c', '..', '']
    const drafts = read(...ids.map((id) => [{ type: 'AIMessageChunk', id, content: 'a' }, {}]))
    assert.equal(new Set(drafts.map(({ part }) => part)).size, ids.length)
    assert.doesNotThrow(() => takeAll(langGraph, [[{ type: 'AIMessageChunk', id: '..', content: 'a' }, {}]]))
  })
})

describe('updates of LangGraph', () => {
  it('alone tell their messages', () => {
    const drafts = read(update(new HumanMessage('Hi'), new AIMessage({ id: 'm', content: 'Hello' })))
    assert.deepEqual(short(drafts), ['message m/0 "Hello"', 'message m/0 "" end'])
  })

  it('tell what a stream that was joined late did not bring', () => {
    assert.deepEqual(textsOf(read(piece('Hel'), update(whole('Hello')))), { 'message m/0': 'Hello' })
  })

  it('are kept with what a node made of its model’s words', () => {
    const drafts = read(piece('Hello'), update(whole('HELLO')))
    assert.deepEqual(textsOf(drafts), { 'message m/0': 'Hello' })
    assert.deepEqual(dataOf(drafts, 'graph_event'), [{ agent: { messages: [whole('HELLO')] } }])
  })

  it('are kept without their messages when they hold more, and not at all when a node changed nothing', () => {
    const drafts = read(piece('a'), ['updates', { agent: { messages: [whole('a')], plan: [1] }, idle: null }])
    assert.deepEqual(dataOf(drafts, 'graph_event'), [{ agent: { plan: [1] } }])
    assert.deepEqual(read(['updates', { idle: null }]), [])
  })

  it('are kept when they ask for a person', () => {
    const asked = { __interrupt__: [{ id: 'i', value: 'Go on?' }] }
    const [draft] = read(['updates', asked])
    assert.deepEqual([draft?.content_type, draft?.event_data], ['updates', asked])
  })

  it('do not bring up what earlier runs said', () => {
    const history = [
      new AIMessage({ id: 'old', content: 'Yesterday' }),
      new HumanMessage({ id: 'h', content: 'Hi' }),
    ]
    const drafts = read(piece('a'), update(...history, whole('a')))
    assert.deepEqual(textsOf(drafts), { 'message m/0': 'a' })
    assert.deepEqual(dataOf(drafts, 'graph_event'), [])
  })

  it('show a text once, however it was cut', () => {
    fc.assert(
      fc.property(pieces, pieces, (streamed, rest) => {
        const text = [...streamed, ...rest].join('')
        const chunks = [...streamed.map((part) => piece(part)), update(whole(text)), update(whole(text))]
        assert.equal(Object.values(textsOf(read(...chunks))).join(''), text)
      }),
      { ...SEED, numRuns: 200 * TIMES },
    )
  })
})

describe('LangGraph chunks', () => {
  it('have the same names when a stream is read again', () => {
    const chunks = [piece('a'), piece([{ type: 'thinking', thinking: 'b' }]), piece('c'), update(whole('ac'))]
    assert.deepEqual(read(...chunks), read(...chunks))
  })

  it('may be what a model’s own stream yields', () => {
    const chunks = ['a', 'b'].map((content) => new AIMessageChunk({ id: 'm', content }))
    assert.ok(langGraph.recognises(chunks[0]) && langGraph.recognises(JSON.parse(JSON.stringify(chunks[0]))))
    assert.deepEqual(textsOf(read(...chunks)), { 'message m/0': 'ab' })
  })

  it('are not those of others', () => {
    const others = [
      { type: 'response.created', response: {} },
      { choices: [{ delta: { content: 'a' } }] },
      { type: 'text-delta', id: 'x', delta: 'a' },
      { type: 'message_start', message: { role: 'assistant', content: [] } },
      { event_type: 'thought', event_data: 'a' },
      { event: 'done', data: 'a' },
      'a',
      5,
      null,
      [],
      ['a', 'b'],
      {},
      [[], {}],
    ]
    for (const chunk of others) assert.equal(langGraph.recognises(chunk), false, JSON.stringify(chunk))
  })

  it('may be anything, and nothing throws or is refused', () => {
    const types =
      'ai AIMessageChunk AIMessage tool human remove text thinking tool_use input_json_delta constructor'
    const names =
      'type id content lc kwargs data event messages tool_calls tool_call_chunks index args name tool_call_id run_id ' +
      'chunk output metadata langgraph_node usage_metadata response_metadata additional_kwargs agent lc_id event_type'
    const node = garbage(
      [
        ...types.split(' '),
        'on_chat_model_stream',
        'on_chat_model_end',
        'on_tool_start',
        'on_tool_end',
        'messages',
      ],
      names.split(' '),
    )
    const mode = fc.constantFrom(
      'messages',
      'updates',
      'custom',
      'tools',
      'values',
      'error',
      'end',
      'messages/partial',
    )
    const chunk = fc.oneof(
      node,
      fc.tuple(mode, node),
      fc.tuple(mode, fc.tuple(node, node)),
      fc.tuple(fc.array(roughText, { maxLength: 2 }), mode, node),
      fc.record({ event: mode, data: node }),
      node.map((messages) => ['updates', { agent: { messages: [messages] } }]),
    )
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 6 }), (chunks) => takeAll(langGraph, chunks)),
      { ...SEED, numRuns: 1500 * TIMES },
    )
  })
})
