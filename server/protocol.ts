/**
 * The wire: what server, page and service worker say to each other, and nothing else.
 *
 * Words are those of the table and the JSON alike, in snake_case. This file imports nothing and
 * may be imported by every other folder.
 *
 * @module
 */

/** Where the route is mounted unless the app says otherwise. */
export const DEFAULT_BASE = '/api/loomi'

/** Milliseconds between two heartbeats of a session unless page or server ask for more. */
export const DEFAULT_HEARTBEAT_MS = 5000

/** Milliseconds without a beat after which the next one counts as a return. */
export const DEFAULT_DISCONNECT_THRESHOLD_MS = 10_000

/** More unseen rows than this are replayed even when nobody was noticed to be away. */
export const DEFAULT_PILE_UP = 10

/** Milliseconds between two comment lines on a quiet stream. */
export const KEEP_ALIVE_MS = 15_000

/** Milliseconds without a byte after which a reader takes the connection for dead (2.5 keep-alives and a bit). */
export const SILENCE_MS = 40_000

/** A beat's body may have at most this many bytes. */
export const MAX_HEARTBEAT_BYTES = 1024

/** An event's data and metadata may have at most this many bytes of JSON. */
export const MAX_EVENT_BYTES = 256 * 1024

/** A user's or session's id may have at most this many characters. */
export const MAX_ID_LENGTH = 128

/**
 * A place in one session's log, opaque to everybody but this file: `0` (the beginning), `<epoch>-0`
 * or `<epoch>-<seq>-<tag>`.
 */
export type Cursor = string

/** A cursor taken apart. `epoch` is null in the cursor `0`; `tag` is null at seq 0. */
export interface CursorParts {
  readonly epoch: string | null
  readonly seq: number
  readonly tag: string | null
}

/** The tag of a row that was pruned, whose key nobody knows any more. */
export const PRUNED_TAG = '000000'

const CURSOR = /^([a-z0-9]{1,16})-(?:(0)|([1-9][0-9]{0,15})-([a-z0-9]{6}))$/

/** Takes a cursor apart; null when it is not one. */
export function parseCursor(text: string): CursorParts | null {
  if (text === '0') return { epoch: null, seq: 0, tag: null }
  const match = CURSOR.exec(text)
  if (!match) return null
  const seq = Number(match[3] ?? 0)
  if (!Number.isSafeInteger(seq)) return null
  return { epoch: match[1]!, seq, tag: match[4] ?? null }
}

/** Puts a cursor together. `key` is the row's key; at seq 0 there is none. */
export function formatCursor(epoch: string, seq: number, key?: string): Cursor {
  if (seq === 0) return `${epoch}-0`
  return `${epoch}-${seq}-${key === undefined ? PRUNED_TAG : tagOf(key)}`
}

/**
 * Six characters that tell one row's key from another's, so that a log restored from a backup is noticed.
 * FNV-1a over the UTF-16 code units, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/), in base 36.
 * It guards against accidents, not against forgers: who may read a session may name any place in it.
 */
export function tagOf(key: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return (hash >>> 0).toString(36).padStart(6, '0').slice(-6)
}

/** Any JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

/** How a run ended. */
export type RunEnd = 'complete' | 'failed' | 'stopped' | 'interrupted'

/**
 * One entry of the log as it travels. Its text is `event_data` itself when that is a string, else its
 * `.text`, else its `.content` ({@link textOf}).
 */
export interface LoomiEvent {
  /** What happened: `llm_chunk`, `user_message`, `tool_call`, `run_end`, `session_complete` or any name of the app's. */
  readonly event_type: string
  /** What it shows as: `thought`, `message`, `user`, `tool_call`, or any name of the app's; of a `run_end` its {@link RunEnd}. */
  readonly content_type: string
  /** Who said it. */
  readonly agent_source: string
  readonly event_data: Json
  readonly event_metadata?: { readonly [name: string]: Json }
  readonly run_id: string
  /** Set on deltas that join to one text; unique in the session: `<run>/<message>/<index>`. */
  readonly part_id?: string
  /** True on the last event of a part. */
  readonly part_done?: true
  /** ISO 8601, by the producer's clock; for display, never for order. */
  readonly created_at: string
  /** `<run_id>/<n>`, or `<run_id>/<n>.<i>` for the further events of one input chunk. */
  readonly key: string
}

/** The text of an event, '' when it has none. */
export function textOf(data: Json): string {
  if (typeof data === 'string') return data
  if (data === null || typeof data !== 'object' || Array.isArray(data)) return ''
  const { text, content } = data as { readonly text?: Json; readonly content?: Json }
  if (typeof text === 'string') return text
  return typeof content === 'string' ? content : ''
}

/** Why a replay is sent. */
export type ReplayReason = 'cursor_behind' | 'has_disconnect_events' | 'too_many_unreplayed' | 'first_visit'

/** Why a cursor could not be honoured. */
export type ResetReason = 'malformed' | 'epoch' | 'tag' | 'beyond_end'

/** First frame when nothing follows `seen`; `count` restored rows may. `cursor` is null while the session has no event for this user. */
export interface NoReplayFrame {
  readonly type: 'no_replay'
  readonly cursor: Cursor | null
  /** The seq up to which the user has seen the log. */
  readonly seen: number
  /** How many rows follow at once. */
  readonly count: number
  /** A random word of the server process. */
  readonly boot: string
}

/** First frame when something was missed: `count` rows up to seq `to` follow, `missed` of them after seq `seen`. */
export interface ReplayStartFrame {
  readonly type: 'replay_start'
  readonly reason: ReplayReason
  readonly count: number
  readonly missed: number
  readonly seen: number
  readonly to: number
  readonly boot: string
}

/** One event, or with `from` (the seq of the first) several deltas of one part joined to one. */
export interface EventFrame extends LoomiEvent {
  readonly type: 'event'
  readonly from?: number
  /** Shown before the store has confirmed it; such a frame has no SSE id. */
  readonly provisional?: true
}

/** `to` of the replay was passed; what follows is live. */
export interface ReplayCompleteFrame {
  readonly type: 'replay_complete'
  readonly count: number
}

/** The rows `from` to `to` were pruned. */
export interface GapFrame {
  readonly type: 'gap'
  readonly from: number
  readonly to: number
}

/** The cursor can't be honoured; the log follows from its start, opened by another first frame. */
export interface ResetFrame {
  readonly type: 'reset'
  readonly reason: ResetReason
}

/** The server ends this stream for a newer one. */
export interface SupersededFrame {
  readonly type: 'superseded'
  readonly reason: 'too_many_streams'
}

/** The session was closed; the stream ends. */
export interface SessionCompleteFrame {
  readonly type: 'session_complete'
}

/** Everything a stream may carry; each is the JSON of one SSE `data:` line. */
export type Frame =
  | NoReplayFrame
  | ReplayStartFrame
  | EventFrame
  | ReplayCompleteFrame
  | GapFrame
  | ResetFrame
  | SupersededFrame
  | SessionCompleteFrame

/** How a beat was sent: through the service worker, from the dedicated worker, from a page timer. */
export type Rung = 'sw' | 'worker' | 'page'

/** What the tab that beats is doing. */
export type TabState = 'visible' | 'hidden' | 'paused'

/** Body of `POST {base}/heartbeat`, at most {@link MAX_HEARTBEAT_BYTES}. */
export interface HeartbeatBody {
  readonly user_id: string
  readonly session_id: string
  /** One word per tab. */
  readonly client_id?: string
  /** The displayed cursor. */
  readonly last_event_id?: Cursor
  readonly rung?: Rung
  readonly state?: TabState
}

/** Answer to a beat that was taken. */
export interface HeartbeatAnswer {
  readonly success: true
  /** ISO 8601, by the server's clock. */
  readonly timestamp: string
  /** The newest event of the session; null while it has none for this user. */
  readonly latest_event_id: Cursor | null
  /** Milliseconds to the next beat that the server asks for. */
  readonly interval_ms: number
}

/** Answer to a request that was refused; `message` tells how to mend it. */
export interface ErrorAnswer {
  readonly success: false
  readonly error: { readonly code: string; readonly message: string }
}

/**
 * Whether a value may be a user's or session's id: 1 to {@link MAX_ID_LENGTH} characters, no control characters, no lone
 * surrogates, and neither `.` nor `..`, which no URL path can carry, however they are encoded.
 */
export function isId(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length >= 1 &&
    value.length <= MAX_ID_LENGTH &&
    !/^\.{1,2}$|[\p{Cc}\p{Cs}]/u.test(value)
  )
}
