/**
 * One heartbeat POST and what came of it.
 *
 * @module
 */
import type { HeartbeatAnswer, HeartbeatBody, Rung } from '../server/protocol.ts'
import { INTERVAL_HEADER, RUNG_HEADER } from './messages.ts'

/** How a beat ended: the server took it, refused it, or nobody answered. */
export type BeatOutcome =
  | { readonly kind: 'taken'; readonly answer: HeartbeatAnswer; readonly rung: Rung }
  | {
      readonly kind: 'refused'
      readonly status: number
      readonly error: BeatError
      readonly retryAfterMs: number
    }
  | { readonly kind: 'unreachable'; readonly error: BeatError }

/** A trouble with a beat. `code` is the server's, or one of our own; `message` tells how to mend it. */
export interface BeatError {
  readonly code: string
  readonly message: string
}

export interface BeatRequest {
  readonly url: string
  readonly body: HeartbeatBody & { readonly rung: Rung }
  readonly token: string | null
  readonly credentials: RequestCredentials
  /** Lets the request outlive its page. Default false. */
  readonly keepalive?: boolean
  /** Set by a heartbeat worker: its interval in milliseconds ({@link INTERVAL_HEADER}). */
  readonly intervalMs?: number
  readonly signal?: AbortSignal
  readonly fetch: typeof fetch
}

/** Sends one beat. Never rejects. */
export async function postBeat(request: BeatRequest): Promise<BeatOutcome> {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (request.token !== null) headers['authorization'] = `Bearer ${request.token}`
  if (request.intervalMs !== undefined) headers[INTERVAL_HEADER] = String(request.intervalMs)
  try {
    const response = await request.fetch(request.url, {
      method: 'POST',
      headers,
      body: JSON.stringify(request.body),
      credentials: request.credentials,
      cache: 'no-store',
      keepalive: request.keepalive ?? false,
      ...(request.signal && { signal: request.signal }),
    })
    const json = parseJson(await response.text())
    const answer = response.status === 200 ? parseAnswer(json) : null
    if (answer) {
      const rung = response.headers.get(RUNG_HEADER) === 'sw' ? 'sw' : request.body.rung
      return { kind: 'taken', answer, rung }
    }
    return {
      kind: 'refused',
      status: response.status,
      error: errorOf(json, response.status),
      retryAfterMs: retryAfterMs(response.headers.get('retry-after')),
    }
  } catch {
    return {
      kind: 'unreachable',
      error: {
        code: 'heartbeat_unreachable',
        message: 'No answer to a heartbeat: the server or the network is down. It is sent again by itself.',
      },
    }
  }
}

/** The longest interval, whoever asks for more (milliseconds): a timer of more than 24 days would fire at once. */
export const MAX_INTERVAL_MS = 3_600_000

/** An answer to a beat, read from any JSON; null when it is none (a captive portal, a wrong route). */
export function parseAnswer(json: unknown): HeartbeatAnswer | null {
  if (typeof json !== 'object' || json === null) return null
  const {
    success,
    timestamp,
    latest_event_id: latest,
    interval_ms: interval,
  } = json as Record<string, unknown>
  if (success !== true || typeof interval !== 'number' || !(interval >= 0)) return null
  return {
    success,
    timestamp: typeof timestamp === 'string' ? timestamp : '',
    latest_event_id: typeof latest === 'string' ? latest : null,
    interval_ms: Math.min(interval, MAX_INTERVAL_MS),
  }
}

/** JSON, or null when the text is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function errorOf(json: unknown, status: number): BeatError {
  const error = typeof json === 'object' && json !== null ? (json as Record<string, unknown>)['error'] : null
  if (typeof error === 'object' && error !== null) {
    const { code, message } = error as Record<string, unknown>
    if (typeof code === 'string' && typeof message === 'string') return { code, message }
  }
  return {
    code: 'heartbeat_answer_unreadable',
    message: `The heartbeat endpoint answered ${status} with something else than Loomi's JSON: check that \`base\` is where the route is mounted.`,
  }
}

/** Milliseconds that a `Retry-After` header asks for, in seconds or as a date; 0 when it is absent or senseless. */
function retryAfterMs(header: string | null): number {
  if (header === null) return 0
  const seconds = Number(header)
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now()
  return ms > 0 ? Math.min(ms, MAX_INTERVAL_MS) : 0
}
