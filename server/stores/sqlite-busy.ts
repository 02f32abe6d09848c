/**
 * Waiting for a file that another process holds: from a timer, because SQLite's own wait (`busy_timeout`) would freeze every
 * stream of this process.
 *
 * @module
 */
import { isBusy } from './sqlite-errors.ts'

/** Does work as soon as the file is free; throws what SQLite says when it is still held after `giveUpMs`. */
export async function whenFree<T>(work: () => T, giveUpMs: number): Promise<T> {
  const giveUpAt = Date.now() + giveUpMs
  for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 20)) {
    try {
      return work()
    } catch (error) {
      if (!isBusy(error) || Date.now() > giveUpAt) throw error
      await new Promise((resolve) => setTimeout(resolve, waitMs * (0.5 + Math.random())))
    }
  }
}
