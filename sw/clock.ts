/**
 * Time, so that tests can turn its hands.
 *
 * @module
 */

/** What timers hang on. */
export interface Clock {
  /** Milliseconds of a clock that never goes back (a device's date may). */
  now(): number
  setTimeout(fn: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
}

/** The clock of the page or worker that runs this. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout: (fn, ms) => setTimeout(fn, ms),
  clearTimeout: (timer) => clearTimeout(timer as number),
}

/**
 * The promise's value, or `otherwise` when it rejects or is not there after `ms` milliseconds. Never
 * rejects: for what is nice to have (a cached cursor, an acknowledgement), not for what must be known.
 */
export function within<T, F>(
  ms: number,
  promise: Promise<T>,
  otherwise: F,
  clock: Clock = systemClock,
): Promise<T | F> {
  return new Promise((resolve) => {
    const timer = clock.setTimeout(() => resolve(otherwise), ms)
    promise.then(
      (value) => {
        clock.clearTimeout(timer)
        resolve(value)
      },
      () => {
        clock.clearTimeout(timer)
        resolve(otherwise)
      },
    )
  })
}
