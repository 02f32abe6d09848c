import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { chunkDecoder } from '../../server/adapters/chunk-decoder.ts'
import { langGraph } from '../../server/adapters/langgraph.ts'
import type { Draft } from '../../server/drafts.ts'
import { type Json, textOf } from '../../server/protocol.ts'
import { agent, answering, asking, input, joined } from './langgraph-agent.ts'

async function listed(stream: AsyncIterable<unknown> | Promise<AsyncIterable<unknown>>): Promise<unknown[]> {
  const chunks: unknown[] = []
  for await (const chunk of await stream) chunks.push(chunk)
  return chunks
}

function read(chunks: readonly unknown[]): Draft[] {
  const reader = langGraph.adapter()
  return [...chunks.flatMap((chunk) => reader.read(chunk)), ...reader.finish()]
}

/** What a reader of the log sees of the answer: texts by kind, calls and results. */
function told(drafts: readonly Draft[]): Json {
  const text = (kind: string): string =>
    drafts
      .filter(({ event_type, content_type }) => event_type === 'llm_chunk' && content_type === kind)
      .map(({ event_data }) => textOf(event_data ?? null))
      .join('')
  const data = (type: string): Json[] =>
    drafts.filter(({ event_type }) => event_type === type).map(({ event_data }) => event_data ?? null)
  return {
    thought: text('thought'),
    message: text('message'),
    calls: data('tool_call'),
    results: data('tool_result'),
  }
}

const MODES = ['messages', 'updates', 'custom', 'tools'] as const
const streams: Record<string, () => Promise<unknown[]>> = {
  'several modes': () => listed(agent.stream(input(), { streamMode: [...MODES] })),
  'several modes with subgraphs': () =>
    listed(agent.stream(input(), { streamMode: [...MODES], subgraphs: true })),
  'messages alone': () => listed(agent.stream(input(), { streamMode: 'messages' })),
  'messages alone with subgraphs': () =>
    listed(agent.stream(input(), { streamMode: 'messages', subgraphs: true })),
  'updates alone': () => listed(agent.stream(input(), { streamMode: 'updates' })),
  'updates alone with subgraphs': () =>
    listed(agent.stream(input(), { streamMode: 'updates', subgraphs: true })),
  'all modes': () =>
    listed(
      agent.stream(input(), {
        streamMode: ['values', 'debug', 'tasks', 'checkpoints', ...MODES],
        subgraphs: true,
      }),
    ),
  'streamEvents v2': () => listed(agent.streamEvents(input(), { version: 'v2' })),
  'server-sent events': async () => {
    const bytes = await listed(
      agent.stream(input(), { streamMode: [...MODES], subgraphs: true, encoding: 'text/event-stream' }),
    )
    const decoder = chunkDecoder()
    return [...bytes.flatMap((piece) => decoder.decode(piece)), ...decoder.end()]
  },
}
for (const name of ['several modes with subgraphs', 'messages alone', 'updates alone', 'streamEvents v2'])
  streams[`${name}, as JSON`] = async () => JSON.parse(JSON.stringify(await streams[name]!())) as unknown[]

describe('a real LangGraph agent', () => {
  const [first, second] = [joined(asking()), joined(answering())]
  const expected = {
    thought: asking()
      .flatMap(({ content }) => (Array.isArray(content) ? content : []))
      .map((block) => ('thinking' in block ? block['thinking'] : ''))
      .join(''),
    message: first.text + second.text,
    calls: (first.tool_calls ?? []).map(({ id = '', name, args }) => ({ id, name, input: args as Json })),
    results: [{ id: 'call_1', name: 'look', output: 'found moss' }],
  }

  for (const [name, stream] of Object.entries(streams)) {
    it(`is told once and whole: ${name}`, async () => {
      const chunks = await stream()
      assert.deepEqual(told(read(chunks)), expected)
    })

    it(`is recognised by its first chunk: ${name}`, async () => {
      const [chunk] = await stream()
      assert.ok(langGraph.recognises(chunk), JSON.stringify(chunk))
    })

    it(`has every part ended once, and no chunk that is unknown: ${name}`, async () => {
      const drafts = read(await stream())
      const parts = new Set(drafts.flatMap(({ part }) => part ?? []))
      assert.equal(drafts.filter(({ part_done }) => part_done).length, parts.size)
      assert.deepEqual(
        drafts.filter(({ event_type }) => event_type === 'provider_chunk'),
        [],
      )
    })
  }

  it('names parts after the message and its blocks, and says who speaks', async () => {
    const drafts = read(await streams['several modes with subgraphs']!())
    const parts = [
      ...new Set(drafts.flatMap(({ part, agent_source }) => (part ? `${agent_source} ${part}` : []))),
    ]
    assert.deepEqual(parts.slice(0, 2), ['asker msg_1/0', 'asker msg_1/1'])
    assert.match(parts[2] ?? '', /^team:[-0-9a-f]{36} run-[-0-9a-f]{36}\/0$/)
    const results = read(await streams['messages alone']!()).filter(
      ({ event_type }) => event_type === 'tool_result',
    )
    assert.deepEqual(
      results.map(({ agent_source }) => agent_source),
      ['tools'],
    )
  })

  it('says who speaks in streamEvents too', async () => {
    const drafts = read(await streams['streamEvents v2']!())
    const speakers = new Set(drafts.map(({ agent_source }) => agent_source?.replace(/:.*/, ':')))
    assert.deepEqual([...speakers], ['asker', 'tools', 'team:'])
  })

  it('has its own events, its other custom payloads, and what updates hold beside messages', async () => {
    const drafts = read(await streams['several modes with subgraphs']!())
    const others = drafts.filter(({ event_type }) => ['progress', 'graph_event'].includes(event_type))
    assert.deepEqual(
      others.map(({ event_type, content_type, event_data }) => [event_type, content_type, event_data]),
      [
        ['progress', undefined, 'moss'],
        ['graph_event', 'custom', 'looking at moss'],
        ['graph_event', 'updates', { planner: { plan: 'answer' } }],
      ],
    )
  })

  it('has its custom events in streamEvents', async () => {
    const drafts = read(await streams['streamEvents v2']!())
    assert.deepEqual(
      drafts.filter(({ content_type }) => content_type === 'custom').map(({ event_data }) => event_data),
      [{ name: 'glance', data: { at: 'moss' } }],
    )
  })

  it('tells what its model cost, once', async () => {
    for (const name of ['several modes', 'updates alone', 'streamEvents v2']) {
      const usages = read(await streams[name]!()).filter(({ event_type }) => event_type === 'usage')
      assert.equal(usages.length, 1, name)
      assert.partialDeepStrictEqual(usages[0]?.event_data, {
        input_tokens: 3,
        output_tokens: 4,
        total_tokens: 7,
      })
    }
  })
})

describe('the kinds that LangGraph and LangChain know', () => {
  const modules = dirname(
    dirname(createRequire(import.meta.url).resolve('@langchain/langgraph/package.json')),
  )
  const source = (path: string): string => readFileSync(join(modules, path), 'utf8')
  const isKept = (chunk: unknown): boolean =>
    read([chunk]).every(({ event_type }) => event_type !== 'provider_chunk')

  it('are the modes of the graph', () => {
    const union = /type StreamMode = (.*);/.exec(source('langgraph/dist/pregel/types.d.ts'))?.[1] ?? ''
    const modes = [...union.matchAll(/"([\w-]+)"/g)].map(([, mode]) => mode!)
    assert.ok(modes.length >= 8)
    for (const mode of modes.filter((mode) => mode !== 'messages'))
      for (const chunk of [
        [mode, {}],
        [['a:1'], mode, {}],
      ])
        assert.ok(isKept(chunk) && langGraph.recognises(chunk), mode)
  })

  it('are the events of the platform', () => {
    const names = source('langgraph-sdk/dist/types.stream.d.ts').matchAll(/^ {2}event: ["`]([\w/]+)/gm)
    const events = new Set([...names].map(([, name]) => name!))
    assert.ok(events.size >= 15)
    for (const event of events)
      if (!event.startsWith('on_') && event !== 'messages')
        assert.ok(isKept({ event, data: { event: 'on_chain_start' } }), event)
  })

  it('are the events of streamEvents', () => {
    const names = source('core/dist/tracers/event_stream.js').matchAll(/["`](on_[a-z_]+)["`]/g)
    for (const event of new Set([...names].map(([, name]) => name!)))
      assert.ok(
        isKept({ event, run_id: 'r', name: 'n', metadata: {}, data: { chunk: { text: 'a' } } }),
        event,
      )
  })

  it('are the content blocks', () => {
    const names = ['tools', 'multimodal', 'index'].flatMap((file) => [
      ...source(`core/dist/messages/content/${file}.d.ts`).matchAll(/readonly type: "([\w-]+)"/g),
    ])
    const types = new Set(names.map(([, name]) => name!))
    assert.ok(types.size >= 15)
    // It stands in a list of annotations, never for itself.
    types.delete('citation')
    for (const type of types) {
      const block = {
        type,
        text: 'a',
        reasoning: 'a',
        refusal: 'a',
        id: 'c',
        name: 'n',
        url: 'https://a.example/',
      }
      assert.ok(isKept([{ type: 'ai', id: 'm', content: [block] }, {}]), type)
    }
  })
})
