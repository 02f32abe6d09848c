/**
 * One LangChain message, as a class instance or in any of its serialised shapes, taken apart.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { TextKind } from './parts.ts'
import { file, source, toolResult, unknownChunk } from './shapes.ts'
import { type Fields, fieldsOf, isFields, jsonOf, listOf, stringOf } from './values.ts'

/** A piece of what the model says. `block` is the provider's own index of the content block. */
export interface TextPiece {
  readonly kind: TextKind
  readonly text: string
  readonly block?: number | string
}

/** A tool call, or a piece of one: then `text` is a piece of its input, and `index` tells which call it continues. */
export interface CallPiece {
  readonly id: string
  readonly name: string
  readonly text: string
  readonly index?: number | string
}

/** A message taken apart. */
export interface Message {
  readonly kind: 'ai' | 'tool' | 'other'
  readonly id: string
  /** It adds to what was said under its id; else it is all of it. */
  readonly isDelta: boolean
  readonly texts: readonly TextPiece[]
  readonly calls: readonly CallPiece[]
  /** What stands whole in its content: sources, files, results of the provider's own tools. */
  readonly others: readonly Draft[]
  readonly usage: Fields | null
  /** The provider said that this is its end. */
  readonly ends: boolean
  /** Of a tool's message: its answer. */
  readonly result: {
    readonly id: string
    readonly name: string
    readonly output: unknown
    readonly more: Fields
  }
}

const KINDS = new Map<string, Message['kind']>([
  ['ai', 'ai'],
  ['assistant', 'ai'],
  ['tool', 'tool'],
  ...['human', 'user', 'system', 'developer', 'function', 'remove', 'chat', 'generic'].map(
    (name) => [name, 'other'] as const,
  ),
])

/** The message in a value, null when it is none. `withRole`: what a node may return in a message's stead counts too. */
export function messageOf(value: unknown, withRole = false): Message | null {
  const shape = shapeOf(value, withRole)
  if (!shape) return null
  const { fields, name } = shape
  const word = name.replace(/Message(?:Chunk)?$/, '').toLowerCase()
  const kind = KINDS.get(word === 'chat' || word === 'generic' ? stringOf(fields['role']) || word : word)
  if (!kind || (kind === 'tool' && typeof fields['tool_call_id'] !== 'string')) return null
  const isDelta = name.endsWith('Chunk') || Array.isArray(fields['tool_call_chunks'])
  const { texts, calls, others } = contentOf(fields)
  return {
    kind,
    id: stringOf(fields['id']),
    // The platform's servers write `ai` for both; only what names its class is known to be whole.
    isDelta: isDelta || !name.endsWith('Message'),
    texts,
    calls: callsOf(fields, calls),
    others,
    usage: isFields(fields['usage_metadata']) ? fields['usage_metadata'] : null,
    ends: isLast(fields),
    result: {
      id: stringOf(fields['tool_call_id']),
      name: stringOf(fields['name']),
      output: fields['content'],
      more: {
        ...(fields['status'] === 'error' && { is_error: true }),
        ...((fields['artifact'] ?? null) !== null && { artifact: fields['artifact'] }),
      },
    },
  }
}

/** The fields of a message and the name of its class or type. */
function shapeOf(
  value: unknown,
  withRole: boolean,
): { readonly fields: Fields; readonly name: string } | null {
  if (!isFields(value)) return null
  const { lc, kwargs, id, lc_id, type, data, role } = value
  // What `JSON.stringify` makes of a message, here and in Python.
  if (lc !== undefined && isFields(kwargs) && Array.isArray(id))
    return { fields: kwargs, name: stringOf(id.at(-1)) }
  if (Array.isArray(lc_id)) return { fields: value, name: stringOf(lc_id.at(-1)) }
  if (typeof type === 'string' && hasContent(value)) return { fields: value, name: type }
  // A stored message.
  if (typeof type === 'string' && isFields(data) && hasContent(data)) return { fields: data, name: type }
  if (withRole && typeof role === 'string' && hasContent(value)) return { fields: value, name: role }
  return null
}

function hasContent({ content }: Fields): boolean {
  return typeof content === 'string' || Array.isArray(content)
}

interface Content {
  readonly texts: TextPiece[]
  readonly calls: CallPiece[]
  readonly others: Draft[]
}

function contentOf(fields: Fields): Content {
  const found: Content = { texts: [], calls: [], others: [] }
  const { content } = fields
  if (typeof content === 'string') found.texts.push({ kind: 'message', text: content })
  for (const block of Array.isArray(content) ? content : []) {
    if (typeof block === 'string') found.texts.push({ kind: 'message', text: block })
    else if (isFields(block)) readBlock(block, found)
    else if (block !== null && block !== undefined) found.others.push(unknownChunk(block))
  }
  const extra = fieldsOf(fields['additional_kwargs'])
  const { reasoning_content, reasoning, refusal } = extra
  // Some models have their reasoning beside the content, some in both places.
  const thought = stringOf(reasoning_content) || stringOf(reasoning) || summaryOf(reasoning)
  if (thought && !found.texts.some(({ kind }) => kind === 'thought'))
    found.texts.unshift({ kind: 'thought', text: thought })
  if (stringOf(refusal)) found.texts.push({ kind: 'refusal', text: stringOf(refusal) })
  return found
}

/** LangChain’s own blocks and those of the providers, which many integrations pass on as they are. */
function readBlock(block: Fields, { texts, calls, others }: Content): void {
  const { type, index } = block
  const at = isIndex(index) ? { block: index } : {}
  const text = (kind: TextKind, ...values: unknown[]): void => {
    texts.push({ kind, text: values.map(stringOf).find((value) => value !== '') ?? '', ...at })
  }
  switch (type) {
    case 'text':
    case 'text_delta':
    case 'output_text':
      text('message', block['text'])
      for (const cited of [...listOf(block['annotations']), ...listOf(block['citations'])])
        if (stringOf(cited['url'])) others.push(source(cited['url'], cited['title']))
      return
    case 'thinking':
    case 'thinking_delta':
      return text('thought', block['thinking'])
    case 'reasoning':
      return text('thought', block['reasoning'], block['text'], summaryOf(block))
    case 'reasoning_content': {
      const { reasoningText, reasoning_content: inner } = block
      return text('thought', reasoningText, fieldsOf(reasoningText)['text'], fieldsOf(inner)['text'])
    }
    case 'refusal':
      return text('refusal', block['refusal'])
    case 'tool_use':
    case 'tool_call':
    case 'tool_call_chunk':
    case 'invalid_tool_call':
    case 'server_tool_use':
    case 'server_tool_call':
    case 'server_tool_call_chunk':
    case 'input_json_delta':
      calls.push(callOf(block))
      return
    case 'functionCall':
      calls.push(callOf(fieldsOf(block['functionCall'])))
      return
    case 'redacted_thinking':
    case 'cache_point':
    case 'signature_delta':
      return
  }
  if (/tool(?:_call)?_result$/.test(stringOf(type))) {
    const { tool_use_id, toolCallId, tool_call_id, output, content, status } = block
    const failed = status === 'error' ? { is_error: true } : {}
    others.push(toolResult(toolCallId ?? tool_use_id ?? tool_call_id, type, output ?? content, failed))
  } else others.push(fileOf(block) ?? unknownChunk(block))
}

/** The calls beside the content, and what of the blocks is not there too: the provider's own tools. */
function callsOf(fields: Fields, blocks: readonly CallPiece[]): readonly CallPiece[] {
  const pieces = listOf(fields['tool_call_chunks'])
  // The class makes half a call of a piece; and it costs to be asked for it.
  const whole = (): Fields[] => [...listOf(fields['tool_calls']), ...listOf(fields['invalid_tool_calls'])]
  const beside = (pieces.length > 0 ? pieces : whole()).map(callOf)
  if (beside.length === 0) return blocks
  return [...blocks.filter(({ id }) => id !== '' && !beside.some((call) => call.id === id)), ...beside]
}

function callOf(call: Fields): CallPiece {
  const { id, index } = call
  const called = fieldsOf(call['function'])
  const input = call['args'] ?? call['input'] ?? call['arguments'] ?? called['arguments']
  return {
    id: stringOf(id),
    name: stringOf(call['name']) || stringOf(called['name']),
    text: typeof input === 'string' ? input : isEmptyInput(input) ? '' : JSON.stringify(jsonOf(input)),
    ...(isIndex(index) && { index }),
  }
}

/** A file that the model made, under whichever of the many names. */
function fileOf(block: Fields): Draft | null {
  const { type } = block
  if (!/^(?:image|audio|video|file|document|image_url|text-plain|inlineData|fileData)$/.test(stringOf(type)))
    return null
  const inner = [block[stringOf(type)], block['source'], block].find(isFields) ?? {}
  const named = (...names: string[]): string => names.map((name) => stringOf(inner[name])).find(Boolean) ?? ''
  const url = named('url', 'fileUri') || stringOf(block['image_url'])
  const data = inner['data'] instanceof Uint8Array ? inner['data'] : named('data', 'base64', 'text')
  const file_id = named('fileId', 'file_id', 'id')
  if (!url && !data && !file_id) return null
  const media_type = named('mimeType', 'mime_type', 'media_type')
  return file({ media_type, ...(url ? { url } : data ? { data } : { file_id }) })
}

/** Where OpenAI's models have their reasoning: `{ summary: [{ text }] }`. */
function summaryOf(reasoning: unknown): string {
  return listOf(fieldsOf(reasoning)['summary'])
    .map(({ text }) => stringOf(text))
    .join('')
}

function isLast(fields: Fields): boolean {
  if (fields['chunk_position'] === 'last') return true
  const told = { ...fieldsOf(fields['additional_kwargs']), ...fieldsOf(fields['response_metadata']) }
  return ['finish_reason', 'stop_reason', 'finishReason', 'stopReason', 'done_reason'].some(
    (name) => stringOf(told[name]) !== '',
  )
}

function isIndex(index: unknown): index is number | string {
  return typeof index === 'number' || (typeof index === 'string' && index !== '')
}

function isEmptyInput(input: unknown): boolean {
  return (input ?? null) === null || (isFields(input) && Object.keys(input).length === 0)
}
