/** Rows and heads of the log in plain objects. */
import { parseCursor, type RunEnd } from '../../server/protocol.ts'
import {
  opensRun,
  type PresenceRow,
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

/** What is known of a user's presence after one more flush: the later beat wins, and within an epoch the further `displayed`. */
export function mergePresence(before: PresenceRow | null, told: PresenceRow): PresenceRow {
  if (!before) return told
  const [early, late] = told.lastBeatAt >= before.lastBeatAt ? [before, told] : [told, before]
  const [old, next] = [early, late].map(({ displayed }) => parseCursor(displayed ?? ''))
  const isBehind = old && next && old.epoch === next.epoch && old.seq > next.seq
  return { ...late, displayed: isBehind ? early.displayed : (late.displayed ?? early.displayed) }
}

/** Sessions in the order of their ids. */
export function bySession(one: SessionRef, other: SessionRef): number {
  return one.sessionId < other.sessionId ? -1 : 1
}
