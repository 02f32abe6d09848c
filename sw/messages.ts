/**
 * What page, heartbeat worker and service worker say to each other.
 *
 * @module
 */
import type { Cursor, HeartbeatAnswer, Rung, TabState } from '../server/protocol.ts'

/**
 * Request header of a beat that a heartbeat worker sends: its interval in milliseconds. The service worker
 * answers only requests that carry it, so a page's own beat (the last one before it freezes) is never held back.
 */
export const INTERVAL_HEADER = 'loomi-heartbeat-ms'

/** The interval that a heartbeat worker's request tells; NaN when the request is none of a worker's. */
export function intervalOf(request: Request): number {
  return Number(request.headers.get(INTERVAL_HEADER) ?? NaN)
}

/** Response header by which the service worker signs its answers, so that the rung told is the one that was taken. */
export const RUNG_HEADER = 'loomi-rung'

/** Where to beat, for whom and how often; all that a worker needs beside the credential. */
export interface BeatSettings {
  /** Absolute address of the heartbeat endpoint. */
  readonly url: string
  readonly userId: string
  readonly sessionId: string
  /** One word per tab. */
  readonly clientId: string
  /** Milliseconds between two beats, unless the server asks for more. */
  readonly heartbeatMs: number
  readonly credentials: RequestCredentials
}

/** Page to heartbeat worker. */
export type ToWorker =
  | {
      readonly type: 'start'
      readonly settings: BeatSettings
      readonly token: string | null
      readonly state: TabState
    }
  | { readonly type: 'token'; readonly token: string | null }
  | { readonly type: 'state'; readonly state: TabState }
  | { readonly type: 'beat' }

/** Heartbeat worker to page. `up` comes once, when the script runs; `renew` asks for a `token`. */
export type FromWorker =
  | { readonly type: 'up' }
  | { readonly type: 'beat'; readonly answer: HeartbeatAnswer; readonly rung: Rung }
  | { readonly type: 'renew' }
  | { readonly type: 'error'; readonly code: string; readonly message: string }

/** Page to service worker, which answers `true` on the message's port once the cursor is kept, `false` when it can't be. */
export interface DisplayedMessage {
  readonly type: 'loomi:displayed'
  readonly userId: string
  readonly sessionId: string
  readonly cursor: Cursor
  /** It replaces what is kept, whatever that is: the log was replaced. */
  readonly restarts?: boolean
}

/** The message when it is ours, else null: a host's service worker hears other messages too. */
export function parseDisplayed(data: unknown): DisplayedMessage | null {
  if (typeof data !== 'object' || data === null) return null
  const { type, userId, sessionId, cursor, restarts } = data as Record<string, unknown>
  if (type !== 'loomi:displayed') return null
  if (typeof userId !== 'string' || typeof sessionId !== 'string' || typeof cursor !== 'string') return null
  return { type, userId, sessionId, cursor, ...(restarts === true && { restarts }) }
}
