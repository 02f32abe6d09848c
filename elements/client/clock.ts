/**
 * Time and waiting: the real clock, a wait that can be cut short, a promise that gives way to an abort.
 *
 * @module
 */
import type { Clock } from './types.ts'

/** The clock of the page. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (fn, ms) => setTimeout(fn, ms),
  clearTimeout: (timer) => clearTimeout(timer as number),
}

/** One wait at a time, which somebody else can end. */
export class Nap {
  readonly #clock: Clock
  #end: (() => void) | null = null
  #timer: unknown = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves after `ms` milliseconds (null: never by itself) or when {@link Nap.end} is called. */
  take(ms: number | null): Promise<void> {
    this.end()
    return new Promise((resolve) => {
      this.#end = resolve
      if (ms !== null) this.#timer = this.#clock.setTimeout(() => this.end(), ms)
    })
  }

  /** Ends the wait, if there is one. */
  end(): void {
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer)
    this.#timer = null
    this.#end?.()
    this.#end = null
  }
}

/** The promise's outcome, unless the signal aborts first: then its reason is thrown. Not every `fetch` heeds its signal. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** The promise's value, or null when it rejects or is not there after `ms` milliseconds. */
export function within<T>(promise: Promise<T>, ms: number, clock: Clock): Promise<T | null> {
  return new Promise((resolve) => {
    const timer = clock.setTimeout(() => resolve(null), ms)
    promise.then(resolve, () => resolve(null)).finally(() => clock.clearTimeout(timer))
  })
}
