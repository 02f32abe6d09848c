/**
 * The gate in the service worker: one beat per user and session for all tabs.
 *
 * All that it knows is in memory and may be lost at any moment: then one beat more leaves, which harms nobody.
 *
 * @module
 */
import type { HeartbeatBody, TabState } from '../../server/protocol.ts'
import { systemClock, within, type Clock } from '../clock.ts'
import type { CursorStore } from '../cursor-store.ts'
import { intervalOf, RUNG_HEADER } from '../messages.ts'
import { parseAnswer, parseJson } from '../post-beat.ts'
import { DISPLAYED_WAIT_MS } from '../pulse.ts'

export interface BeatGateOptions {
  /** Absolute address of the heartbeat endpoint. */
  readonly url: string
  readonly store: Pick<CursorStore, 'get'>
  readonly fetch?: typeof fetch
  readonly clock?: Clock
}

/**
 * The share of an interval after which the next beat may leave. A timer's jitter is 10 %, so a lone tab
 * is never held back, and two tabs never make two beats.
 */
const OPEN_AFTER = 0.8

/** Milliseconds after which a beat is given up. */
const BEAT_TIMEOUT_MS = 8000

/** Sessions remembered at most; the first ones go. */
const MAX_SESSIONS = 100

/** What a request is answered with; null when nobody answered. `intervalMs` is set when the beat was taken. */
type Reply = {
  readonly status: number
  readonly text: string
  readonly retryAfter: string | null
  readonly intervalMs: number | null
} | null

interface SessionBeats {
  sentAt: number
  /** The last answer while it may be given again: only one to a beat that was taken. */
  taken: Reply
  pending: Promise<Reply> | null
  readonly tabs: Map<string, { readonly state: TabState; readonly until: number }>
}

export class BeatGate {
  readonly #url: string
  readonly #store: Pick<CursorStore, 'get'>
  readonly #fetch: typeof fetch
  readonly #clock: Clock
  readonly #sessions = new Map<string, SessionBeats>()

  constructor(options: BeatGateOptions) {
    this.#url = options.url
    this.#store = options.store
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis)
    this.#clock = options.clock ?? systemClock
  }

  /**
   * Answers a heartbeat worker's POST: from a new beat when max(the worker's interval, the server's) has passed
   * since the last one, else with the last answer. Never rejects; no answer becomes a network error.
   */
  async answer(request: Request): Promise<Response> {
    const text = await request.text()
    const body = parseJson(text)
    // What is no beat is the server's to answer.
    if (!isBeat(body)) return this.#pass(request, text)
    const heartbeatMs = intervalOf(request)
    const session = this.#sessionOf(body, request.headers.has('authorization'))
    this.#noteTab(session, body, heartbeatMs)

    while (session.pending) {
      const shared = await session.pending
      // Another tab's credential was refused. Ours may be a better one.
      if (shared?.status !== 401 && shared?.status !== 403) return toResponse(shared)
    }
    const intervalMs = Math.max(heartbeatMs, session.taken?.intervalMs ?? 0)
    if (session.taken && this.#clock.now() - session.sentAt < intervalMs * OPEN_AFTER) {
      return toResponse(session.taken)
    }
    session.sentAt = this.#clock.now()
    session.pending = this.#send(request, body, session).then((reply) => {
      session.pending = null
      session.taken = reply?.intervalMs == null ? null : reply
      return reply
    })
    return toResponse(await session.pending)
  }

  #pass({ url, headers, credentials }: Request, body: string): Promise<Response> {
    return this.#fetch(url, { method: 'POST', headers, credentials, body }).catch(() => Response.error())
  }

  /**
   * Tabs with a credential and tabs without are kept apart, so an answer never reaches a page that could not
   * have had it. Which credential it is does not matter: each page load has another for the same user.
   */
  #sessionOf(body: HeartbeatBody, hasCredential: boolean): SessionBeats {
    const key = JSON.stringify([body.user_id, body.session_id, hasCredential])
    let session = this.#sessions.get(key)
    if (!session) {
      session = { sentAt: 0, taken: null, pending: null, tabs: new Map() }
      this.#sessions.set(key, session)
      const [first] = this.#sessions.keys()
      if (this.#sessions.size > MAX_SESSIONS && first !== undefined) this.#sessions.delete(first)
    }
    return session
  }

  #noteTab(session: SessionBeats, body: HeartbeatBody, heartbeatMs: number): void {
    const now = this.#clock.now()
    const until = now + 3 * Math.max(heartbeatMs, session.taken?.intervalMs ?? 0)
    session.tabs.set(body.client_id ?? '', { state: body.state ?? 'visible', until })
    for (const [id, tab] of session.tabs) if (tab.until < now) session.tabs.delete(id)
  }

  async #send(request: Request, body: HeartbeatBody, session: SessionBeats): Promise<Reply> {
    const displayed = await within(
      DISPLAYED_WAIT_MS,
      this.#store.get(body.user_id, body.session_id),
      null,
      this.#clock,
    )
    const headers: Record<string, string> = { 'content-type': 'application/json' }
    const authorization = request.headers.get('authorization')
    if (authorization !== null) headers['authorization'] = authorization
    try {
      const response = await this.#fetch(this.#url, {
        method: 'POST',
        headers,
        body: JSON.stringify({
          ...body,
          ...(displayed !== null && { last_event_id: displayed }),
          rung: 'sw',
          state: stateOf(session),
        } satisfies HeartbeatBody),
        credentials: request.credentials,
        cache: 'no-store',
        signal: AbortSignal.timeout(BEAT_TIMEOUT_MS),
      })
      const { status } = response
      const text = await response.text()
      const answer = status === 200 ? parseAnswer(parseJson(text)) : null
      const retryAfter = response.headers.get('retry-after')
      return { status, text, retryAfter, intervalMs: answer?.interval_ms ?? null }
    } catch {
      return null
    }
  }
}

/** One beat speaks for all tabs: visible when one of them is. */
function stateOf(session: SessionBeats): TabState {
  const states = [...session.tabs.values()].map((tab) => tab.state)
  if (states.includes('visible')) return 'visible'
  return states.includes('hidden') ? 'hidden' : 'paused'
}

function toResponse(reply: Reply): Response {
  if (!reply) return Response.error()
  const headers: Record<string, string> = { 'content-type': 'application/json', [RUNG_HEADER]: 'sw' }
  if (reply.retryAfter !== null) headers['retry-after'] = reply.retryAfter
  return new Response(reply.text, { status: reply.status, headers })
}

function isBeat(body: unknown): body is HeartbeatBody {
  if (typeof body !== 'object' || body === null) return false
  const { user_id, session_id } = body as Record<string, unknown>
  return typeof user_id === 'string' && typeof session_id === 'string'
}
