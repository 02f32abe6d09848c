/**
 * How a stream opens: the cursor is checked against the log, the replay decision is asked, and the first frame says it.
 *
 * @module
 */
import type { EncodedRow } from './frames.ts'
import type { PresenceBook } from './presence.ts'
import {
  type Cursor,
  type CursorParts,
  formatCursor,
  type NoReplayFrame,
  parseCursor,
  PRUNED_TAG,
  type ReplayStartFrame,
  type ResetReason,
  tagOf,
} from './protocol.ts'
import { decideReplay } from './replay-decision.ts'
import { keyOf, type SessionHead, type SessionRef, type Store } from './store.ts'
import type { StreamQuery } from './stream.ts'

/** Where a stream begins and what it says first. */
export interface Opening {
  /** Rows after this seq follow. */
  readonly position: number
  /** Of the row at the position, as the store has it or else the client; null when nobody knows it. */
  readonly tag: string | null
  readonly seen: number
  /** Rows up to this seq are the replay. */
  readonly to: number
  /** How many rows that is. */
  readonly count: number
  readonly frame: Omit<NoReplayFrame, 'boot'> | Omit<ReplayStartFrame, 'boot'>
  /** The cursor opened with. */
  readonly cursor: Cursor
  /** Why the client's own cursor could not be honoured, null when it could. */
  readonly reset: ResetReason | null
}

/** What the opening needs to know. */
export interface OpeningDeps {
  readonly store: Pick<Store, 'keys'>
  readonly presence: Pick<PresenceBook, 'place'>
  readonly pileUp: number
  /** Made from memory, which may lack the newest rows: what a reader has displayed beyond it is believed. */
  readonly isFromMemory?: boolean
}

/** Decides how a stream of an existing session opens. */
export async function openStream(
  { store, presence, pileUp, isFromMemory = false }: OpeningDeps,
  ref: SessionRef,
  head: SessionHead,
  query: StreamQuery,
): Promise<Opening> {
  const place = await presence.place(ref, head)
  const asked = query.cursor === null ? null : parseCursor(query.cursor)
  const told = [query.seen, place.displayed].map((cursor) => (cursor === null ? null : parseCursor(cursor)))
  const seqs = [asked?.seq, place.mark?.seq, ...told.map((parts) => parts?.seq)].filter(
    (seq) => seq !== undefined && seq > 0,
  )
  const keys = await store.keys(ref, seqs as number[])

  const reset = query.cursor === null ? null : checkCursor(asked, head, keys)
  const displayed = told
    .filter((parts) => {
      const objection = checkCursor(parts, head, keys)
      return objection === null || (isFromMemory && objection === 'beyond_end')
    })
    .map((parts) => parts!.seq)
  const decision = decideReplay({
    cursor: query.cursor === null ? null : reset === null ? asked!.seq : 0,
    head: head.head,
    displayed: displayed.length > 0 ? Math.max(...displayed) : null,
    mark: place.mark,
    pileUp,
  })
  const { start, seen, missed, reason } = decision
  const cursor = formatCursor(head.epoch, start, keys.get(start))
  // What this process remembers of the log may tell better than the store, where the row was pruned.
  const claimed = reset === null && asked?.seq === start && asked.tag !== PRUNED_TAG ? asked.tag : null
  const silent = !query.follow && query.cursor === null && reason === null
  const count = silent ? 0 : head.head - start
  return {
    position: start,
    tag: keys.has(start) ? tagOf(keys.get(start)!) : claimed,
    seen,
    to: head.head,
    count,
    cursor,
    reset,
    frame: reason
      ? { type: 'replay_start', reason, count, missed, seen, to: head.head }
      : { type: 'no_replay', cursor, seen, count },
  }
}

/**
 * How a stream opens from what this process remembers, while the store does not answer; null when the rows that it
 * remembers do not reach back to the client's cursor.
 */
export function fromMemory(
  memory: { readonly head: SessionHead; readonly rows: readonly EncodedRow[] } | null,
  { cursor }: StreamQuery,
  deps: OpeningDeps,
): { readonly head: SessionHead; readonly deps: OpeningDeps } | null {
  const parts = parseCursor(cursor ?? '0')
  if (!memory || !parts || (parts.epoch !== null && parts.epoch !== memory.head.epoch)) return null
  const keys = new Map(memory.rows.map(({ row }) => [row.seq, keyOf(row)]))
  const key = keys.get(parts.seq)
  const isCovered =
    parts.seq === 0 ? memory.rows[0]?.row.seq === 1 : key !== undefined && tagOf(key) === parts.tag
  if (!isCovered) return null
  const known = (seqs: readonly number[]): Map<number, string> =>
    new Map(seqs.flatMap((seq) => (keys.has(seq) ? [[seq, keys.get(seq)!]] : [])))
  return {
    head: memory.head,
    deps: {
      ...deps,
      store: { keys: async (_, seqs) => known(seqs) },
      // Presence would be loaded from the same store.
      presence: { place: async () => ({ mark: null, displayed: null }) },
      isFromMemory: true,
    },
  }
}

/** Why a cursor is not one of this log, null when it is. `keys` has the key of the cursor's row as far as the store knows it. */
export function checkCursor(
  parts: CursorParts | null,
  head: SessionHead,
  keys: ReadonlyMap<number, string>,
): ResetReason | null {
  if (!parts) return 'malformed'
  if (parts.epoch === null) return null
  if (parts.epoch !== head.epoch) return 'epoch'
  if (parts.seq > head.head) return 'beyond_end'
  const key = keys.get(parts.seq)
  // Of a row that was pruned longer ago nothing can be checked: the rows after it are what remains either way.
  if (parts.seq === 0 || key === undefined || parts.tag === PRUNED_TAG) return null
  return parts.tag === tagOf(key) ? null : 'tag'
}

/** Whether a cursor includes the row that closed the session: such a client has everything there will ever be. */
export function cursorIncludesAll(cursor: string, head: SessionHead): boolean {
  const parts = parseCursor(cursor)
  return (
    head.closedSeq !== null &&
    parts?.epoch === head.epoch &&
    parts.seq === head.head &&
    parts.tag === tagOf(head.headKey)
  )
}
