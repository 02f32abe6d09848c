/**
 * Reports to the operator: what all streams, writers and beats meet when the store fails is said once, and again when it goes on.
 *
 * @module
 */
import type { Clock } from './clock.ts'
import { type LoomiError, toLoomiError } from './errors.ts'

/** What goes on is said again after so long. */
const AGAIN_MS = 10_000
/** Of more words than these none are remembered, which costs but a report too many. */
const MAX_WORDS = 1000

/** Says errors; those of the store in the same words at most once in ten seconds. */
export function sparingly(clock: Clock, say: (error: LoomiError) => void): (error: unknown) => void {
  const saidAt = new Map<string, number>()
  return (thrown) => {
    const error = toLoomiError(thrown, 'internal', thrown instanceof Error ? thrown.message : String(thrown))
    // What is refused is lost, each time.
    if (!error.code.startsWith('store_') || error.code === 'store_refused') return say(error)
    const words = `${error.code} ${error.message}`
    const now = clock.elapsed?.() ?? clock.now()
    if (now - (saidAt.get(words) ?? -Infinity) < AGAIN_MS) return
    if (saidAt.size >= MAX_WORDS) saidAt.clear()
    saidAt.set(words, now)
    say(error)
  }
}
