/**
 * Retention: from time to time, old rows are deleted in small batches, beside everything else that the store does.
 *
 * @module
 */
import { type Clock, sleep } from './clock.ts'
import { LoomiError } from './errors.ts'
import type { Retention, Store } from './store.ts'

/** Soon, but not while a server that starts has its readers come back. */
const FIRST_MS = 5000
const EVERY_MS = 60_000
/** A batch holds the store's write lock: this many rows are a few milliseconds. */
const BATCH_ROWS = 500
/** Between two batches everybody else has the store. */
const PAUSE_MS = 20

/** What retention works with. */
export interface PrunerDeps {
  readonly store: Pick<Store, 'prune'>
  readonly clock: Clock
  readonly onError: (error: unknown) => void
}

/** Prunes 5 s after it was made and then every minute, until it is closed. A store that fails is tried again with the next round. */
export class Pruner {
  readonly #retention: Retention
  readonly #deps: PrunerDeps
  readonly #closed = new AbortController()
  #timer: unknown

  constructor(retention: Retention, deps: PrunerDeps) {
    this.#retention = retention
    this.#deps = deps
    this.#schedule(FIRST_MS)
  }

  /** Begins no further batch. */
  close(): void {
    this.#closed.abort()
    this.#deps.clock.clearTimeout(this.#timer)
  }

  /** The next round is set only after the last one's end, so that there are never two. */
  #schedule(ms: number): void {
    this.#timer = this.#deps.clock.setTimeout(() => void this.#round(), ms)
  }

  async #round(): Promise<void> {
    const { store, clock, onError } = this.#deps
    try {
      let from: string | null = null
      while (!this.#closed.signal.aborted) {
        const { next } = await store.prune(this.#retention, BATCH_ROWS, from)
        if (next === null) break
        from = next
        await sleep(clock, PAUSE_MS, this.#closed.signal)
      }
    } catch (error) {
      if (!this.#closed.signal.aborted) onError(error)
    }
    if (!this.#closed.signal.aborted) this.#schedule(EVERY_MS)
  }
}

/** The retention that was asked for, null when it lets nothing go. Throws `bad_option`. */
export function checkRetention(retention: Retention | undefined): Retention | null {
  const { maxAgeMs, maxEventsPerSession } = retention ?? {}
  if (maxAgeMs !== undefined && !(maxAgeMs >= 0))
    throw new LoomiError('bad_option', 'retention.maxAgeMs is a number of milliseconds from 0 up.')
  if (
    maxEventsPerSession !== undefined &&
    !(maxEventsPerSession === Infinity || (Number.isInteger(maxEventsPerSession) && maxEventsPerSession >= 1))
  )
    throw new LoomiError('bad_option', 'retention.maxEventsPerSession is a whole number from 1 up.')
  const isBounded = [maxAgeMs, maxEventsPerSession].some((most) => most !== undefined && most !== Infinity)
  return isBounded && retention ? retention : null
}
