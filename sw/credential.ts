/**
 * The credential of the beats: asked from the app when it is needed, and kept in memory only.
 *
 * @module
 */
import { type Clock, systemClock } from './clock.ts'
import type { BeatError } from './post-beat.ts'

/** Milliseconds that the app has to answer. */
const ANSWER_MS = 10_000

/** The last credential that the app gave. */
export class Credential {
  readonly #ask:
    | ((renew: boolean) => string | null | undefined | Promise<string | null | undefined>)
    | undefined
  readonly #onFailure: (error: BeatError) => void
  readonly #clock: Clock
  #last: string | null = null

  constructor(
    ask: ((renew: boolean) => string | null | undefined | Promise<string | null | undefined>) | undefined,
    onFailure: (error: BeatError) => void,
    clock: Clock = systemClock,
  ) {
    this.#ask = ask
    this.#onFailure = onFailure
    this.#clock = clock
  }

  /** What the app gave last; null before, and for pages that need none. */
  get last(): string | null {
    return this.#last
  }

  /** The credential, a new one with `renew`. Never rejects: when the app fails or takes 10 s, the last one has to do. */
  async get(renew: boolean): Promise<string | null> {
    if (!this.#ask || (!renew && this.#last !== null)) return this.#last
    let timer: unknown
    const tooLate = new Promise<never>((_, reject) => {
      timer = this.#clock.setTimeout(() => reject(new Error('no answer within 10 s')), ANSWER_MS)
    })
    try {
      this.#last = (await Promise.race([this.#ask(renew), tooLate])) ?? null
    } catch (error) {
      this.#onFailure({ code: 'token_failed', message: `getToken failed: ${String(error)}` })
    } finally {
      this.#clock.clearTimeout(timer)
    }
    return this.#last
  }
}
