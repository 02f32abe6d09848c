/**
 * A chunk of a LangGraph stream taken apart: in which mode it was sent, from where in the graph, and what it holds.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import { messageOf } from './langchain-message.ts'
import { isOwnEvent } from './loomi-events.ts'
import { event, said } from './shapes.ts'
import { type Fields, fieldsOf, isFields, nameWord, stringOf } from './values.ts'

/** Where in the graph something comes from: the namespaces of the subgraphs, none at the root; null when that is not told. */
export interface Place {
  readonly namespace: readonly string[] | null
}

/** A chunk taken apart. */
export interface Frame extends Place {
  readonly mode: string
  readonly payload: unknown
  /** No other form has such chunks. */
  readonly isSure: boolean
  /** Its mode was left out and is told by what it holds. */
  readonly isBare?: boolean
}

const MODES = new Set(
  'values updates debug messages messages-tuple checkpoints tasks custom tools events lifecycle'.split(' '),
)

/** Whether LangGraph has such a mode. */
export function isMode(mode: string): boolean {
  return MODES.has(mode) || mode === 'feedback'
}

/** What is no message, kept under its mode's name. */
export function graphEvent(mode: string, payload: unknown, speaker: string | undefined): Draft {
  return said(event('graph_event', payload, mode), speaker)
}

/** Longer namespaces than an event can name keep their end, which differs most. */
const MAX_SOURCE_CHARS = 120

/** Takes a chunk apart; null when it has no shape of LangGraph's. `single` is the mode of a stream that does not name it. */
export function frameOf(chunk: unknown, single: string | null = null): Frame | null {
  if (Array.isArray(chunk)) return tupleOf(chunk, single)
  if (!isFields(chunk)) return null
  const { event: name, data } = chunk
  if (typeof name === 'string') {
    if (name.startsWith('on_')) {
      const isSure = typeof chunk['run_id'] === 'string' || 'data' in chunk
      return { mode: 'events', namespace: null, payload: chunk, isSure }
    }
    return 'data' in chunk ? messageFrame(name, data) : null
  }
  return bareFrame(chunk, null, single)
}

/** Who says it: the namespace, or at the root the node. */
export function sourceOf({ namespace }: Place, metadata: Fields = {}): string | undefined {
  const path = namespace ?? pathIn(metadata)
  const name =
    path.length > 0 ? path.join('|').slice(-MAX_SOURCE_CHARS) : stringOf(metadata['langgraph_node'])
  return nameWord(name, '') || undefined
}

/** Of a checkpoint's namespace the last part is the node's own. */
function pathIn(metadata: Fields): string[] {
  const path = stringOf(metadata['langgraph_checkpoint_ns']) || stringOf(metadata['checkpoint_ns'])
  return path.split('|').slice(0, -1)
}

function tupleOf(chunk: readonly unknown[], single: string | null): Frame | null {
  const [first, second, third] = chunk
  if (chunk.length === 3 && isNamespace(first) && typeof second === 'string')
    return { mode: second, namespace: first, payload: third, isSure: true }
  if (chunk.length !== 2) return null
  if (typeof first === 'string' && MODES.has(first))
    return { mode: first, namespace: null, payload: second, isSure: true }
  // Of a graph that names no mode, the mode is this one.
  if (isNamespace(first)) return bareFrame(second, first, single ?? 'updates')
  return bareFrame(chunk, null, single)
}

/** A message of the platform's: its event is the mode, and the namespace after a bar. */
function messageFrame(name: string, data: unknown): Frame | null {
  const [mode = '', ...namespace] = name.split('|')
  const { error, message, run_id } = fieldsOf(data)
  const isSure =
    MODES.has(mode) ||
    mode.startsWith('messages/') ||
    (mode === 'error' && typeof error === 'string' && typeof message === 'string') ||
    (mode === 'metadata' && typeof run_id === 'string')
  return { mode, namespace, payload: data, isSure }
}

/** With a single mode, its name is left out, and the payload must tell it. */
function bareFrame(
  payload: unknown,
  namespace: readonly string[] | null,
  single: string | null,
): Frame | null {
  const frame = (mode: string): Frame => ({ mode, namespace, payload, isSure: true, isBare: true })
  if (Array.isArray(payload)) {
    const isTuple = payload.length === 2 && isFields(payload[1]) && messageOf(payload[0]) !== null
    return isTuple ? frame('messages') : null
  }
  if (messageOf(payload)) return frame('messages')
  if (!isFields(payload)) return null
  if (isOwnEvent(payload)) return { ...frame('custom'), isSure: false }
  if (hasMessages(payload)) return frame('values')
  if (Object.values(payload).some(hasMessages)) return frame('updates')
  return single === null ? null : { ...frame(single), isSure: false, isBare: false }
}

function hasMessages(state: unknown): boolean {
  return (
    isFields(state) &&
    Object.values(state).some(
      (channel) => Array.isArray(channel) && channel.length > 0 && messageOf(channel[0]) !== null,
    )
  )
}

function isNamespace(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((part) => typeof part === 'string')
}
