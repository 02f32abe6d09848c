/**
 * The page's heartbeat: the rungs from service worker to page timer, and what was displayed.
 *
 * @module
 */
import {
  DEFAULT_BASE,
  DEFAULT_HEARTBEAT_MS,
  type Cursor,
  type HeartbeatAnswer,
  type Rung,
  type TabState,
} from '../server/protocol.ts'
import { within } from './clock.ts'
import { Credential } from './credential.ts'
import { Displayed } from './displayed.ts'
import type { BeatSettings } from './messages.ts'
import { postBeat, type BeatError } from './post-beat.ts'
import { DISPLAYED_WAIT_MS, startPulse, type Pulse } from './pulse.ts'
import { NO_BASE, NO_WORKER, NOT_KEPT, ROOT_BASE } from './troubles.ts'
import { startWorker } from './worker-link.ts'

export interface HeartbeatOptions {
  /** 1 to 128 characters. */
  readonly userId: string
  /** 1 to 128 characters. */
  readonly sessionId: string
  /**
   * Where the route is mounted: a path or an address. Default `/api/loomi`. Service worker and worker need one
   * of this origin, and the service worker a path below `/`, because its scope may not be the whole site's.
   */
  readonly base?: string
  /** One word per tab. Default a random one. */
  readonly clientId?: string
  /** Milliseconds between two beats, unless the server asks for more. Default 5000; from 100 to an hour. */
  readonly heartbeatMs?: number
  /** The credential, sent as `Authorization: Bearer`. Asked at the start, and with `renew` after a 401. */
  readonly getToken?: (renew: boolean) => string | null | undefined | Promise<string | null | undefined>
  /** For `fetch`. Default `same-origin`. */
  readonly credentials?: RequestCredentials
  /** Called with each answer and the rung that its beat took. */
  readonly onBeat?: (answer: HeartbeatAnswer, rung: Rung) => void
  /** Called when an answered beat took another rung than the one before. */
  readonly onRung?: (rung: Rung) => void
  /** Called once per `code`. The heartbeat goes on, on a lower rung if need be. */
  readonly onError?: (error: BeatError) => void
}

/** A running heartbeat. None of its methods throws. */
export interface Heartbeat {
  /** How the last answered beat was sent; null before the first. */
  readonly rung: Rung | null
  /**
   * Tells what has been displayed; kept on the device and sent with the beats. Written at most every 250 ms. `restarts`: also
   * if what is kept is further on, because the log was replaced. Default false.
   */
  displayed(cursor: Cursor, restarts?: boolean): void
  /** What was displayed on this device; null when that is not known within 300 ms. */
  getDisplayed(): Promise<Cursor | null>
  /** Tells what the tab is doing. `paused` (it is about to be frozen or left) sends one last beat from the page itself. */
  setState(state: TabState): void
  /** Beats now, unless another tab just has. */
  beatNow(): void
  /** Drops what this device knows about all of the user's sessions. */
  forget(): Promise<void>
  /** Ends worker and timers; what was displayed is still written. */
  stop(): void
}

/** Starts beating; returns at once. The first beat leaves when the service worker is there, or is known not to be (5 s at most). */
export function startHeartbeat(options: HeartbeatOptions): Heartbeat {
  return new PageHeartbeat(options)
}

class PageHeartbeat implements Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #settings: BeatSettings
  readonly #base: URL
  readonly #displayed: Displayed
  readonly #credential: Credential
  readonly #stopped = new AbortController()
  readonly #reported = new Set<string>()
  #registration: ServiceWorkerRegistration | null = null
  #pulse: Pulse | null = null
  #rung: Rung | null = null
  #state: TabState = document.visibilityState === 'hidden' ? 'hidden' : 'visible'

  constructor(options: HeartbeatOptions) {
    const { userId, sessionId, base = DEFAULT_BASE, heartbeatMs = DEFAULT_HEARTBEAT_MS } = options
    this.#options = options
    this.#base = resolveBase(base)
    this.#settings = {
      url: this.#at('heartbeat'),
      userId,
      sessionId,
      clientId: options.clientId ?? Math.random().toString(36).slice(2, 12),
      heartbeatMs: heartbeatMs >= MIN_HEARTBEAT_MS ? heartbeatMs : DEFAULT_HEARTBEAT_MS,
      credentials: options.credentials ?? 'same-origin',
    }
    this.#credential = new Credential(options.getToken, (error) => this.#report(error))
    this.#displayed = new Displayed({
      userId,
      sessionId,
      serviceWorker: () => this.#registration?.active ?? null,
      onFailure: () => this.#report(NOT_KEPT),
    })
    void this.#start()
  }

  get rung(): Rung | null {
    return this.#rung
  }

  displayed(cursor: Cursor, restarts = false): void {
    if (!this.#stopped.signal.aborted) this.#displayed.push(cursor, restarts)
  }

  async getDisplayed(): Promise<Cursor | null> {
    const cursor = await within(DISPLAYED_WAIT_MS, this.#displayed.kept(), null)
    this.#closeIfStopped()
    return cursor
  }

  setState(state: TabState): void {
    if (this.#stopped.signal.aborted || state === this.#state) return
    const wasPaused = this.#state === 'paused'
    this.#state = state
    this.#pulse?.setState(state)
    if (state !== 'visible') void this.#displayed.flush()
    if (state === 'paused') this.#beatFromPage()
    if (wasPaused) this.beatNow()
  }

  beatNow(): void {
    if (!this.#stopped.signal.aborted) this.#pulse?.beatNow()
  }

  async forget(): Promise<void> {
    await this.#displayed.forget()
    this.#closeIfStopped()
  }

  stop(): void {
    if (this.#stopped.signal.aborted) return
    this.#stopped.abort()
    this.#closeIfStopped()
  }

  async #start(): Promise<void> {
    // A caller's onError may name the heartbeat that this call is still making.
    await Promise.resolve()
    const { signal } = this.#stopped
    if (signal.aborted) return
    if (!/^https?:$/.test(this.#base.protocol)) return this.#report(NO_BASE)
    const link = {
      settings: this.#settings,
      getToken: (renew: boolean) => this.#credential.get(renew),
      onBeat: (answer: HeartbeatAnswer, rung: Rung) => this.#onBeat(answer, rung),
      onError: (error: BeatError) => this.#report(error),
      signal,
    }
    if (this.#base.origin === globalThis.origin) {
      this.#registration = await this.#register()
      if (signal.aborted) return
      this.#pulse = await startWorker({ ...link, script: this.#at('worker.js'), state: () => this.#state })
    }
    if (signal.aborted || this.#pulse) return
    this.#report(NO_WORKER)
    this.#pulse = startPulse({
      ...link,
      rung: 'page',
      state: this.#state,
      displayed: () => this.#displayed.kept(),
    })
  }

  async #register(): Promise<ServiceWorkerRegistration | null> {
    if (this.#base.pathname === '/') {
      this.#report(ROOT_BASE)
      return null
    }
    try {
      const { register } = await import('./registration.ts')
      return await register(this.#base.href)
    } catch (error) {
      const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
      this.#report({ code: typeof code === 'string' ? code : 'sw_failed', message: String(message) })
      return null
    }
  }

  #at(name: string): string {
    return `${this.#base.href.replace(/\/$/, '')}/${name}`
  }

  #beatFromPage(): void {
    const { url, userId, sessionId, clientId, credentials } = this.#settings
    const { newest } = this.#displayed
    void postBeat({
      url,
      body: {
        user_id: userId,
        session_id: sessionId,
        client_id: clientId,
        ...(newest !== null && { last_event_id: newest }),
        rung: 'page',
        state: this.#state,
      },
      token: this.#credential.last,
      credentials,
      keepalive: true,
      fetch: globalThis.fetch.bind(globalThis),
    })
  }

  #onBeat(answer: HeartbeatAnswer, rung: Rung): void {
    const isNew = rung !== this.#rung
    this.#rung = rung
    if (isNew) guard(() => this.#options.onRung?.(rung))
    guard(() => this.#options.onBeat?.(answer, rung))
  }

  #report({ code, message }: BeatError): void {
    if (this.#stopped.signal.aborted || this.#reported.has(code)) return
    this.#reported.add(code)
    guard(() => this.#options.onError?.({ code, message }))
  }

  #closeIfStopped(): void {
    if (this.#stopped.signal.aborted) void this.#displayed.close()
  }
}

const MIN_HEARTBEAT_MS = 100

/** The base as an absolute address without a slash at its end; one that no request can be sent to when it is none. */
function resolveBase(base: string): URL {
  try {
    return new URL(base.replace(/\/+$/, '') || '/', document.baseURI)
  } catch {
    return new URL('about:invalid')
  }
}

/** An app's callback that throws is the app's trouble: it is told like any uncaught error, and the pulse goes on. */
function guard(callback: () => void): void {
  try {
    callback()
  } catch (error) {
    reportError(error)
  }
}
