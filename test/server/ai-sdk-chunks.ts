/** What the AI SDK streams, one of each kind. */
import type { TextStreamPart, ToolSet, UIMessageChunk } from 'ai'

type Part = TextStreamPart<ToolSet>
/** One of each kind, so that the compiler finds one that is missing and a field that has another name. */
type OneOfEach<Chunk extends { type: string }> = {
  [Kind in Chunk['type'] as Kind extends `data-${string}` ? never : Kind]: Extract<Chunk, { type: Kind }>
}

/** What an answer cost. */
export const USAGE = { inputTokens: 3, outputTokens: 4, totalTokens: 7 } as Extract<
  Part,
  { type: 'finish' }
>['totalUsage']
const file = { base64: 'aGk=', uint8Array: new Uint8Array([104, 105]), mediaType: 'text/plain' }
const call = { toolCallId: 'c', toolName: 'find', input: { q: 'x' }, dynamic: true } as const
const end = { finishReason: 'stop', rawFinishReason: 'stop' } as const

/** The parts of `fullStream`. */
export const PARTS = {
  start: { type: 'start' },
  'start-step': { type: 'start-step', request: {}, warnings: [] },
  'text-start': { type: 'text-start', id: '0' },
  'text-delta': { type: 'text-delta', id: '0', text: 'a' },
  'text-end': { type: 'text-end', id: '0' },
  'reasoning-start': { type: 'reasoning-start', id: '0' },
  'reasoning-delta': { type: 'reasoning-delta', id: '0', text: 'a' },
  'reasoning-end': { type: 'reasoning-end', id: '0' },
  'tool-input-start': { type: 'tool-input-start', id: 'c', toolName: 'find' },
  'tool-input-delta': { type: 'tool-input-delta', id: 'c', delta: '{"q":' },
  'tool-input-end': { type: 'tool-input-end', id: 'c' },
  'tool-call': { type: 'tool-call', ...call },
  'tool-result': { type: 'tool-result', ...call, output: [1] },
  'tool-error': { type: 'tool-error', ...call, error: 'no such city' },
  'tool-output-denied': { type: 'tool-output-denied', toolCallId: 'c', toolName: 'find' },
  'tool-approval-request': {
    type: 'tool-approval-request',
    approvalId: 'a',
    toolCall: { type: 'tool-call', ...call },
    signature: 's',
  },
  'tool-approval-response': {
    type: 'tool-approval-response',
    approvalId: 'a',
    toolCall: { type: 'tool-call', ...call },
    approved: true,
  },
  source: { type: 'source', sourceType: 'url', id: 's1', url: 'https://a.test', title: 'A' },
  file: { type: 'file', file },
  'reasoning-file': { type: 'reasoning-file', file },
  'steering-message': {
    type: 'steering-message',
    id: 'u',
    message: { role: 'user', content: 'Shorter.' },
    stepNumber: 1,
  },
  custom: { type: 'custom', kind: 'openai.compaction' },
  'finish-step': {
    type: 'finish-step',
    response: { id: 'r', timestamp: new Date(0), modelId: 'm' },
    usage: USAGE,
    performance: {} as Extract<Part, { type: 'finish-step' }>['performance'],
    providerMetadata: undefined,
    ...end,
  },
  finish: { type: 'finish', totalUsage: USAGE, ...end },
  abort: { type: 'abort', reason: 'enough' },
  error: { type: 'error', error: new Error('secret') },
  raw: { type: 'raw', rawValue: {} },
  ping: { type: 'ping' },
} satisfies OneOfEach<Part>

/** The chunks of a UI message stream. */
export const CHUNKS = {
  start: { type: 'start', messageId: 'm' },
  'start-step': { type: 'start-step' },
  'text-start': { type: 'text-start', id: '0' },
  'text-delta': { type: 'text-delta', id: '0', delta: 'a' },
  'text-end': { type: 'text-end', id: '0' },
  'reasoning-start': { type: 'reasoning-start', id: '0' },
  'reasoning-delta': { type: 'reasoning-delta', id: '0', delta: 'a' },
  'reasoning-end': { type: 'reasoning-end', id: '0' },
  'tool-input-start': { type: 'tool-input-start', toolCallId: 'c', toolName: 'find' },
  'tool-input-delta': { type: 'tool-input-delta', toolCallId: 'c', inputTextDelta: '{"q":' },
  'tool-input-available': { type: 'tool-input-available', ...call },
  'tool-input-error': { type: 'tool-input-error', ...call, errorText: 'no q' },
  'tool-output-available': { type: 'tool-output-available', toolCallId: 'c', output: [1] },
  'tool-output-error': { type: 'tool-output-error', toolCallId: 'c', errorText: 'no such city' },
  'tool-output-denied': { type: 'tool-output-denied', toolCallId: 'c' },
  'tool-approval-request': {
    type: 'tool-approval-request',
    approvalId: 'a',
    toolCallId: 'c',
    signature: 's',
  },
  'tool-approval-response': {
    type: 'tool-approval-response',
    approvalId: 'a',
    approved: false,
    reason: 'no',
  },
  'source-url': { type: 'source-url', sourceId: 's1', url: 'https://a.test', title: 'A' },
  'source-document': { type: 'source-document', sourceId: 's2', mediaType: 'text/plain', title: 'B' },
  file: { type: 'file', url: 'data:text/plain;base64,aGk=', mediaType: 'text/plain' },
  'reasoning-file': {
    type: 'reasoning-file',
    url: 'data:text/plain;base64,aGk=',
    mediaType: 'text/plain',
  },
  'steering-message': {
    type: 'steering-message',
    id: 'u',
    parts: [{ type: 'text', text: 'Shorter.' }],
  },
  custom: { type: 'custom', kind: 'openai.compaction' },
  'message-metadata': { type: 'message-metadata', messageMetadata: { mood: 1 } },
  'finish-step': { type: 'finish-step' },
  'reset-step': { type: 'reset-step' },
  finish: { type: 'finish', finishReason: 'stop' },
  abort: { type: 'abort', reason: 'enough' },
  error: { type: 'error', errorText: 'An error occurred.' },
} satisfies OneOfEach<UIMessageChunk>
