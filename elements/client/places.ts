/**
 * An event's place in its run, as its key tells it: places rise within a run, in the log as in what is not stored yet.
 *
 * @module
 */

/** The number of the input chunk, and of the event within it. */
export interface Place {
  readonly n: number
  readonly i: number
}

const PLACE = /\/(\d+)(?:\.(\d+))?$/

/** The place that a key (`<run>/<n>` or `<run>/<n>.<i>`) tells; null when it tells none. */
export function placeOf(key: string): Place | null {
  const match = PLACE.exec(key)
  return match && { n: Number(match[1]), i: Number(match[2] ?? 0) }
}

/** Below, at or above 0 as the first comes before, at or after the second in their run. */
export function comparePlaces(left: Place, right: Place): number {
  return left.n - right.n || left.i - right.i
}
