/**
 * The replay decision: where a stream begins and whether its viewer missed something.
 *
 * A pure function; the route gathers what it needs and acts on the answer.
 *
 * @module
 */
import type { ReplayReason } from './protocol.ts'

/** The head seq that a user is known to have reached by beats; `pending` when they were noticed to be away since. */
export interface Mark {
  readonly seq: number
  readonly pending: boolean
}

/** What is known when a stream is asked for. All numbers are seqs of the session's present log. */
export interface ReplayInput {
  /** Where the client says it is, null when it does not say. */
  readonly cursor: number | null
  /** The newest row. */
  readonly head: number
  /** What the user has displayed on this device or any other, null when nobody told. */
  readonly displayed: number | null
  /** Where beats place the user, null when there were none. */
  readonly mark: Mark | null
  /** More unseen rows than this are a replay even when nobody was noticed to be away. */
  readonly pileUp: number
}

/** Where to begin and what to say first. */
export interface ReplayDecision {
  /** Rows after this seq follow. */
  readonly start: number
  /** What the user is taken to have seen. */
  readonly seen: number
  /** Rows after both `start` and `seen`. */
  readonly missed: number
  /** Why a replay is announced; null for `no_replay`. */
  readonly reason: ReplayReason | null
}

/**
 * With a cursor the rows after it follow, and those after the displayed place were missed. Without one the stream
 * starts at the displayed place, else at the mark, else at the beginning; a few rows that piled up while the
 * user was there are not a replay.
 */
export function decideReplay({ cursor, head, displayed, mark, pileUp }: ReplayInput): ReplayDecision {
  const neverSeen = displayed === null && mark === null
  if (cursor !== null) {
    const seen = displayed ?? cursor
    const missed = Math.max(0, head - Math.max(cursor, seen))
    const reason = cursor === 0 && neverSeen ? 'first_visit' : 'cursor_behind'
    return { start: cursor, seen, missed, reason: missed > 0 ? reason : null }
  }
  const start = Math.min(displayed ?? mark?.seq ?? 0, head)
  const missed = head - start
  const reason = reasonWithoutCursor(missed, start)
  return { start, seen: reason === null ? head : start, missed: reason === null ? 0 : missed, reason }

  function reasonWithoutCursor(missed: number, start: number): ReplayReason | null {
    if (missed === 0) return null
    if (neverSeen) return 'first_visit'
    if (mark?.pending && head > Math.max(mark.seq, start)) return 'has_disconnect_events'
    return missed > pileUp ? 'too_many_unreplayed' : null
  }
}
