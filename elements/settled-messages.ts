/**
 * Which messages have come to their end between two snapshots, for saying each once.
 *
 * @module
 */
import type { Item, Snapshot } from './client/index.ts'
import { kindOf } from './kinds.ts'

/** The texts of messages that ended while live; what a replay brings is summed up in one sentence instead. */
export function settledMessages(before: Snapshot, after: Snapshot): readonly string[] {
  if (before.state !== 'live' || after.state !== 'live') return []
  const texts: string[] = []
  // Made only when items have moved: events that others stored come before those that are not stored yet.
  let byId: Map<string, Item> | null = null
  for (const [index, item] of after.items.entries()) {
    let known = before.items[index]
    if (item === known || !item.done || kindOf(item.event) !== 'message') continue
    if (known && known.id !== item.id) {
      byId ??= new Map(before.items.map((one) => [one.id, one]))
      known = byId.get(item.id)
    }
    if (known?.id === item.id && known.done) continue
    texts.push(item.text)
  }
  return texts
}
