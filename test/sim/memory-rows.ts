/** Rows and heads of the log in plain objects. */
import type { RunEnd } from '../../server/protocol.ts'
import {
  opensRun,
  type RunPlace,
  type SessionHead,
  type SessionRef,
  type StoredEvent,
} from '../../server/store.ts'

/** What processes are told of a session's log. */
export function headOf({ epoch, head, headKey, closedSeq }: SessionHead): SessionHead {
  return { epoch, head, headKey, closedSeq }
}

/** The row that ends a run for its producer. */
export function endOf(
  run_id: string,
  seq: number,
  { n, i }: RunPlace,
  status: RunEnd,
  created_at: string,
): StoredEvent {
  return {
    seq,
    run_id,
    n,
    i,
    event_type: 'run_end',
    content_type: status,
    agent_source: 'loomi',
    event_data: JSON.stringify({ status }),
    event_metadata: null,
    part_id: null,
    part_done: false,
    created_at,
  }
}

/** The status of a run after one more of its events. */
export function statusAfter(row: StoredEvent, before: string | null): string | null {
  if (row.event_type === 'run_end') return row.content_type
  return opensRun(row.event_type) ? 'open' : before
}

/** Sessions in the order of their ids. */
export function bySession(one: SessionRef, other: SessionRef): number {
  return one.sessionId < other.sessionId ? -1 : 1
}
