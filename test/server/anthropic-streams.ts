/** Small streams of the Messages API, written by its SDK's types. */
import type {
  Message,
  RawContentBlockDelta,
  RawMessageStreamEvent,
  TextBlock,
  ToolUseBlock,
} from '@anthropic-ai/sdk/resources/messages/messages'

export type Event = RawMessageStreamEvent
type Block = Extract<Event, { readonly type: 'content_block_start' }>['content_block']
type Delta = Extract<Event, { readonly type: 'message_delta' }>

export const caller = { type: 'direct' } as const

/** What a message cost so far when it starts. */
export const usage = {
  cache_creation: null,
  cache_creation_input_tokens: null,
  cache_read_input_tokens: null,
  inference_geo: null,
  input_tokens: 3,
  output_tokens: 1,
  output_tokens_details: null,
  server_tool_use: null,
  service_tier: null,
  speed: null,
} satisfies Message['usage']

export function start(id: string): Event {
  const message = {
    id,
    type: 'message',
    role: 'assistant',
    model: 'claude-sonnet-4-5',
    content: [],
    container: null,
    stop_details: null,
    stop_reason: null,
    stop_sequence: null,
    diagnostics: null,
    usage: { ...usage },
  } satisfies Message
  return { type: 'message_start', message }
}

export function block(index: number, content_block: Block, ...deltas: RawContentBlockDelta[]): Event[] {
  return [
    { type: 'content_block_start', index, content_block: { ...content_block } },
    ...deltas.map((delta): Event => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ]
}

export function end(delta: Partial<Delta['delta']> = {}, counts: Partial<Delta['usage']> = {}): Event[] {
  return [
    {
      type: 'message_delta',
      delta: { container: null, stop_details: null, stop_reason: 'end_turn', stop_sequence: null, ...delta },
      usage: {
        cache_creation_input_tokens: null,
        cache_read_input_tokens: null,
        input_tokens: null,
        output_tokens: 9,
        output_tokens_details: null,
        server_tool_use: null,
        ...counts,
      },
    },
    { type: 'message_stop' },
  ]
}

export const TEXT: TextBlock = { type: 'text', text: '', citations: null }
export const THINKING: Block = { type: 'thinking', thinking: '', signature: '' }
export const TOOL: ToolUseBlock = { type: 'tool_use', id: 'toolu', name: 'add', input: {}, caller }
export const SEARCH: Block = { type: 'server_tool_use', id: 'srv', name: 'web_search', input: {}, caller }
export const FOUND: Block = {
  type: 'web_search_tool_result',
  tool_use_id: 'srv',
  caller,
  content: [
    {
      type: 'web_search_result',
      title: 'A',
      url: 'https://a.example',
      encrypted_content: 'x',
      page_age: null,
    },
  ],
}
export const input = (...texts: string[]): RawContentBlockDelta[] =>
  texts.map((partial_json) => ({ type: 'input_json_delta', partial_json }))
export const says = (...texts: string[]): RawContentBlockDelta[] =>
  texts.map((text) => ({ type: 'text_delta', text }))
export const thinks = (...texts: string[]): RawContentBlockDelta[] =>
  texts.map((thinking) => ({ type: 'thinking_delta', thinking }))

export function wholeMessage(id: string): Event[] {
  return [
    start(id),
    ...block(0, THINKING, ...thinks('Hm', '…'), { type: 'signature_delta', signature: 'sig' }),
    ...block(1, { type: 'redacted_thinking', data: 'x' }),
    ...block(2, SEARCH, ...input('', '{"query": "a', '"}')),
    ...block(3, FOUND),
    ...block(4, TEXT, ...says('Hel', 'lo')),
    ...block(5, { ...TEXT, text: 'All at once' }),
    ...block(6, TOOL, ...input('{"a":', '1}')),
    ...block(7, { ...TOOL, input: { all: 'at once' } }),
    ...end({ stop_reason: 'tool_use' }),
  ]
}
