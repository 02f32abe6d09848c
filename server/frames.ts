/**
 * The SSE encoder: from rows and control frames to bytes (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 *
 * Ids come from the cursor alphabet and data is JSON, which holds no raw line break, so nothing that an
 * event carries can end a line or begin a field.
 *
 * @module
 */
import { type Cursor, formatCursor, type Frame, tagOf } from './protocol.ts'
import { keyOf, type NewEvent, type StoredEvent } from './store.ts'

/** A row as every viewer of it gets it: framed once, and its bytes made once when they are asked for. */
export class EncodedRow {
  readonly row: StoredEvent
  readonly cursor: Cursor
  /** The frame as text. */
  readonly text: string
  #bytes: Uint8Array | null = null

  constructor(row: StoredEvent, cursor: Cursor, text: string) {
    this.row = row
    this.cursor = cursor
    this.text = text
  }

  /** The tag of its cursor. */
  get tag(): string {
    return tagOf(keyOf(this.row))
  }

  /** The frame. */
  get bytes(): Uint8Array {
    return (this.#bytes ??= encoder.encode(this.text))
  }
}

/** A frame on its way: a row, or text. */
export type Piece = EncodedRow | string

/** Joined deltas stay below this many characters of JSON, so that a frame stays small. */
const MERGED_CHARS = 64 * 1024

const MAX_QUOTED = 1000
const QUOTED = new Map<string, string>()

const encoder = new TextEncoder()

/** The line that keeps a quiet connection from looking dead. */
export const KEEP_ALIVE: Uint8Array = encoder.encode(':\n\n')

/** Encodes a control frame; without a cursor it carries no id. `retryMs` goes before it. */
export function encodeFrame(frame: Frame, cursor: Cursor | null, retryMs?: number): Uint8Array {
  return encoder.encode(frameText(frame, cursor, retryMs))
}

/** A control frame as text; see {@link encodeFrame}. */
export function frameText(frame: Frame, cursor: Cursor | null, retryMs?: number): string {
  const retry = retryMs === undefined ? '' : `retry: ${Math.round(retryMs)}\n`
  const id = cursor === null ? '' : `id: ${cursor}\n`
  return `${retry}${id}data: ${JSON.stringify(frame)}\n\n`
}

/** Frames one row. The row that closed the session becomes a `session_complete` frame. */
export function encodeRow(row: StoredEvent, epoch: string): EncodedRow {
  const cursor = formatCursor(epoch, row.seq, keyOf(row))
  const text =
    row.event_type === 'session_complete'
      ? frameText({ type: 'session_complete' }, cursor)
      : `id: ${cursor}\ndata: ${eventJson(row, row.event_data, row, null)}\n\n`
  return new EncodedRow(row, cursor, text)
}

/** Frames an event that is not stored yet: without an id, so that nobody takes it for a place in the log. */
export function encodeProvisional(event: NewEvent): Uint8Array {
  const json = eventJson(event, event.event_data, event, null)
  return encoder.encode(`data: ${json.slice(0, -1)},"provisional":true}\n\n`)
}

/**
 * Joins neighbouring deltas of one part into one frame each; the frame carries the last one's id and `from`, the first
 * one's seq. A frame never crosses a seq of `bounds`: what ends at a bound and what begins after it stay apart.
 */
export function mergeRows(rows: readonly EncodedRow[], bounds: readonly number[]): Piece[] {
  const frames: Piece[] = []
  for (let start = 0; start < rows.length;) {
    let end = start + 1
    let chars = rows[start]!.row.event_data.length
    while (end < rows.length && canJoin(rows[end - 1]!.row, rows[end]!.row, bounds)) {
      chars += rows[end]!.row.event_data.length
      if (chars > MERGED_CHARS) break
      end++
    }
    frames.push(end === start + 1 ? rows[start]! : mergedText(rows.slice(start, end)))
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
    left.agent_source === right.agent_source &&
    left.event_metadata === null &&
    right.event_metadata === null &&
    left.event_data.startsWith('"') &&
    right.event_data.startsWith('"') &&
    !bounds.includes(left.seq)
  )
}

function mergedText(rows: readonly EncodedRow[]): string {
  const first = rows[0]!.row
  const last = rows.at(-1)!
  // The contents of two JSON strings side by side are the JSON of the joined text.
  const data = `"${rows.map(({ row }) => row.event_data.slice(1, -1)).join('')}"`
  return `id: ${last.cursor}\ndata: ${eventJson(first, data, last.row, first.seq)}\n\n`
}

/**
 * The JSON of an event frame. `event_data` and metadata are JSON text already and go in as they are, but for line breaks:
 * JSON has them only between its tokens, where they mean nothing, and SSE would end the line there.
 */
function eventJson(
  first: Omit<StoredEvent, 'seq'>,
  data: string,
  last: Omit<StoredEvent, 'seq'>,
  from: number | null,
): string {
  return (
    `{"type":"event","event_type":${quote(first.event_type)},"content_type":${quote(first.content_type)}` +
    `,"agent_source":${quote(first.agent_source)},"event_data":${onOneLine(data)}` +
    (first.event_metadata === null ? '' : `,"event_metadata":${onOneLine(first.event_metadata)}`) +
    `,"run_id":${quote(first.run_id)}` +
    (first.part_id === null ? '' : `,"part_id":${quote(first.part_id)}`) +
    (last.part_done ? ',"part_done":true' : '') +
    `,"created_at":${JSON.stringify(first.created_at)},"key":${JSON.stringify(keyOf(last))}` +
    (from === null ? '}' : `,"from":${from}}`)
  )
}

function onOneLine(json: string): string {
  return json.includes('\n') || json.includes('\r') ? json.replaceAll(/[\r\n]/g, ' ') : json
}

/** Frames in the order in which they are to be written, as the bytes of one write. A row alone costs no encoding of its own. */
export function toBytes(pieces: readonly Piece[]): Uint8Array {
  const [first] = pieces
  if (pieces.length === 1 && first instanceof EncodedRow) return first.bytes
  return encoder.encode(pieces.map((piece) => (typeof piece === 'string' ? piece : piece.text)).join(''))
}

/** JSON of a name. The same few names stand in every row, so the last ones are remembered. */
function quote(name: string): string {
  let quoted = QUOTED.get(name)
  if (quoted === undefined) {
    quoted = JSON.stringify(name)
    if (QUOTED.size >= MAX_QUOTED) QUOTED.clear()
    QUOTED.set(name, quoted)
  }
  return quoted
}
