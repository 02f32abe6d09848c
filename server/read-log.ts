/**
 * Reading a session's log in one go, for the app that owns it.
 *
 * @module
 */
import { LoomiError } from './errors.ts'
import type { Log } from './log.ts'
import { checkCursor } from './opening.ts'
import { type Cursor, formatCursor, type Json, type LoomiEvent, parseCursor } from './protocol.ts'
import { keyOf, type SessionRef, type Store } from './store.ts'

/** An event with the cursor of its row. */
export type ReadEvent = LoomiEvent & { readonly cursor: Cursor }

/** The rows after a cursor as they are now, in order. Throws `bad_request` for a cursor of another log. */
export async function* readLog(
  ref: SessionRef,
  after: Cursor,
  { log, store }: { readonly log: Log; readonly store: Store },
): AsyncGenerator<ReadEvent> {
  const from = parseCursor(after)
  const head = await log.head(ref)
  const keys = from && from.seq > 0 ? await store.keys(ref, [from.seq]) : new Map()
  if (!from || (head ? checkCursor(from, head, keys) : from.epoch) !== null) {
    throw new LoomiError(
      'bad_request',
      `${after} is not a cursor of this session. Use '0' for the beginning.`,
    )
  }
  for (let seq = from.seq; head && seq < head.head;) {
    const { events } = await store.read(ref, seq, 500)
    if (events.length === 0) return
    for (const row of events) {
      seq = row.seq
      if (seq > head.head) return
      yield {
        event_type: row.event_type,
        content_type: row.content_type,
        agent_source: row.agent_source,
        event_data: JSON.parse(row.event_data) as Json,
        ...(row.event_metadata !== null && {
          event_metadata: JSON.parse(row.event_metadata) as { [name: string]: Json },
        }),
        run_id: row.run_id,
        ...(row.part_id !== null && { part_id: row.part_id }),
        ...(row.part_done && { part_done: true as const }),
        created_at: row.created_at,
        key: keyOf(row),
        cursor: formatCursor(head.epoch, row.seq, keyOf(row)),
      }
    }
  }
}
