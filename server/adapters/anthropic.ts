/**
 * Messages API events (https://docs.anthropic.com/en/api/messages-streaming), also several messages in one stream, as
 * an agent makes them.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { ChunkReader, Form, Outcome } from './adapter.ts'
import { errorCode, providerError, source, toolCall, toolResult, unknownChunk, usage } from './shapes.ts'
import { Parts } from './parts.ts'
import { ToolCalls } from './tool-calls.ts'
import { type Fields, fieldsOf, isFields, jsonOf, listOf, parsed, partWord, stringOf } from './values.ts'

export const anthropic: Form = {
  recognises: (chunk) => {
    const { type, error } = fieldsOf(jsonOf(chunk))
    const { type: code, message } = fieldsOf(error)
    if (type === 'error') return stringOf(code).endsWith('_error') && typeof message === 'string'
    return /^(?:message_(?:start|delta|stop)|content_block_(?:start|delta|stop))$/.test(stringOf(type))
  },
  adapter: messagesReader,
}

/** Blocks and deltas that are for the model, not for a reader: what is encrypted, and what the context became. */
const SILENT = new Set([
  'redacted_thinking',
  'signature_delta',
  'compaction',
  'compaction_delta',
  'fallback',
  'mcp_tool_listing',
])

/** What a tool's call says of itself besides its name and input. */
const CALL_FIELDS = ['server_name', 'toolset_name'] as const

function messagesReader(): ChunkReader {
  const parts = new Parts()
  const calls = new ToolCalls()
  /** The blocks of calls as they began, by their slots. */
  const callBlocks = new Map<string, Fields>()
  const toolNames = new Map<string, string>()
  const messageCounts = new Map<string, number>()
  let message = 'message'
  let counts: Fields = {}
  let outcome: Outcome | null = null

  return {
    read(given) {
      const chunk = jsonOf(given)
      return isFields(chunk) ? readEvent(chunk) : [unknownChunk(chunk)]
    },
    finish: endMessage,
    outcome: () => outcome,
  }

  function readEvent(chunk: Fields): Draft[] {
    const slot = typeof chunk['index'] === 'number' ? String(chunk['index']) : '0'
    switch (chunk['type']) {
      case 'message_start':
        return startMessage(fieldsOf(chunk['message']))
      case 'content_block_start':
        return startBlock(slot, chunk)
      case 'content_block_delta':
        return readDelta(slot, chunk)
      case 'content_block_stop':
        return [...parts.end(slot), ...endCall(slot)]
      case 'message_delta':
        return readMessageDelta(chunk)
      case 'message_stop':
        return endMessage()
      case 'error': {
        const draft = providerError(chunk['error'])
        outcome = { status: 'failed', code: errorCode(fieldsOf(draft.event_data)['code']) }
        return [draft]
      }
      case 'ping':
        return []
      default:
        return [unknownChunk(chunk)]
    }
  }

  function startMessage({ id, usage: started }: Fields): Draft[] {
    const drafts = endMessage()
    const word = partWord(id, 'message')
    const before = messageCounts.get(word) ?? 0
    messageCounts.set(word, before + 1)
    message = before === 0 ? word : `${word}.${before}`
    counts = fieldsOf(started)
    // What went wrong before was tried again.
    outcome = null
    return drafts
  }

  function startBlock(slot: string, chunk: Fields): Draft[] {
    const block = fieldsOf(chunk['content_block'])
    const type = stringOf(block['type'])
    const before = [...parts.end(slot), ...endCall(slot)]
    if (type === 'text')
      return [...before, ...listOf(block['citations']).map(citation), ...say('message', slot, block['text'])]
    if (type === 'thinking') return [...before, ...say('thought', slot, block['thinking'])]
    if (type.endsWith('tool_use')) {
      calls.add(slot, { id: block['id'], name: block['name'] })
      callBlocks.set(slot, block)
      toolNames.set(stringOf(block['id']), stringOf(block['name']))
      return before
    }
    if (type.endsWith('tool_result')) return [...before, result(type, block)]
    if (type === 'container_upload')
      return [...before, { event_type: 'file', event_data: jsonOf({ file_id: block['file_id'] }) }]
    return SILENT.has(type) ? before : [...before, unknownChunk(chunk, type || undefined)]
  }

  function readDelta(slot: string, chunk: Fields): Draft[] {
    const delta = fieldsOf(chunk['delta'])
    switch (delta['type']) {
      case 'text_delta':
        return say('message', slot, delta['text'])
      case 'thinking_delta':
        return say('thought', slot, delta['thinking'])
      case 'input_json_delta':
        calls.add(slot, { text: delta['partial_json'] })
        return []
      case 'citations_delta':
        return [citation(fieldsOf(delta['citation']))]
      default:
        return SILENT.has(stringOf(delta['type'])) ? [] : [unknownChunk(chunk, delta['type'])]
    }
  }

  function say(kind: 'message' | 'thought', slot: string, text: unknown): Draft[] {
    return parts.delta(slot, kind, `${message}/${slot}`, stringOf(text))
  }

  /** The call in a slot, whose input is whole. It came with the block itself if no piece of it came. */
  function endCall(slot: string): Draft[] {
    const call = calls.at(slot)
    if (!call) return []
    const block = fieldsOf(callBlocks.get(slot))
    calls.drop(slot)
    callBlocks.delete(slot)
    const input = call.text === '' ? jsonOf(block['input'] ?? {}) : parsed(call.text)
    // An answer that may not grow longer ends in the middle of an input, and its block all the same.
    const isCut = call.text !== '' && input === call.text
    const more = CALL_FIELDS.filter((name) => typeof block[name] === 'string').map((name) => [
      name,
      block[name],
    ])
    return [
      toolCall(call.id, call.name, input, {
        ...Object.fromEntries(more),
        ...(isCut && { incomplete: true }),
      }),
    ]
  }

  function result(type: string, block: Fields): Draft {
    const { tool_use_id: id, content, is_error } = block
    const name = toolNames.get(stringOf(id)) ?? type.replace(/_?tool_result$/, '')
    const isError = is_error === true || stringOf(fieldsOf(content)['type']).endsWith('_error')
    return toolResult(id, name, readable(content ?? null), isError ? { is_error: true } : {})
  }

  function readMessageDelta({ delta, usage: grown }: Fields): Draft[] {
    const { stop_details } = fieldsOf(delta)
    const drafts: Draft[] = []
    const { type, explanation } = fieldsOf(stop_details)
    if (type === 'refusal')
      drafts.push(...parts.delta('refusal', 'refusal', `${message}/refusal`, stringOf(explanation)))
    if (isFields(grown)) {
      // These are sums, and what is not told again is as it was at the start.
      const told = Object.entries(grown).filter(([, count]) => count !== null)
      counts = { ...counts, ...Object.fromEntries(told) }
      drafts.push(usage(counts))
    }
    return drafts
  }

  function endMessage(): Draft[] {
    callBlocks.clear()
    return [...parts.endAll(), ...calls.cutAll()]
  }
}

function citation(cited: Fields): Draft {
  const { url, source: address, title, document_title, ...more } = strip(cited)
  return source(url ?? address, title ?? document_title, more)
}

/** A result without what only the model can read, which is most of a search's bytes. */
function readable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((inner: unknown) => (isFields(inner) ? strip(inner) : inner))
  return isFields(value) ? strip(value) : value
}

function strip(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !name.startsWith('encrypted_')))
}
