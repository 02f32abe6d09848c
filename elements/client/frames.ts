/**
 * From what a stream carried to typed frames, and the check that each comes once and in its turn.
 *
 * @module
 */
import {
  type Cursor,
  type CursorParts,
  type EventFrame,
  type Frame,
  type LoomiEvent,
  parseCursor,
} from '../../server/protocol.ts'

/** A frame as the stream carried it; travels between tabs like this too. */
export interface RawFrame {
  /** The SSE id. */
  readonly id: string | null
  readonly data: string
  /** Between tabs: the place that the frame came after in its stream; null when none was told yet. */
  readonly after?: Cursor | null
}

/** A frame that this release does not know; its id is honoured. */
export interface UnknownFrame {
  readonly type: 'unknown'
  readonly from?: number
}

/** A frame and its place. */
export interface Received {
  readonly frame: Frame | UnknownFrame
  readonly cursor: Cursor | null
  /** The cursor taken apart; null when there is none, or none that can be understood. */
  readonly at: CursorParts | null
}

/** Whether a frame is the next one, already taken in, or leaves rows out (also: joins some that were taken in). */
export type Turn = 'next' | 'old' | 'hole'

const NUMBERS: { readonly [type: string]: readonly string[] } = {
  no_replay: ['count', 'seen'],
  replay_start: ['count', 'missed', 'seen', 'to'],
  gap: ['from', 'to'],
}
const STRINGS: { readonly [type: string]: readonly string[] } = {
  event: ['event_type', 'content_type', 'run_id', 'key'],
  reset: ['reason'],
}
const KNOWN = new Set([
  'no_replay',
  'replay_start',
  'event',
  'replay_complete',
  'gap',
  'reset',
  'superseded',
  'session_complete',
])

/** Understands a frame. What is not of the wire becomes an unknown one, so that a newer server breaks nothing. */
export function parseFrame({ id, data }: RawFrame): Received {
  const at = id === null ? null : parseCursor(id)
  const value = parseJson(data)
  const from = typeof value.from === 'number' ? { from: value.from } : {}
  return { frame: isFrame(value) ? value : { type: 'unknown', ...from }, cursor: at && id, at }
}

/** The event that a frame carries. */
export function eventOf({ type: _, from: __, provisional: ___, ...event }: EventFrame): LoomiEvent {
  return event
}

/** The same frames with the place that each came after; before them the stream was at `after`. */
export function chain(frames: readonly RawFrame[], after: Cursor | null): readonly RawFrame[] {
  let place = after
  return frames.map((frame) => {
    const chained = { ...frame, after: place }
    place = frame.id ?? place
    return chained
  })
}

/** An event that is not stored, as the stream carried it. */
export function rawProvisional(event: LoomiEvent): RawFrame {
  return { id: null, data: JSON.stringify({ type: 'event', ...event, provisional: true }) }
}

/**
 * Compares the rows `from` to `at.seq` with the position. Without a position only the log's first row is next.
 */
export function checkTurn(position: CursorParts | null, from: number, at: CursorParts): Turn {
  const taken = position?.seq ?? 0
  if (position && position.epoch !== null && position.epoch !== at.epoch) return 'hole'
  if (at.seq <= taken) return 'old'
  return from === taken + 1 ? 'next' : 'hole'
}

/** Below, at or above 0 as the first cursor comes before, at or after the second; null when they are not of one log. */
export function compareCursors(left: Cursor, right: Cursor): number | null {
  const [one, other] = [parseCursor(left), parseCursor(right)]
  return one && other && one.epoch === other.epoch ? one.seq - other.seq : null
}

function parseJson(text: string): { readonly [name: string]: unknown } {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as { readonly [name: string]: unknown }) : {}
  } catch {
    return {}
  }
}

function isFrame(value: object): value is Frame {
  const fields = value as { readonly [name: string]: unknown }
  const { type } = fields
  if (typeof type !== 'string' || !KNOWN.has(type)) return false
  return (
    (NUMBERS[type] ?? []).every((name) => typeof fields[name] === 'number') &&
    (STRINGS[type] ?? []).every((name) => typeof fields[name] === 'string')
  )
}
