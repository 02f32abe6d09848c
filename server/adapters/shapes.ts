/**
 * The drafts that adapters make: one shape for each thing that all providers have under names of their own.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { Json } from '../protocol.ts'
import { type Fields, fieldsOf, jsonOf, nameWord, stringOf } from './values.ts'

/** A tool that the model calls. `event_data` is `{ id, name, input }`, and `incomplete` when the stream broke in its input. */
export function toolCall(id: unknown, name: unknown, input: Json, more: Fields = {}): Draft {
  return event('tool_call', { id: stringOf(id), name: stringOf(name), input, ...more })
}

/** What a tool answered. `event_data` is `{ id, name, output }`, and `is_error` when it failed. */
export function toolResult(id: unknown, name: unknown, output: unknown, more: Fields = {}): Draft {
  return event('tool_result', { id: stringOf(id), name: stringOf(name), output: jsonOf(output), ...more })
}

/** Something that the answer rests on. `event_data` is `{ url, title }` and whatever else the provider tells. */
export function source(url: unknown, title: unknown, more: Fields = {}): Draft {
  return event('source', { url: stringOf(url), title: stringOf(title), ...more })
}

/** An error that the provider told in its stream. `event_data` is `{ code, text }`. */
export function providerError(error: unknown): Draft {
  const { code, type, message, name } = fieldsOf(error)
  const text = stringOf(message) || stringOf(error) || stringOf(fieldsOf(fieldsOf(error)['error'])['message'])
  return event('error', { code: errorCode(code ?? type ?? name), text })
}

/** A provider's own word for an error; numbers are words too. */
export function errorCode(code: unknown): string {
  return nameWord(typeof code === 'number' ? String(code) : code, 'provider_error')
}

/** What the answer cost, as the provider counts it. */
export function usage(counts: unknown): Draft {
  return event('usage', counts)
}

/** A chunk of a kind that nobody here knows, under the provider's own name for it. */
export function unknownChunk(chunk: unknown, name?: unknown): Draft {
  const { type, event: called } = fieldsOf(chunk)
  return {
    event_type: 'provider_chunk',
    content_type: nameWord(name ?? type ?? called, 'unknown'),
    event_data: jsonOf(chunk),
  }
}

function event(type: string, data: unknown): Draft {
  return { event_type: type, event_data: jsonOf(data) }
}
