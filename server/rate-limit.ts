/**
 * A token bucket per user and session, so that a client gone wild costs next to nothing.
 *
 * @module
 */
import type { Clock } from './clock.ts'
import { LoomiError } from './errors.ts'
import { nameOf } from './log.ts'
import type { SessionRef } from './store.ts'

const MAX_BUCKETS = 50_000

/** Token buckets; a bucket holds `burst` beats and gains `perSecond` each second. */
export class RateLimit {
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #burst: number
  readonly #buckets = new Map<string, { tokens: number; at: number }>()

  constructor(clock: Clock, perSecond: number, burst: number) {
    this.#clock = clock
    this.#perSecond = perSecond
    this.#burst = burst
  }

  /** Takes one token; throws `rate_limited` when there is none. */
  take(ref: SessionRef): void {
    const name = nameOf(ref)
    const now = this.#clock.now()
    const bucket = this.#buckets.get(name) ?? { tokens: this.#burst, at: now }
    bucket.tokens = Math.min(
      this.#burst,
      bucket.tokens + (Math.max(0, now - bucket.at) / 1000) * this.#perSecond,
    )
    bucket.at = now
    this.#buckets.delete(name)
    this.#buckets.set(name, bucket)
    // The first of the map is the one not used for longest; a forgotten bucket is a full one.
    if (this.#buckets.size > MAX_BUCKETS) this.#buckets.delete(this.#buckets.keys().next().value!)
    if (bucket.tokens < 1) {
      throw new LoomiError(
        'rate_limited',
        'Too many heartbeats for this session. One every 5 s is plenty; see interval_ms.',
      )
    }
    bucket.tokens -= 1
  }
}
