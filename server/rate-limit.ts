/**
 * Token buckets for beats, so that a client gone wild costs next to nothing.
 *
 * @module
 */
import type { Clock } from './clock.ts'
import { LoomiError } from './errors.ts'
import { nameOf, type SessionRef } from './store.ts'

const MAX_BUCKETS = 50_000

/** A user in all sessions may send so many times what is allowed in one. */
const SESSIONS_AT_ONCE = 10
/** A bucket holds what so many seconds bring. */
const BURST_S = 4

/** Token buckets, one for each user in a session and one for each user. */
export class RateLimit {
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #buckets = new Map<string, { tokens: number; at: number }>()

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock
    this.#perSecond = perSecond
  }

  /** Takes a token of the session and one of the user; throws `rate_limited` when there is none. */
  take(ref: SessionRef): void {
    // A session's name is not empty, so no pair has the user's own bucket.
    const isSpent = [
      this.#takeFrom(nameOf(ref), this.#perSecond),
      this.#takeFrom(nameOf({ ...ref, sessionId: '' }), this.#perSecond * SESSIONS_AT_ONCE),
    ].includes(false)
    if (!isSpent) return
    const message = 'Too many heartbeats. One every 5 s for each session is plenty; see interval_ms.'
    throw new LoomiError('rate_limited', message)
  }

  #takeFrom(name: string, perSecond: number): boolean {
    const now = this.#clock.now()
    const burst = perSecond * BURST_S
    const bucket = this.#buckets.get(name) ?? { tokens: burst, at: now }
    bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.at) / 1000) * perSecond)
    bucket.at = now
    this.#buckets.delete(name)
    this.#buckets.set(name, bucket)
    // The first of the map is the one not used for longest; a forgotten bucket is a full one.
    if (this.#buckets.size > MAX_BUCKETS) this.#buckets.delete(this.#buckets.keys().next().value!)
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }
}
