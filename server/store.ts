/**
 * The Store interface: where the log lives, and what every store promises.
 *
 * 1. **Order.** `append` gives the events of a session the next seqs, 1, 2, 3 … without holes, in the order of
 *    commit: whoever reads seq n can read 1 to n − 1.
 * 2. **All or nothing.** A batch is stored whole or not at all; a resolved `append` survives the process.
 * 3. **Once.** Of each run the store keeps the highest place, `n` and then `i`; what is at or below it adds nothing and
 *    is no error, within a batch too. The events that one input chunk made share its `n` and are always in one batch; what is said about
 *    the run itself (its end, for one) takes the last chunk's `n` with a higher `i`, so that a stream which is taken up
 *    again finds the numbers of its next chunks free.
 * 4. **Ownership.** A session belongs to the user of its first event. Reads for anybody else find nothing; an
 *    append for anybody else is refused with `not_owner`.
 * 5. **Epoch.** A random word made with the session's log, so that a lost and begun-again log is noticed. A page of rows
 *    comes with the head of the log that they belong to, both of one moment.
 * 6. **Wake-ups are hints.** `watch` may call too often or too late; nothing may depend on it.
 * 7. **Runs.** A run is open from its first event that opens one ({@link opensRun}), or from its first lease, until a
 *    `run_end`. Whoever ends runs for their producers (`endRuns`) does it once: in the same transaction the end is written
 *    and the run is no longer open. A run that was stopped takes nothing any more; one that ended otherwise is open again
 *    with its next event. An `interrupted` end stands outside the producer's places, under an `i` of -1, -2 …, because its
 *    producer may live and go on; a run of which no event is stored is forgotten instead. When a lease lapses is a matter of
 *    the store's clock alone: producers say how long, never until when.
 * 8. **Pruning** takes a session's oldest rows, never one before an older one, and never its newest: its head, epoch and
 *    newest key stay what they were, its next row gets the next seq, and what is fed again of a pruned row adds nothing.
 *    Of the newest row that went the key stays known, so that a reader who stood there can still be told from one of another
 *    log.
 *    A row's age counts from when the store took it, by the store's clock: a producer's `created_at` may be wrong, and
 *    then rows would go at once, or never.
 * 9. **Transfer** gives a session, its runs and its presence to another user. Who produced for the former owner may go on:
 *    an append in a former owner's name goes into the session. To a former owner's reads the session does not exist.
 *
 * @module
 */
import type { Cursor, RunEnd } from './protocol.ts'

/** A session as one user sees it. */
export interface SessionRef {
  readonly sessionId: string
  readonly userId: string
}

/** A run as one user's session has it. */
export interface RunRef extends SessionRef {
  readonly runId: string
}

/** A place in a run: of which chunk, and which of that chunk's events. */
export interface RunPlace {
  readonly n: number
  readonly i: number
}

/** Which open runs are to be ended: all of a session or a user, certain ones, or those whose lease has lapsed. */
export type RunChoice =
  | { readonly sessionId: string; readonly except?: readonly RunRef[] }
  | { readonly userId: string }
  | { readonly runs: readonly RunRef[] }
  | { readonly lapsed: true }

/** What may go from the log. Without a number nothing goes on its account. */
export interface Retention {
  /** Rows that the store took so many milliseconds ago or earlier may go. */
  readonly maxAgeMs?: number
  /** Of a session this many rows stay at most; a whole number from 1 up. */
  readonly maxEventsPerSession?: number
}

/** What a pruning did. */
export interface Pruned {
  /** How many rows went. */
  readonly removed: number
  /** Where the next call goes on; null when everything was looked at. */
  readonly next: string | null
}

/** Which sessions are meant: one, or all of a user. */
export type SessionChoice = { readonly sessionId: string } | { readonly userId: string }

/**
 * An event on its way into the log. `event_data` and `event_metadata` are JSON text. All of it is kept to the letter; what a
 * store can't keep so, as U+0000 or half a surrogate pair that is not escaped, it refuses with `store_refused`.
 */
export interface NewEvent {
  readonly run_id: string
  /** Number of the input chunk in its run, from 1; an event that joins several carries the last one's. */
  readonly n: number
  /** Tells the events of one chunk apart, from 0. */
  readonly i: number
  /** The lowest place that went into the event; equals `n` and `i` when it joins none. Not stored. */
  readonly first_n: number
  readonly first_i: number
  readonly event_type: string
  readonly content_type: string
  readonly agent_source: string
  readonly event_data: string
  readonly event_metadata: string | null
  readonly part_id: string | null
  readonly part_done: boolean
  /** ISO 8601. */
  readonly created_at: string
}

/** A row of the log. */
export interface StoredEvent extends Omit<NewEvent, 'first_n' | 'first_i'> {
  readonly seq: number
}

/** What a session's log looks like now. */
export interface SessionHead {
  readonly epoch: string
  /** Seq of the newest row. */
  readonly head: number
  /** Key of the newest row. */
  readonly headKey: string
  /** Seq of the row that closed the session, null while it is open. */
  readonly closedSeq: number | null
}

/** A piece of the log and the head that it had at that moment; null when the session does not exist or is somebody else's. */
export interface LogPage {
  readonly head: SessionHead | null
  readonly events: readonly StoredEvent[]
}

/** Answer to an append. */
export type AppendResult =
  | {
      readonly ok: true
      readonly head: SessionHead
      /** Whose session it is now; not the ref's user when it was transferred meanwhile. */
      readonly userId: string
      /** The rows that were added, in order; those at or below the run's highest n are not among them. */
      readonly added: readonly StoredEvent[]
      /** Key of the row that the added ones follow; '' at the beginning, or when nothing was added. */
      readonly before: string
    }
  | {
      /** The session is somebody else's, or was closed: trying again changes nothing. */
      readonly ok: false
      readonly code: 'not_owner' | 'session_closed'
    }
  | {
      /** An event joins chunks of which some are stored already; cut those at or below `high` off and try again. */
      readonly ok: false
      readonly code: 'overlap'
      readonly runId: string
      readonly high: RunPlace
    }
  | {
      /** The run was stopped: leave its events out and try again with the others. */
      readonly ok: false
      readonly code: 'run_stopped'
      readonly runId: string
    }

/** When a user was last heard of in a session. */
export interface PresenceRow extends SessionRef {
  /** Milliseconds since 1970, by the server's clock. */
  readonly lastBeatAt: number
  /** Head seq known when the last beat came. */
  readonly headSeq: number
  /** Head seq before an absence that no stream has made good yet, null without one. */
  readonly pendingSeq: number | null
  /** Epoch that the seqs belong to, null when the session had no event. */
  readonly epoch: string | null
  /** What the user's devices have displayed. */
  readonly displayed: Cursor | null
}

/**
 * Where the log lives. Every method rejects with a `LoomiError`; what was refused with `store_refused` is refused for good,
 * anything else but `closed` is worth trying again. Every call settles: what the log does not answer within some seconds (the
 * stores here wait 5 to 15) is rejected with `store_unavailable`.
 */
export interface Store {
  /**
   * Adds events to a session, making it if need be. The batch is one transaction. With `leaseMs` the runs that are open
   * after it are leased for so many milliseconds from now on.
   */
  append(ref: SessionRef, events: readonly NewEvent[], leaseMs?: number): Promise<AppendResult>
  /** Rows after a seq, in order, at most `limit` and about a mebibyte of them, with the head at that moment. */
  read(ref: SessionRef, after: number, limit: number): Promise<LogPage>
  /** The heads of those sessions that exist and belong to their ref's user, in the order of `refs`, null for the others. */
  heads(refs: readonly SessionRef[]): Promise<readonly (SessionHead | null)[]>
  /** The keys of those rows of a session that exist, and of the newest row that was pruned, by seq. */
  keys(ref: SessionRef, seqs: readonly number[]): Promise<ReadonlyMap<number, string>>
  /** The highest place stored of a run, `n` 0 and `i` -1 when there is none. */
  runHigh(ref: SessionRef, runId: string): Promise<RunPlace>
  /**
   * Leases runs for so many milliseconds from now on, one statement for all; one that is not known yet is open from now on.
   * Those that ended for good are left alone.
   */
  leaseRuns(runs: readonly RunRef[], leaseMs: number): Promise<void>
  /** Forgets those open runs that have no event. */
  releaseRuns(runs: readonly RunRef[]): Promise<void>
  /** Which of these runs were stopped. */
  stoppedRuns(runs: readonly RunRef[]): Promise<readonly RunRef[]>
  /** Appends a `run_end` to each open run of the choice and resolves with their number. `createdAt` is ISO 8601. */
  endRuns(status: RunEnd & ('stopped' | 'interrupted'), choice: RunChoice, createdAt: string): Promise<number>
  /**
   * Gives a session from one user to another. Resolves with whether it was `from`'s; already being `to`'s counts as done.
   */
  transferSession(sessionId: string, from: string, to: string): Promise<boolean>
  /** What is known of a user's presence in a session. */
  loadPresence(ref: SessionRef): Promise<PresenceRow | null>
  /**
   * Keeps presence, one statement for all rows. Several servers may hear of the same user: the later beat wins, and within
   * an epoch `displayed` never goes back.
   */
  savePresence(rows: readonly PresenceRow[]): Promise<void>
  /**
   * Deletes rows that may go, at most `limit` of them, beginning where the last call's `next` says. Calls that go on until
   * that is null have been through the whole log; each is short enough to stand between two appends.
   */
  prune(retention: Retention, limit: number, from?: string | null): Promise<Pruned>
  /**
   * Deletes all that is known of sessions: events, runs, presence; resolves with those that existed. What is begun again
   * under such a name is another log, of another epoch. When it fails in the middle, a call again deletes the rest.
   */
  deleteSessions(choice: SessionChoice): Promise<readonly SessionRef[]>
  /**
   * Calls `changed` when another process may have appended, with the ids of the sessions that it is about where the store
   * knows them. The answer ends it.
   */
  watch(changed: (sessionIds?: ReadonlySet<string>) => void): () => void
  /** Finishes what was asked for and lets go of everything. */
  close(): Promise<void>
}

const OPENS_NOTHING = new Set(['user_message', 'session_complete', 'run_end', 'loomi_dropped'])

/**
 * Whether an event opens its run: what users say, and that a session is over, is nobody's answer, and that something is
 * missing may stand for either.
 */
export function opensRun(eventType: string): boolean {
  return !OPENS_NOTHING.has(eventType)
}

/** Whether a place of a run comes after another. */
export function comesAfter(place: RunPlace, other: RunPlace): boolean {
  return place.n > other.n || (place.n === other.n && place.i > other.i)
}

/** Where a run is of which nothing is stored. */
export const NOWHERE: RunPlace = { n: 0, i: -1 }

/** The key of a row: `<run_id>/<n>`, with `.<i>` for the further events of one chunk. */
export function keyOf(event: { readonly run_id: string; readonly n: number; readonly i: number }): string {
  return event.i === 0 ? `${event.run_id}/${event.n}` : `${event.run_id}/${event.n}.${event.i}`
}

/** One name for one pair of ids, which hold no control characters. */
export function nameOf(ref: SessionRef): string {
  return `${ref.userId}\u0000${ref.sessionId}`
}
