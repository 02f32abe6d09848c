/**
 * How an event of the log stands to those that were shown before it was stored: the same, a join of several, or another.
 *
 * @module
 */
import type { LoomiEvent } from '../../server/protocol.ts'
import type { Unconfirmed } from './tail.ts'

/** What a row of the log means for those events that it covers. */
export interface Confirmation {
  /** It stands for these. */
  readonly mine: readonly Unconfirmed[]
  /** The log went on without these. */
  readonly others: readonly Unconfirmed[]
  /** How many of them are gone without a word so far. */
  readonly untold: number
  /** Whether the text of `mine` is part of the row's, and what that has before and after it. */
  readonly isThere: boolean
  readonly before: string
  readonly after: string
}

/** Compares a row and its text with the events of the tail that it covers. */
export function confirm(row: LoomiEvent, text: string, covered: readonly Unconfirmed[]): Confirmation {
  const same = covered.filter(({ event }) => isOfOne(event, row))
  // The first ones may have been in a log that is no more. A row with nothing of them says the same in other words.
  const first = same.findIndex((_, index) => around(text, same.slice(index)).isThere)
  const mine = first > 0 ? same.slice(first) : same
  const others = covered.length > mine.length ? covered.filter((one) => !mine.includes(one)) : []
  const place = around(text, mine)
  const { before } = place
  // Who feeds a run again may cut it in other places.
  const isCutAnew = before !== '' && others.at(-1)?.text.endsWith(before) === true
  const isTold = row.event_type === 'loomi_dropped' || isCutAnew
  return { mine, others, untold: isTold ? 0 : others.filter(({ isInDoubt }) => !isInDoubt).length, ...place }
}

/** Their text, without what was kept out. */
export function shownOf(events: readonly Unconfirmed[]): string {
  return events
    .filter(({ shows }) => shows)
    .map(({ text }) => text)
    .join('')
}

/** Whether both are deltas of one part, or one and the same event. */
function isOfOne(left: LoomiEvent, right: LoomiEvent): boolean {
  if (left.part_id !== undefined || right.part_id !== undefined) return left.part_id === right.part_id
  return (
    left.key === right.key && left.event_type === right.event_type && left.content_type === right.content_type
  )
}

function around(
  text: string,
  events: readonly Unconfirmed[],
): Pick<Confirmation, 'isThere' | 'before' | 'after'> {
  const known = events.map((event) => event.text).join('')
  const at = events.length === 0 ? -1 : text.indexOf(known)
  if (at < 0) return { before: '', after: '', isThere: false }
  return { before: text.slice(0, at), after: text.slice(at + known.length), isThere: true }
}
