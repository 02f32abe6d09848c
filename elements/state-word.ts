/**
 * The element's state as a word for `:state()`.
 *
 * @module
 */

/** Takes `before` away and sets `after`. */
export function markState(internals: ElementInternals | null, before: string, after: string): void {
  try {
    internals?.states?.delete(before)
    internals?.states?.add(after)
  } catch {
    // Engines before 2024 take only words with two dashes; they know no `:state()` either.
  }
}
