/**
 * Messages API events (https://docs.anthropic.com/en/api/messages-streaming), also several messages in one stream, as
 * an agent makes them.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { ChunkReader, Form, Outcome } from './adapter.ts'
import { guardedForm } from './guarded.ts'
import { failedBy } from './outcomes.ts'
import { Parts } from './parts.ts'
import { file, providerError, source, toolResult, unknownChunk, usage } from './shapes.ts'
import { ToolCalls } from './tool-calls.ts'
import { type Fields, fieldsOf, isFields, listOf, partWord, stringOf } from './values.ts'

export const anthropic: Form = guardedForm((chunk) => {
  const { type, error } = fieldsOf(chunk)
  const { type: code, message } = fieldsOf(error)
  if (type === 'error') return stringOf(code).endsWith('_error') && typeof message === 'string'
  return /^(?:message_(?:start|delta|stop)|content_block_(?:start|delta|stop))$/.test(stringOf(type))
}, messagesReader)

/** Blocks and deltas that are for the model, not for a reader: what is encrypted, and what the context became. */
const SILENT = new Set([
  'redacted_thinking',
  'signature_delta',
  'compaction',
  'compaction_delta',
  'fallback',
  'mcp_tool_listing',
])

function messagesReader(): ChunkReader {
  const parts = new Parts()
  const calls = new ToolCalls()
  const toolNames = new Map<string, string>()
  /** How often each name was given. */
  const names = new Map<string, number>()
  let message = 'message'
  let counts: Fields = {}
  let outcome: Outcome | null = null

  return {
    read: (chunk) => (isFields(chunk) ? readEvent(chunk) : [unknownChunk(chunk)]),
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
        return [...parts.end(slot), ...calls.end(slot)]
      case 'message_delta':
        return readMessageDelta(chunk)
      case 'message_stop':
        return endMessage()
      case 'error': {
        const draft = providerError(chunk['error'])
        outcome = failedBy(draft)
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
    message = nameFor(partWord(id, 'message'))
    counts = fieldsOf(started)
    // What went wrong before was tried again.
    outcome = null
    return drafts
  }

  function startBlock(slot: string, chunk: Fields): Draft[] {
    const block = fieldsOf(chunk['content_block'])
    const type = stringOf(block['type'])
    const before = [...parts.end(slot), ...calls.end(slot)]
    if (type === 'text')
      return [...before, ...listOf(block['citations']).map(citation), ...say('message', slot, block['text'])]
    if (type === 'thinking') return [...before, ...say('thought', slot, block['thinking'])]
    if (type.endsWith('tool_use')) {
      const { id, name, input, server_name, toolset_name } = block
      calls.add(slot, { id, name, input, more: { server_name, toolset_name } })
      toolNames.set(stringOf(id), stringOf(name))
      return before
    }
    if (type.endsWith('tool_result')) return [...before, result(type, block)]
    if (type === 'container_upload') return [...before, file({ file_id: block['file_id'] })]
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
    return parts.delta(slot, kind, stringOf(text), () => nameFor(`${message}/${slot}`))
  }

  /** A gateway may give several blocks one index, and several messages one id. */
  function nameFor(word: string): string {
    const before = names.get(word) ?? 0
    names.set(word, before + 1)
    return before === 0 ? word : `${word}.${before}`
  }

  function result(type: string, block: Fields): Draft {
    const { tool_use_id: id, content, is_error } = block
    const name = toolNames.get(stringOf(id)) ?? type.replace(/_?tool_result$/, '')
    const isError = is_error === true || stringOf(fieldsOf(content)['type']).endsWith('_error')
    return toolResult(id, name, readable(content), isError ? { is_error: true } : {})
  }

  function readMessageDelta({ delta, usage: grown }: Fields): Draft[] {
    const { type, explanation } = fieldsOf(fieldsOf(delta)['stop_details'])
    const drafts: Draft[] = []
    if (type === 'refusal')
      drafts.push(
        ...parts.delta('refusal', 'refusal', stringOf(explanation), () => nameFor(`${message}/refusal`)),
      )
    if (isFields(grown)) {
      // These are sums, and what is not told again is as it was at the start.
      const told = Object.entries(grown).filter(([, count]) => count !== null)
      counts = { ...counts, ...Object.fromEntries(told) }
      drafts.push(usage(counts))
    }
    return drafts
  }

  function endMessage(): Draft[] {
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
