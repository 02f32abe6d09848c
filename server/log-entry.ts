/**
 * What a process knows of a session that is watched in it, and when that is not to be believed any more.
 *
 * @module
 */
import type { EncodedRow } from './frames.ts'
import { tagOf } from './protocol.ts'
import { keyOf, type SessionHead, type SessionRef, type StoredEvent } from './store.ts'
import type { Tail } from './tail.ts'

/** A page of the log. An empty one means that there is nothing after the asked seq yet. */
export interface Page {
  readonly epoch: string
  readonly head: number
  readonly rows: readonly EncodedRow[]
  /** The reader's own place is another row now: an older copy of the log has taken its place and grown on. */
  readonly isReplaced: boolean
}

/** What is known of a session that somebody watches. */
export interface Entry {
  readonly ref: SessionRef
  /** Rises from entry to entry. */
  readonly number: number
  readonly watchers: Set<() => void>
  head: SessionHead | null
  readonly tail: Tail
  /** Reads that are under way, by the place they start after. */
  readonly reads: Map<string, Promise<Page | null>>
}

/** Lower than it was when we asked, or another row there: an older copy of the log has taken its place. */
export function isOlderCopy(before: SessionHead, told: SessionHead): boolean {
  if (before.epoch !== told.epoch) return false
  return told.head < before.head || (told.head === before.head && told.headKey !== before.headKey)
}

/** Whether a row is known to be another one than what was appended in its place: an older copy of the log has taken its place. */
export function isAnother({ head, tail }: Entry, row: StoredEvent): boolean {
  const known = tail.tagAt(row.seq) ?? (head?.head === row.seq ? tagOf(head.headKey) : null)
  return known !== null && known !== tagOf(keyOf(row))
}

/** Whether a head is another than the known one, and no older one. */
export function isNews({ head }: Entry, told: SessionHead): boolean {
  return told.epoch !== head?.epoch || told.head > head.head
}

/** Wakes all who watch. */
export function wakeAll(entry: Entry): void {
  // Who is woken asks anew: a read from before this may lack the very row that it wakes for.
  entry.reads.clear()
  for (const wake of entry.watchers) wake()
}

/** The rows after a seq from memory; null when it does not hold them, or not certainly those of the reader's log. */
export function fromTail({ head, tail }: Entry, after: number, tag: string | null): Page | null {
  const rows = tail.after(after)
  if (!head || !rows || tail.end !== head.head) return null
  // Another row, or one that is not known: the store tells what has happened.
  if (tag !== null && tail.tagAt(after) !== tag) return null
  return { epoch: head.epoch, head: head.head, rows, isReplaced: false }
}
