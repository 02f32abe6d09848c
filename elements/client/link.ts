/**
 * Keeps one view supplied: attempt after attempt, and what is to be done between them.
 *
 * @module
 */
import { Attempt, type AttemptHost, type AttemptOptions, type Outcome } from './attempt.ts'
import { backoffMs, MAX_BACKOFF_MS } from './backoff.ts'
import { Nap } from './clock.ts'
import { ConnectionError } from './connection.ts'
import type { ClientError } from './types.ts'

/** Codes of troubles in which no server had a part. */
const UNREACHED = new Set(['network', 'silent'])

/** Milliseconds of silence after which a stream is doubted while the device calls itself offline. */
const OFFLINE_DOUBT_MS = 5000

/** Milliseconds between two polls while something on the way holds streams back. */
const POLL_MS = 2000

/** After so many polls (5 minutes) the stream is tried again: the proxy may be gone. */
const POLLS_BEFORE_STREAM = 150

/** Milliseconds without a byte after which a wake-up doubts the connection. */
const DOUBT_MS = 20_000

/** Milliseconds: a second hole within this time is not fetched at once. */
const HOLE_MS = 1000

const HOLE = new ConnectionError('broken', 'hole', 'The stream left out events; they are fetched again.')

const SUPERSEDED: ClientError = {
  code: 'superseded',
  message: 'The session is open in too many places; this one goes on when you come back to it.',
}

/** Where a link stands; `open` from the first frame on, also between two polls. */
export interface LinkStatus {
  readonly state: 'connecting' | 'open' | 'waiting' | 'offline' | 'complete' | 'failed'
  /** Failed attempts in a row; 0 while open. */
  readonly attempt: number
  /** When the next one is due, in milliseconds of the clock; null when none is. */
  readonly retryAt: number | null
  readonly polling: boolean
  readonly error: ClientError | null
}

/** The status before the first attempt. */
export const CONNECTING: LinkStatus = {
  state: 'connecting',
  attempt: 0,
  retryAt: null,
  polling: false,
  error: null,
}

/** Whom a link serves. */
export interface LinkHost extends AttemptHost {
  /** Whether a refused token can be renewed. */
  readonly renews: boolean
  readonly status: (status: LinkStatus) => void
}

/** What a link is made with. */
export interface LinkOptions extends AttemptOptions {
  /** `stream` holds a stream open; `follow` asks for what there is and then rests until {@link Link.refetch}. */
  readonly mode: 'stream' | 'follow'
  readonly random: () => number
  readonly offline: boolean
}

/** Milliseconds to rest, or null: until somebody wakes us. */
type Rest = number | null

/** One life of a link: from {@link Link.run} to {@link Link.stop} or an end that only a new one gets over. */
export class Link {
  readonly #host: LinkHost
  readonly #options: LinkOptions
  readonly #nap: Nap
  #attempt: Attempt | null = null
  #status = CONNECTING
  #over = false
  #offline: boolean
  #failures = 0
  /** Attempts in a row that brought no byte in time. */
  #silences = 0
  #polling = false
  #polls = 0
  #renew = false
  #superseded = false
  /** Somebody wanted an attempt before the rest had begun. */
  #woken = false
  #retryMs = 0
  #lastHoleAt = -Infinity
  #doubt: unknown = null

  constructor(host: LinkHost, options: LinkOptions) {
    this.#host = host
    this.#options = options
    this.#offline = options.offline
    this.#nap = new Nap(options.clock)
  }

  /** Whether an attempt is under way. */
  get busy(): boolean {
    return this.#attempt !== null
  }

  /** Connects, again and again. Ends when stopped, when the session is complete or when trying is of no use. */
  async run(): Promise<void> {
    let rest: Rest = 0
    while (!this.#over) {
      if (rest !== 0 && !this.#woken) await this.#nap.take(rest)
      if (this.#over) return
      const outcome = await this.#connect()
      if (this.#over) return
      rest = this.#judge(outcome)
    }
  }

  /** Ends this link for good; nothing that it still holds reaches the host. */
  stop(): void {
    this.#over = true
    this.#options.clock.clearTimeout(this.#doubt)
    this.#attempt?.interrupt()
    this.#nap.end()
  }

  /**
   * Something suggests that a connection is wanted and possible: at once if there is none, and if the one there is
   * has been silent for 20 s. `act`: somebody looks at the page, so also after the server asked to stay away.
   */
  wake(act: boolean): void {
    if (this.#superseded && !act) return
    if (!this.#attempt) this.#endRest()
    else if (this.#attempt.silentForMs > DOUBT_MS) this.#attempt.interrupt()
  }

  /** Asks again from the position: a stream is replaced, a catch-up under way is left to end. */
  refetch(): void {
    if (!this.#attempt) this.#endRest()
    else if (this.#options.mode === 'stream') this.#attempt.interrupt()
  }

  /**
   * The device says that it has no network, or has it again. It may be wrong (a server on this machine, a VPN): what still
   * brings something is left alone, and tries go on.
   */
  setOffline(offline: boolean): void {
    this.#offline = offline
    this.#silences = 0
    const { clock } = this.#options
    clock.clearTimeout(this.#doubt)
    const attempt = this.#attempt
    if (!offline) this.wake(false)
    else if (attempt) {
      this.#doubt = clock.setTimeout(() => {
        if (this.#attempt === attempt && attempt.silentForMs >= OFFLINE_DOUBT_MS) attempt.interrupt()
      }, OFFLINE_DOUBT_MS)
    } else if (this.#status.state === 'waiting' && !this.#superseded) {
      this.#set({ state: 'offline', retryAt: this.#status.retryAt })
    }
  }

  /** Ends the pause between two groups of a replay. */
  hurry(): void {
    this.#attempt?.hurry()
  }

  #endRest(): void {
    this.#woken = true
    this.#nap.end()
  }

  async #connect(): Promise<Outcome> {
    const once = this.#options.mode === 'follow' || this.#polling
    const quiet = once && this.#status.state === 'open' && this.#host.live()
    this.#superseded = this.#woken = false
    const attempt = new Attempt(this.#host, this.#options, {
      once,
      quiet,
      polls: this.#polling,
      renew: this.#renew,
      onOpen: () => this.#set({ state: 'open', attempt: 0, error: null }),
      onRetry: (ms) => (this.#retryMs = ms),
    })
    this.#attempt = attempt
    if (!quiet) this.#set({ state: this.#offline ? 'offline' : 'connecting' })
    const outcome = await attempt.run()
    this.#attempt = null
    if (attempt.heard) {
      this.#silences = 0
      this.#renew = false
    }
    if (attempt.healthy) this.#failures = 0
    return outcome
  }

  #judge(outcome: Outcome): Rest {
    switch (outcome) {
      case 'complete':
        return this.#end({ state: 'complete', polling: false })
      case 'superseded':
        this.#superseded = true
        this.#set({ state: 'waiting', error: SUPERSEDED })
        return null
      case 'interrupted':
        return 0
      case 'settled':
        return this.#settle()
      case 'hole':
        return this.#refill()
      default:
        return this.#fail(outcome)
    }
  }

  #settle(): Rest {
    this.#set({ state: 'open', attempt: 0, error: null, polling: this.#polling })
    if (!this.#polling) return null
    if (++this.#polls < POLLS_BEFORE_STREAM) return POLL_MS
    this.#stopPolling()
    this.#silences = 1
    return 0
  }

  /** The first hole is fetched at once; a server that leaves one hole after the other is not stormed. */
  #refill(): Rest {
    const now = this.#options.clock.now()
    const again = now - this.#lastHoleAt < HOLE_MS
    this.#lastHoleAt = now
    return again ? this.#wait(HOLE) : 0
  }

  #fail(error: ConnectionError): Rest {
    const { kind, code, message } = error
    if (kind === 'unauthorized' && this.#host.renews && !this.#renew) {
      this.#renew = true
      return 0
    }
    if (kind === 'unauthorized' || kind === 'refused')
      return this.#end({ state: 'failed', error: { code, message } })
    if (this.#polling) this.#stopPolling()
    else if (kind === 'silent' && this.#options.mode === 'stream' && ++this.#silences >= 2) {
      this.#polling = true
      return 0
    }
    return this.#wait(error)
  }

  #stopPolling(): void {
    this.#polling = false
    this.#polls = this.#silences = 0
    this.#set({ polling: false })
  }

  #wait({ code, message, retryAfterMs }: ConnectionError): Rest {
    const { clock, random } = this.#options
    // A server that answers is no sign of a missing network.
    const offline = this.#offline && UNREACHED.has(code)
    const backoff = backoffMs(this.#failures++, random, Math.max(this.#retryMs, retryAfterMs))
    const ms = offline ? MAX_BACKOFF_MS : backoff
    this.#set({
      attempt: this.#failures,
      error: { code, message },
      state: offline ? 'offline' : 'waiting',
      retryAt: clock.now() + ms,
    })
    return ms
  }

  #end(change: Partial<LinkStatus>): Rest {
    this.#over = true
    this.#set(change)
    return null
  }

  #set(change: Partial<LinkStatus>): void {
    this.#status = { ...this.#status, retryAt: null, ...change }
    this.#host.status(this.#status)
  }
}
