/**
 * What a process knows of a session that is watched in it, and when that is not to be believed any more.
 *
 * @module
 */
import type { EncodedRow } from './frames.ts'
import { tagOf } from './protocol.ts'
import type { SessionHead, SessionRef } from './store.ts'
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
  /** Takes it away when nobody has come to watch for a while. */
  leaving: unknown
}

/** Lower than it was when we asked, or another row there: an older copy of the log has taken its place. */
export function isOlderCopy(before: SessionHead, told: SessionHead): boolean {
  if (before.epoch !== told.epoch) return false
  return told.head < before.head || (told.head === before.head && told.headKey !== before.headKey)
}

/**
 * Whether rows, or the one before them, are known to be others than the store tells now: an older copy of the log has taken
 * its place. `before`: that row's tag, null when it is not known.
 */
export function isOfAnother(
  { head, tail }: Entry,
  epoch: string,
  rows: readonly EncodedRow[],
  before: string | null,
): boolean {
  const isOther = (seq: number, tag: string): boolean => {
    const known = tail.tagAt(seq) ?? (head?.head === seq ? tagOf(head.headKey) : null)
    return known !== null && known !== tag
  }
  if (head?.epoch !== epoch) return false
  if (rows.length > 0 && before !== null && isOther(rows[0]!.row.seq - 1, before)) return true
  return rows.some(({ row, tag }) => isOther(row.seq, tag))
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
