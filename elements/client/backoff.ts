/**
 * How long to wait before the next attempt.
 *
 * @module
 */

/** Milliseconds: the shortest wait. */
const MIN_BACKOFF_MS = 500

/** Milliseconds: the longest wait, unless the server asks for more. */
export const MAX_BACKOFF_MS = 20_000

/** Milliseconds: more than this is not waited however politely the server asks. */
const MAX_ASKED_MS = 5 * 60_000

/**
 * Milliseconds to wait after `failures` failed attempts in a row: half a second plus a draw from a range that
 * doubles up to 20 s (full jitter, so that many clients spread), and at least what the server asked for.
 */
export function backoffMs(failures: number, random: () => number, askedMs: number): number {
  const range = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** Math.min(failures, 30))
  const drawn = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS + random() * range)
  return Math.max(drawn, Math.min(askedMs, MAX_ASKED_MS))
}

/** Milliseconds that a `Retry-After` header asks for (seconds or a date); 0 when it is absent or senseless. */
export function retryAfterMs(header: string | null, now: number): number {
  if (header === null) return 0
  const seconds = Number(header)
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - now
  return ms > 0 ? ms : 0
}
