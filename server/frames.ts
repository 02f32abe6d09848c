/**
 * The SSE encoder: from rows and control frames to bytes (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 *
 * Ids come from the cursor alphabet and data is JSON, which holds no raw line break, so nothing that an
 * event carries can end a line or begin a field.
 *
 * @module
 */
import { type Cursor, formatCursor, type Frame } from './protocol.ts'
import { keyOf, type StoredEvent } from './store.ts'

/** A row with the bytes that every viewer of it gets. */
export interface EncodedRow {
  readonly row: StoredEvent
  readonly cursor: Cursor
  readonly bytes: Uint8Array
}

/** Joined deltas stay below this many characters of JSON, so that a frame stays small. */
const MERGED_CHARS = 64 * 1024

const encoder = new TextEncoder()

/** The line that keeps a quiet connection from looking dead. */
export const KEEP_ALIVE: Uint8Array = encoder.encode(':\n\n')

/** Encodes a control frame; without a cursor it carries no id. `retryMs` goes before it. */
export function encodeFrame(frame: Frame, cursor: Cursor | null, retryMs?: number): Uint8Array {
  const retry = retryMs === undefined ? '' : `retry: ${Math.round(retryMs)}\n`
  const id = cursor === null ? '' : `id: ${cursor}\n`
  return encoder.encode(`${retry}${id}data: ${JSON.stringify(frame)}\n\n`)
}

/** Encodes one row, once for all viewers. The row that closed the session becomes a `session_complete` frame. */
export function encodeRow(row: StoredEvent, epoch: string): EncodedRow {
  const cursor = formatCursor(epoch, row.seq, keyOf(row))
  if (row.event_type === 'session_complete')
    return { row, cursor, bytes: encodeFrame({ type: 'session_complete' }, cursor) }
  return {
    row,
    cursor,
    bytes: encoder.encode(`id: ${cursor}\ndata: ${eventJson(row, row.event_data, row, null)}\n\n`),
  }
}

/**
 * Joins neighbouring deltas of one part into one frame each; the frame carries the last one's id and `from`, the first
 * one's seq. A frame never crosses a seq of `bounds`: what ends at a bound and what begins after it stay apart.
 */
export function mergeRows(rows: readonly EncodedRow[], bounds: readonly number[]): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let start = 0; start < rows.length;) {
    let end = start + 1
    let chars = rows[start]!.row.event_data.length
    while (end < rows.length && canJoin(rows[end - 1]!.row, rows[end]!.row, bounds)) {
      chars += rows[end]!.row.event_data.length
      if (chars > MERGED_CHARS) break
      end++
    }
    frames.push(end === start + 1 ? rows[start]!.bytes : encodeMerged(rows.slice(start, end)))
    start = end
  }
  return frames
}

function canJoin(left: StoredEvent, right: StoredEvent, bounds: readonly number[]): boolean {
  return (
    left.part_id !== null &&
    left.part_id === right.part_id &&
    left.seq + 1 === right.seq &&
    !left.part_done &&
    left.event_type === right.event_type &&
    left.content_type === right.content_type &&
    left.event_metadata === null &&
    right.event_metadata === null &&
    left.event_data.startsWith('"') &&
    right.event_data.startsWith('"') &&
    !bounds.includes(left.seq)
  )
}

function encodeMerged(rows: readonly EncodedRow[]): Uint8Array {
  const first = rows[0]!.row
  const last = rows.at(-1)!
  // The contents of two JSON strings side by side are the JSON of the joined text.
  const data = `"${rows.map(({ row }) => row.event_data.slice(1, -1)).join('')}"`
  return encoder.encode(`id: ${last.cursor}\ndata: ${eventJson(first, data, last.row, first.seq)}\n\n`)
}

/** The JSON of an event frame. `event_data` and metadata are JSON text already and go in as they are. */
function eventJson(first: StoredEvent, data: string, last: StoredEvent, from: number | null): string {
  return (
    `{"type":"event","event_type":${JSON.stringify(first.event_type)},"content_type":${JSON.stringify(first.content_type)}` +
    `,"agent_source":${JSON.stringify(first.agent_source)},"event_data":${data}` +
    (first.event_metadata === null ? '' : `,"event_metadata":${first.event_metadata}`) +
    `,"run_id":${JSON.stringify(first.run_id)}` +
    (first.part_id === null ? '' : `,"part_id":${JSON.stringify(first.part_id)}`) +
    (last.part_done ? ',"part_done":true' : '') +
    `,"created_at":${JSON.stringify(first.created_at)},"key":${JSON.stringify(keyOf(last))}` +
    (from === null ? '}' : `,"from":${from}}`)
  )
}

/** Several pieces of bytes as one, for one write. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
