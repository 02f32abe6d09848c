/**
 * Events of our own as JSON, as a log holds them or an app writes them: they pass as they are.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import { isId, type Json, tagOf } from '../protocol.ts'
import type { ChunkReader, Form } from './adapter.ts'
import { guardedForm } from './guarded.ts'
import { unknownChunk } from './shapes.ts'
import { type Fields, isFields, jsonOf, nameWord, stringOf } from './values.ts'

export const loomiEvents: Form = guardedForm(isOwnEvent, ownReader)

function ownReader(): ChunkReader {
  return {
    read: (chunk) => [isOwnEvent(chunk) ? ownEvent(chunk) : unknownChunk(chunk)],
    finish: () => [],
  }
}

/** Whether a value is an event of our own. */
export function isOwnEvent(value: unknown): value is Fields {
  return isFields(value) && stringOf(value['event_type']) !== ''
}

/**
 * The draft of an event of our own. A field that no event could carry is mended, or kept in the metadata under its
 * name. `source` says it when the event does not say who does.
 */
export function ownEvent(value: Fields, source?: string): Draft {
  const fields: { [name: string]: unknown } = { ...value }
  // Of an instance some may be inherited.
  for (const name of ENVELOPE) if (value[name] !== undefined) fields[name] = value[name]
  const type = word(fields['event_type'], 'event')
  const content = take(fields, 'content_type') ?? usualContent(type, fields['event_data'])
  const speaker = take(fields, 'agent_source') ?? (type === 'user_message' ? 'user' : source)
  const part = partOf(fields)
  const metadata = { ...metadataOf(fields['event_metadata']), ...kept(fields) }
  return {
    event_type: type,
    ...(content !== undefined && { content_type: content }),
    ...(speaker !== undefined && { agent_source: speaker }),
    event_data: dataOf(fields),
    ...(Object.keys(metadata).length > 0 && { event_metadata: metadata }),
    ...(part !== undefined && { part, ...(isTrue(fields['part_done']) && { part_done: true }) }),
  }
}

/** What belongs to an event in the log rather than to what it says. Everything else says something. */
const ENVELOPE = new Set(
  (
    'event_type content_type agent_source event_data event_metadata part part_id part_done ' +
    'run_id created_at key cursor seq n i from provisional session_id user_id'
  ).split(' '),
)

/** Others too call a field `event_type`, and put what they say beside it. */
function dataOf(fields: Fields): Json {
  if (fields['event_data'] !== undefined) return jsonOf(fields['event_data'])
  const beside = Object.entries(fields).filter(
    // The frames of a stream are all of type `event`.
    ([name, value]) => !ENVELOPE.has(name) && !(name === 'type' && value === 'event'),
  )
  return beside.length > 0 ? jsonOf(Object.fromEntries(beside)) : null
}

function usualContent(type: string, data: unknown): string | undefined {
  if (type === 'user_message') return 'user'
  return type === 'run_end' && isFields(data) && isId(data['status']) ? data['status'] : undefined
}

/** A name, mended if need be; undefined when there is none. Taken out of the fields, so that what is left could not be used. */
function take(fields: { [name: string]: unknown }, name: string): string | undefined {
  const value = fields[name]
  if (!isScalar(value)) return undefined
  delete fields[name]
  return word(String(value), '') || undefined
}

function kept(fields: Fields): { [name: string]: Json } {
  const names = ['content_type', 'agent_source', 'part', 'part_id'].filter(
    (name) => (fields[name] ?? null) !== null,
  )
  return Object.fromEntries(names.map((name) => [name, jsonOf(fields[name])]))
}

function metadataOf(value: unknown): { readonly [name: string]: Json } {
  if ((value ?? null) === null) return {}
  const json = jsonOf(value)
  return isFields(json) ? (json as { [name: string]: Json }) : { value: json }
}

/** A log has `part_id`; with the run in front that it was recorded in, it is as good a name as any. */
function partOf(fields: { [name: string]: unknown }): string | undefined {
  const name = ['part', 'part_id'].find((name) => isScalar(fields[name]) && fields[name] !== '')
  if (name === undefined) return undefined
  const part = String(fields[name])
  for (const name of ['part', 'part_id']) if (isScalar(fields[name])) delete fields[name]
  // Mended names must differ where the parts do.
  const mended = `${nameWord(part.slice(0, 100), 'part')}~${tagOf(part)}`
  return isId(part) ? part : mended
}

function word(value: unknown, otherwise: string): string {
  return isId(value) ? value : nameWord(value, otherwise)
}

function isScalar(value: unknown): value is string | number | boolean | bigint {
  return ['string', 'number', 'boolean', 'bigint'].includes(typeof value)
}

function isTrue(value: unknown): boolean {
  return value === true || value === 1 || value === 'true'
}
