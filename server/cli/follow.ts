/**
 * Follows a session's stream over any number of connections, until it is complete or refused.
 *
 * @module
 */
import { type Clock, sleep } from '../clock.ts'
import type { Cursor } from '../protocol.ts'
import { FrameOrder, type Taken } from './frame-order.ts'
import { Broken, readStream, Refused } from './stream-request.ts'

const MIN_BACKOFF_MS = 500
const MAX_BACKOFF_MS = 20_000
/** More than this is not waited, however politely the server asks. */
const MAX_ASKED_MS = 5 * 60_000

const SUPERSEDED =
  'The server ended this stream for a newer one: this user has too many open of this session.'

/** What there is to tell: an event, or a word about the stream. */
export type Told = Extract<Taken, { readonly kind: 'event' | 'note' }>

/** Whom to follow, and how. */
export interface FollowOptions {
  /** The stream's address, with its query but for the cursor. */
  readonly url: URL
  readonly ticket: string | null
  readonly after: Cursor
  /** Ends when all that there is now has come. */
  readonly once: boolean
  /** Ends it, whatever it is doing. */
  readonly signal: AbortSignal
  readonly fetch?: typeof fetch
  readonly clock: Clock
  /** 0 to 1, for the jitter. */
  readonly random?: () => number
}

/**
 * Every event after the cursor once and in order. Connections that break are made again from the last event, for as long
 * as it takes. Ends when the session is complete, with `once` after the present, or when the signal fires. Throws
 * {@link Refused}.
 */
export async function* follow(options: FollowOptions): AsyncGenerator<Told> {
  yield* new Follower(options).run()
}

class Follower {
  readonly #options: Required<FollowOptions>
  readonly #order: FrameOrder
  #isOver = false
  /** A stream was opened at least once, so the address is right. */
  #wasServed = false
  #failures = 0
  #retryMs = 0
  /** What was told about the present outage, null while there is none. */
  #outage: string | null = null

  constructor(options: FollowOptions) {
    this.#options = { fetch, random: Math.random, ...options }
    this.#order = new FrameOrder(options.after)
  }

  async *run(): AsyncGenerator<Told> {
    const { clock, signal } = this.#options
    while (!signal.aborted) {
      let broken: Broken
      try {
        yield* this.#connection()
        if (this.#isOver) return
        broken = new Broken('The server ended the stream.')
      } catch (error) {
        if (signal.aborted) return
        broken = this.#brokenBy(error)
      }
      if (this.#outage !== broken.message) {
        this.#outage = broken.message
        yield { kind: 'note', text: `${broken.message} Trying again until it is back.` }
      }
      await sleep(clock, this.#backoffMs(broken.askedMs), signal)
    }
  }

  async *#connection(): AsyncGenerator<Told> {
    const { clock, fetch, once, signal, ticket, url } = this.#options
    this.#order.begin()
    const messages = readStream({
      url,
      headers: {
        'Last-Event-ID': this.#order.cursor,
        ...(ticket !== null && { Authorization: `Bearer ${ticket}` }),
      },
      fetch,
      clock,
      signal,
      onRetry: (ms) => (this.#retryMs = ms),
      onAlive: () => (this.#failures = 0),
    })
    for await (const message of messages) {
      if (signal.aborted) return
      if (this.#outage !== null) yield { kind: 'note', text: 'Connected again.' }
      this.#outage = null
      this.#wasServed = true
      const taken = this.#order.take(message)
      switch (taken.kind) {
        case 'event':
          this.#failures = 0
          yield taken
          break
        case 'note':
          yield taken
          break
        case 'again':
          throw new Broken('The stream left something out.')
        case 'superseded':
          throw new Refused('superseded', SUPERSEDED)
        case 'complete':
          this.#isOver = true
          return
        case 'nothing':
      }
    }
    this.#isOver = once && this.#order.isWhole
  }

  #brokenBy(error: unknown): Broken {
    if (error instanceof Broken) return error
    // What stands before a server that is being replaced may answer with a page of its own.
    if (error instanceof Refused && error.why === 'not_a_stream' && this.#wasServed)
      return new Broken(error.message)
    throw error
  }

  /** Full jitter, so that many who were cut off at once come back spread; at least what the server asks for. */
  #backoffMs(askedMs: number): number {
    const range = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** Math.min(this.#failures++, 30))
    const drawn = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS + this.#options.random() * range)
    return Math.max(drawn, Math.min(Math.max(askedMs, this.#retryMs), MAX_ASKED_MS))
  }
}
