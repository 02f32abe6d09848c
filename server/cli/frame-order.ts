/**
 * The order of frames: each event once and in its turn, over any number of connections.
 *
 * @module
 */
import type { EventSourceMessage } from 'eventsource-parser'
import {
  type Cursor,
  type CursorParts,
  type EventFrame,
  type Frame,
  type LoomiEvent,
  parseCursor,
  type ResetReason,
} from '../protocol.ts'

/** An event and its place; `from` is the seq of the first where several deltas were joined. */
export type PlacedEvent = LoomiEvent & { readonly from?: number; readonly cursor: Cursor }

/** What a frame means to who follows. `again`: rows are missing, so the stream must be asked from the position. */
export type Taken =
  | { readonly kind: 'event'; readonly event: PlacedEvent }
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'nothing' | 'again' | 'complete' | 'superseded' }

const NOTHING: Taken = { kind: 'nothing' }
const AGAIN: Taken = { kind: 'again' }

const OLDER_COPY =
  'The log is no longer the one that was read so far (an older copy of it?). It follows from its beginning.'
const RESETS: ReadonlyMap<ResetReason, string> = new Map([
  ['malformed', 'The server can not read this cursor. The log follows from its beginning.'],
  ['epoch', 'The cursor is of another log than the session has now. It follows from its beginning.'],
  ['tag', OLDER_COPY],
  ['beyond_end', OLDER_COPY],
])

/** Takes frames in as they come; see the module. */
export class FrameOrder {
  #cursor: Cursor
  #at: CursorParts
  #isWhole = false
  #toldEmpty = false

  /** Throws for what is no cursor. */
  constructor(after: Cursor) {
    const at = parseCursor(after)
    if (!at) throw new TypeError(`${after} is not a cursor.`)
    this.#cursor = after
    this.#at = at
  }

  /** The position: all up to here was taken in. */
  get cursor(): Cursor {
    return this.#cursor
  }

  /** All that a connection promised when it opened has come. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  /** A new connection opens. */
  begin(): void {
    this.#isWhole = false
  }

  take({ id, data }: Pick<EventSourceMessage, 'id' | 'data'>): Taken {
    const frame = parseFrame(data)
    const at = id === undefined ? null : parseCursor(id)
    switch (frame?.type) {
      case 'no_replay':
      case 'replay_start':
        this.#isWhole = frame.count === 0
        if (frame.type === 'replay_start' || frame.cursor !== null || this.#toldEmpty) return NOTHING
        this.#toldEmpty = true
        return { kind: 'note', text: 'The session has nothing for this user yet.' }
      case 'event':
        return this.#event(frame, id, at)
      case 'replay_complete':
        this.#isWhole = true
        return NOTHING
      case 'gap':
        if (!this.#isNew(at)) return NOTHING
        this.#moveTo(id!, at)
        return {
          kind: 'note',
          text: `Events ${frame.from} to ${frame.to} are gone: the server keeps only the newer ones.`,
        }
      case 'reset':
        if (at) this.#moveTo(id!, at)
        return { kind: 'note', text: RESETS.get(frame.reason) ?? 'The log follows from its beginning.' }
      case 'superseded':
        return { kind: 'superseded' }
      case 'session_complete':
        return at && this.#isNew(at) && !this.#isNext(at.seq, at) ? AGAIN : { kind: 'complete' }
      default:
        if (!this.#isNew(at)) return NOTHING
        this.#moveTo(id!, at)
        return { kind: 'note', text: 'The server sent something that this version does not know.' }
    }
  }

  #event(frame: EventFrame, id: string | undefined, at: CursorParts | null): Taken {
    // Without a place it is not in the log yet; once it is, it comes with one.
    if (id === undefined || !at || !this.#isNew(at)) return NOTHING
    if (!this.#isNext(frame.from ?? at.seq, at)) return AGAIN
    this.#moveTo(id, at)
    const { type: _, ...event } = frame
    return { kind: 'event', event: { ...event, cursor: id } }
  }

  #isNew(at: CursorParts | null): at is CursorParts {
    return at !== null && (at.seq > this.#at.seq || this.#isOther(at))
  }

  #isNext(from: number, at: CursorParts): boolean {
    return from === this.#at.seq + 1 && !this.#isOther(at)
  }

  /** Of another log, though no reset said so. */
  #isOther({ epoch }: CursorParts): boolean {
    return this.#at.epoch !== null && this.#at.epoch !== epoch
  }

  #moveTo(cursor: Cursor, at: CursorParts): void {
    this.#cursor = cursor
    this.#at = at
  }
}

/** A frame; null for what is none that this version knows. */
function parseFrame(data: string): Frame | null {
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const { type, event_type, content_type, agent_source } = value as { readonly [name: string]: unknown }
  if (typeof type !== 'string') return null
  if (type === 'event' && [event_type, content_type, agent_source].some((name) => typeof name !== 'string'))
    return null
  return value as Frame
}
