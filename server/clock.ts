/**
 * Time as a seam: everything in the server that waits or stamps asks a Clock.
 *
 * @module
 */
import { LoomiError } from './errors.ts'

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

/** What `work` resolves with; rejects with `store_unavailable` when that takes longer than `ms` milliseconds. */
export async function within<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T> {
  let timer: unknown
  const late = new Promise<never>((_, reject) => {
    const message = `The store has not answered within ${ms} ms (storeTimeoutMs). It is asked again.`
    timer = clock.setTimeout(() => reject(new LoomiError('store_unavailable', message)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clock.clearTimeout(timer)
  }
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
