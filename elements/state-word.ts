/**
 * The element's state as a word for `:state()`.
 *
 * @module
 */

/** Takes `before` away, null at the start, and sets `after`. */
export function markState(internals: ElementInternals | null, before: string | null, after: string): void {
  try {
    if (before !== null) internals?.states?.delete(before)
    internals?.states?.add(after)
  } catch {
    // Engines before 2024 take only words with two dashes; they know no `:state()` either.
  }
}
