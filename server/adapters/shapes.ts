/**
 * The drafts that adapters make: one shape for each thing that all providers have under names of their own.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import { type Fields, fieldsOf, jsonOf, nameWord, stringOf } from './values.ts'

/** An event of any data. `name` is its `content_type`, if it has one of its own. */
export function event(type: string, data: unknown, name?: unknown): Draft {
  const named = name === undefined ? {} : { content_type: nameWord(name, type) }
  return { event_type: type, ...named, event_data: jsonOf(data) }
}

/** A tool that the model calls. `event_data` is `{ id, name, input }`, and `incomplete` when the stream broke in its input. */
export function toolCall(id: unknown, name: unknown, input: unknown, more: Fields = {}): Draft {
  return record('tool_call', { id: stringOf(id), name: stringOf(name), input: input ?? null, ...more })
}

/** What a tool answered. `event_data` is `{ id, name, output }`, and `is_error` when it failed. */
export function toolResult(id: unknown, name: unknown, output: unknown, more: Fields = {}): Draft {
  return record('tool_result', { id: stringOf(id), name: stringOf(name), output: output ?? null, ...more })
}

/** Something that the answer rests on. `event_data` is `{ url, title }` and whatever else the provider tells. */
export function source(url: unknown, title: unknown, more: Fields = {}): Draft {
  return record('source', { url: stringOf(url), title: stringOf(title), ...more })
}

/** An image or another file. `event_data` is `{ media_type }`, with a `url`, with `data` in base64, or with the provider's `file_id`. */
export function file(about: Fields): Draft {
  return record('file', about)
}

/** An error that the provider told in its stream. `event_data` is `{ code, text }`. */
export function providerError(error: unknown): Draft {
  const { code, type, message, name } = fieldsOf(error)
  const text = stringOf(message) || stringOf(error) || stringOf(fieldsOf(fieldsOf(error)['error'])['message'])
  return record('error', { code: errorCode(code ?? type ?? name), text })
}

/** A provider's own word for an error; numbers are words too. */
export function errorCode(code: unknown): string {
  return nameWord(typeof code === 'number' ? String(code) : code, 'provider_error')
}

/** What the answer cost, as the provider counts it. */
export function usage(counts: unknown): Draft {
  return event('usage', counts)
}

/** A chunk of a kind that nobody here knows, under the provider's own name for it. It never throws. */
export function unknownChunk(chunk: unknown, name?: unknown): Draft {
  const isWord = typeof chunk === 'function' || typeof chunk === 'symbol'
  const data = isWord ? `[${typeof chunk}]` : jsonOf(chunk)
  const { type, event: called } = fieldsOf(data)
  return {
    event_type: 'provider_chunk',
    content_type: nameWord(name ?? type ?? called, 'unknown'),
    event_data: data,
  }
}

/** A draft with who says it; undefined is the run's own agent. */
export function said(draft: Draft, speaker: string | undefined): Draft {
  return speaker === undefined ? draft : { ...draft, agent_source: speaker }
}

/** An event of fields, those left out that are undefined. One that JSON can't hold spoils no other. */
function record(type: string, fields: Fields): Draft {
  const told = Object.entries(fields).filter(([, value]) => value !== undefined)
  return {
    event_type: type,
    event_data: Object.fromEntries(told.map(([name, value]) => [name, jsonOf(value)])),
  }
}
