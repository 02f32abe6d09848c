/** What the log was at every moment: each row with the row before it, also of logs that were lost or set back. */
import { formatCursor, type Json, textOf } from '../../server/protocol.ts'
import { keyOf, type StoredEvent } from '../../server/store.ts'

/** A row that was committed. */
export interface Written {
  readonly cursor: string
  readonly epoch: string
  readonly seq: number
  readonly row: StoredEvent
  readonly text: string
  /** The row before it in its log, null before the first. */
  readonly before: Written | null
  /** When it was committed, in the world's time. */
  readonly at: number
}

/** The chronicle of one session. */
export class Chronicle {
  /** The newest row, null while the log is empty. */
  head: Written | null = null
  /** How often the log was set back or begun anew. */
  generation = 0
  /** Answers to what was stored in a log that is gone are still on their way. */
  isUnsettled = (): boolean => false
  /** Rows up to this seq were pruned, in whatever log. */
  prunedTo = 0
  /** The furthest place that a view told as displayed, by epoch. */
  readonly displayed = new Map<string, number>()
  /** Runs that more than one process has fed. */
  readonly refed = new Set<string>()
  readonly #rows = new Map<string, Written>()

  write(epoch: string, row: StoredEvent, at: number): Written {
    const cursor = formatCursor(epoch, row.seq, keyOf(row))
    const text = textOf(JSON.parse(row.event_data) as Json)
    const written = { cursor, epoch, seq: row.seq, row, text, before: this.head, at }
    this.#rows.set(cursor, written)
    this.head = written
    return written
  }

  /** The row of a cursor, if it was ever committed. */
  find(cursor: string): Written | null {
    return this.#rows.get(cursor) ?? null
  }

  /** The log is another one from now on. */
  replace(head: Written | null): void {
    this.head = head
    this.generation++
  }

  /** The log as it is, from the beginning, with what was pruned. */
  rows(): Written[] {
    return this.since(null)
  }

  /** What was committed after a row of it. */
  since(from: Written | null): Written[] {
    const rows: Written[] = []
    for (let row = this.head; row && row !== from; row = row.before) rows.push(row)
    return rows.toReversed()
  }

  /** Whether a row, or null for the beginning, is part of what leads to another. */
  leadsTo(row: Written | null, to: Written | null): boolean {
    if (row === null) return true
    for (let at = to; at && at.seq >= row.seq; at = at.before) if (at.cursor === row.cursor) return true
    return false
  }
}
