/**
 * How an event of the log stands to those that were shown before it was stored: the same, a join of several, or another.
 *
 * @module
 */
import type { LoomiEvent } from '../../server/protocol.ts'
import type { Unconfirmed } from './tail.ts'

/** Whether both are deltas of one part, or one and the same event. */
export function isOfOne(left: LoomiEvent, right: LoomiEvent): boolean {
  if (left.part_id !== undefined || right.part_id !== undefined) return left.part_id === right.part_id
  return (
    left.key === right.key && left.event_type === right.event_type && left.content_type === right.content_type
  )
}

/** What a text has before and after that of the events that it stands for. */
export function around(
  text: string,
  events: readonly Unconfirmed[],
): { readonly before: string; readonly after: string; readonly isThere: boolean } {
  const known = events.map((event) => event.text).join('')
  const at = events.length === 0 ? -1 : text.indexOf(known)
  if (at < 0) return { before: '', after: '', isThere: false }
  return { before: text.slice(0, at), after: text.slice(at + known.length), isThere: true }
}

/** Their text, without what was kept out. */
export function shownOf(events: readonly Unconfirmed[]): string {
  return events
    .filter(({ shows }) => shows)
    .map(({ text }) => text)
    .join('')
}
