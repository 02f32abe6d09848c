/**
 * Time as a seam: everything in the server that waits or stamps asks a Clock.
 *
 * @module
 */

/** Time, to be replaced in tests. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Milliseconds that this process has run; stands still while the machine sleeps. Default: `now`. */
  elapsed?(): number
  /** Runs `fn` once after `ms` milliseconds; the answer goes to `clearTimeout`. */
  setTimeout(fn: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
}

/** The machine's own time. Its timers keep no process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  setTimeout(fn, ms) {
    const timer: unknown = setTimeout(fn, ms)
    // Node's timers have unref(); other runtimes' are numbers. A flush or a keep-alive is no reason to stay.
    if (typeof timer === 'object' && timer !== null && 'unref' in timer) (timer as { unref(): void }).unref()
    return timer
  },
  clearTimeout(timer) {
    clearTimeout(timer as ReturnType<typeof setTimeout>)
  },
}

/** Resolves after `ms` milliseconds of the clock, or at once when the signal fires. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = (): void => {
      clock.clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.setTimeout(done, ms)
    signal?.addEventListener('abort', done, { once: true })
  })
}
