/**
 * Keeps one view supplied: attempt after attempt, and what is to be done between them.
 *
 * @module
 */
import { backoffMs } from './backoff.ts'
import { abortable, Nap } from './clock.ts'
import { ConnectionError, readStream } from './connection.ts'
import { parseFrame, type RawFrame, type Received } from './frames.ts'
import { pace, type Pacing } from './pacer.ts'
import type { ClientError, Clock } from './types.ts'
import type { Verdict } from './view.ts'

/** Milliseconds between two polls while something on the way holds streams back. */
export const POLL_MS = 2000

/** After so many polls (5 minutes) the stream is tried again: the proxy may be gone. */
const POLLS_BEFORE_STREAM = 150

/** Milliseconds without a byte after which a wake-up doubts the connection. */
const DOUBT_MS = 20_000

/** Milliseconds: a connection that brought nothing new must have lived so long to count as healthy. */
const HEALTHY_MS = 5000

/** Milliseconds: a second hole within this time is not fetched at once. */
const HOLE_MS = 1000

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

/** Whom a link serves. */
export interface LinkHost {
  /** Address and headers of the next request; `once`: for what there is. `renew`: the last token was refused. */
  readonly prepare: (
    once: boolean,
    renew: boolean,
  ) => Promise<{ url: string; headers: { readonly [name: string]: string } }>
  /** Whether {@link LinkHost.prepare} can renew. */
  readonly renews: boolean
  /** An attempt begins; a quiet one continues a live view. */
  readonly begin: (quiet: boolean) => void
  /** Frames came, before their turn in the pace. */
  readonly heard: (frames: readonly RawFrame[], quiet: boolean) => void
  readonly receive: (batch: readonly Received[]) => Verdict
  /** A request for what there is has ended: `hole` when more is known to exist. */
  readonly settled: () => Verdict
  readonly position: () => string | null
  /** Whether the view has everything up to the end of the last stream's replay. */
  readonly live: () => boolean
  readonly status: (status: LinkStatus) => void
}

/** What a link is made with. */
export interface LinkOptions {
  /** `stream` holds a stream open; `follow` asks for what there is and then rests until {@link Link.refetch}. */
  readonly mode: 'stream' | 'follow'
  readonly credentials: RequestCredentials
  readonly fetch: typeof fetch
  readonly clock: Clock
  readonly random: () => number
  readonly pacing: Omit<Pacing, 'sleep' | 'now'>
  readonly offline: boolean
}

/** How an attempt ended. */
type Outcome = 'settled' | 'complete' | 'superseded' | 'hole' | 'interrupted' | ConnectionError

/** Milliseconds to rest, null until somebody wakes us. */
type Rest = number | null | 'stop'

/** The reason of an abort that is nobody's fault. */
const INTERRUPTED = Symbol('interrupted')

/** One life of a link: from {@link Link.run} to {@link Link.stop} or an end that only a new one gets over. */
export class Link {
  readonly #host: LinkHost
  readonly #options: LinkOptions
  readonly #rest: Nap
  readonly #pause: Nap
  #attempt: AbortController | null = null
  #stopped = false
  #offline: boolean
  #status: LinkStatus = { state: 'connecting', attempt: 0, retryAt: null, polling: false, error: null }
  #failures = 0
  #silences = 0
  #polling = false
  #polls = 0
  #renew = false
  #superseded = false
  /** Somebody wanted an attempt before the rest had begun. */
  #woken = false
  #retryMs = 0
  #lastByteAt = 0
  #lastHoleAt = -Infinity

  constructor(host: LinkHost, options: LinkOptions) {
    this.#host = host
    this.#options = options
    this.#offline = options.offline
    this.#rest = new Nap(options.clock)
    this.#pause = new Nap(options.clock)
  }

  get status(): LinkStatus {
    return this.#status
  }

  /** Whether an attempt is under way. */
  get busy(): boolean {
    return this.#attempt !== null
  }

  /** Connects, again and again. Ends when stopped, when the session is complete or when trying is of no use. */
  async run(): Promise<void> {
    let rest: Rest = this.#offline ? this.#set({ state: 'offline' }, null) : 0
    while (rest !== 'stop') {
      if (rest !== 0 && !this.#woken) await this.#rest.take(rest)
      if (this.#stopped) return
      const outcome = await this.#connect()
      if (this.#stopped) return
      rest = this.#judge(outcome)
    }
  }

  /** Ends this link for good; nothing that it still holds reaches the host. */
  stop(): void {
    this.#stopped = true
    this.#interrupt()
    this.#rest.end()
  }

  /**
   * Something suggests that a connection is wanted and possible: at once if there is none, and if the one there is
   * has been silent for 20 s. `act`: somebody looks at the page, so also after the server asked to stay away.
   */
  wake(act: boolean): void {
    if (this.#superseded && !act) return
    if (!this.#attempt) this.#endRest()
    else if (this.#options.clock.now() - this.#lastByteAt > DOUBT_MS) this.#interrupt()
  }

  /** Asks again from the position: a stream is replaced, a catch-up under way is left to end. */
  refetch(): void {
    if (!this.#attempt) this.#endRest()
    else if (this.#options.mode === 'stream') this.#interrupt()
  }

  /** The device says that it has no network, or has it again. */
  setOffline(offline: boolean): void {
    this.#offline = offline
    this.#silences = 0
    if (!offline) this.wake(false)
    else if (this.#attempt) this.#interrupt()
    else if (!this.#superseded) {
      this.#rest.prolong()
      this.#set({ state: 'offline', retryAt: null }, null)
    }
  }

  /** Ends the pause between two groups of a replay. */
  hurry(): void {
    this.#pause.end()
  }

  #endRest(): void {
    this.#woken = true
    this.#rest.end()
  }

  #interrupt(): void {
    this.#attempt?.abort(INTERRUPTED)
  }

  async #connect(): Promise<Outcome> {
    const { clock, mode, pacing } = this.#options
    const attempt = (this.#attempt = new AbortController())
    attempt.signal.addEventListener('abort', () => this.#pause.end())
    const once = mode === 'follow' || this.#polling
    const quiet = once && this.#status.state === 'open' && this.#host.live()
    const began = { at: clock.now(), position: this.#host.position() }
    this.#lastByteAt = began.at
    this.#superseded = this.#woken = false
    this.#host.begin(quiet)
    if (!quiet) this.#set({ state: 'connecting', retryAt: null }, null)
    try {
      const received = this.#receive(attempt, once, quiet)
      const sleep = (ms: number): Promise<void> => this.#pause.take(ms)
      for await (const batch of quiet
        ? received
        : pace(received, { ...pacing, sleep, now: () => clock.now() })) {
        attempt.signal.throwIfAborted()
        this.#renew = false
        if (this.#status.state !== 'open') this.#set({ state: 'open', attempt: 0, error: null }, null)
        const verdict = this.#host.receive(batch)
        attempt.signal.throwIfAborted()
        if (verdict !== 'go') return verdict
      }
      attempt.signal.throwIfAborted()
      if (!once || !this.#host.live()) throw new ConnectionError('broken', 'network', 'The stream ended.')
      const verdict = this.#host.settled()
      return verdict === 'go' ? 'settled' : verdict
    } catch (error) {
      if (error === INTERRUPTED || this.#stopped) return 'interrupted'
      return error instanceof ConnectionError
        ? error
        : new ConnectionError('broken', 'internal', String(error), { cause: error })
    } finally {
      const healthy = clock.now() - began.at >= HEALTHY_MS || this.#host.position() !== began.position
      if (this.#status.state === 'open' && healthy) this.#failures = 0
      this.#attempt = null
    }
  }

  async *#receive(
    attempt: AbortController,
    once: boolean,
    quiet: boolean,
  ): AsyncGenerator<readonly Received[]> {
    const { clock, credentials, fetch } = this.#options
    const request = await abortable(this.#host.prepare(once, this.#renew), attempt.signal)
    const onBytes = (): void => {
      this.#lastByteAt = clock.now()
      this.#silences = 0
    }
    const onRetry = (ms: number): void => void (this.#retryMs = ms)
    for await (const frames of readStream({
      ...request,
      credentials,
      fetch,
      clock,
      attempt,
      onBytes,
      onRetry,
    })) {
      attempt.signal.throwIfAborted()
      this.#host.heard(frames, quiet)
      yield frames.map(parseFrame)
    }
  }

  #judge(outcome: Outcome): Rest {
    switch (outcome) {
      case 'complete':
        return this.#set({ state: 'complete', polling: false }, 'stop')
      case 'superseded':
        this.#superseded = true
        return this.#set({ state: 'waiting', error: SUPERSEDED }, null)
      case 'interrupted':
        return this.#offline ? this.#set({ state: 'offline' }, null) : 0
      case 'settled':
        return this.#settled()
      case 'hole':
        return this.#refill()
      default:
        return this.#fail(outcome)
    }
  }

  #settled(): Rest {
    this.#set({ state: 'open', attempt: 0, error: null, polling: this.#polling }, null)
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
    return again
      ? this.#wait(
          new ConnectionError('broken', 'hole', 'The stream left out events; they are fetched again.'),
        )
      : 0
  }

  #fail(error: ConnectionError): Rest {
    const { kind, code, message } = error
    if (kind === 'unauthorized' && this.#host.renews && !this.#renew) {
      this.#renew = true
      return 0
    }
    if (kind === 'unauthorized' || kind === 'refused') {
      return this.#set({ state: 'failed', error: { code, message } }, 'stop')
    }
    if (this.#polling) this.#stopPolling()
    else if (kind === 'silent' && this.#options.mode === 'stream' && ++this.#silences >= 2) {
      this.#polling = true
      return 0
    }
    return this.#wait(error)
  }

  #stopPolling(): void {
    this.#polling = false
    this.#polls = 0
    this.#silences = 0
    this.#set({ polling: false }, null)
  }

  #wait({ code, message, retryAfterMs }: ConnectionError): Rest {
    const error = { code, message }
    const { clock, random } = this.#options
    const ms = backoffMs(this.#failures++, random, Math.max(this.#retryMs, retryAfterMs))
    if (this.#offline) return this.#set({ state: 'offline', attempt: this.#failures, error }, null)
    return this.#set({ state: 'waiting', attempt: this.#failures, retryAt: clock.now() + ms, error }, ms)
  }

  /** Changes the status, tells the host, and hands `rest` through. */
  #set<R extends Rest>(change: Partial<LinkStatus>, rest: R): R {
    const { state = this.#status.state } = change
    this.#status = {
      ...this.#status,
      ...change,
      retryAt: state === 'waiting' ? (change.retryAt ?? null) : null,
    }
    this.#host.status(this.#status)
    return rest
  }
}
