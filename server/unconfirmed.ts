/**
 * Unconfirmed events: what viewers of this process got before the store confirmed it, in order, as ready frames.
 *
 * @module
 */
import { encodeProvisional } from './frames.ts'
import {
  comesAfter,
  nameOf,
  NOWHERE,
  type NewEvent,
  type RunPlace,
  type SessionHead,
  type SessionRef,
} from './store.ts'

/** Of so many sessions the last discard is known; with one more all count as discarded now, which costs but a new opening. */
const MAX_DISCARDS = 10_000
/** Of so many sessions it is known in which log their events were confirmed; past that the longest untouched counts as discarded. */
const MAX_CONFIRMED = 10_000

interface Unstored extends UnconfirmedEvent {
  /** Rises over all sessions, so that a stream knows which ones it has written. */
  readonly number: number
  readonly bytes: Uint8Array
}

/** An event to be shown before it is stored, and what it was made of. */
export interface UnconfirmedEvent {
  readonly of: object
  readonly event: NewEvent
}

/** Frames on their way to a stream. */
export interface UnconfirmedFrames {
  readonly frames: readonly Uint8Array[]
  /** To be asked with next time. */
  readonly last: number
}

/** The queues of all sessions, by their names. */
export class Unconfirmed {
  readonly #queues = new Map<string, Unstored[]>()
  /** Of what is on its way to the store: how far each run was found to be stored since it left. */
  readonly #leaving = new Map<string, Map<string, RunPlace | null>>()
  readonly #discards = new Map<string, number>()
  readonly #confirmed = new Map<string, SessionHead>()
  /** Stands for the sessions that are not in it. */
  #forgotten = 0
  #lastDiscard = 0
  readonly #onNews: (name: string) => void
  #last = 0

  /** `onNews` hears the name of a session that has something to be shown. */
  constructor(onNews: (name: string) => void) {
    this.#onNews = onNews
  }

  /** Adds to the end of a session's queue; each event is confirmed by what it was made `of`. */
  publish(ref: SessionRef, events: readonly UnconfirmedEvent[]): void {
    const name = nameOf(ref)
    const queue = this.#queues.get(name) ?? []
    this.#queues.set(name, queue)
    const leaving = this.#leaving.get(name)
    for (const { of, event } of events)
      // A reader may have begun after its row.
      if (comesAfter(event, leaving?.get(event.run_id) ?? NOWHERE))
        queue.push({ of, event, number: ++this.#last, bytes: encodeProvisional(event) })
    if (queue.length === 0) this.#queues.delete(name)
    this.#onNews(name)
  }

  /** Events of these runs leave for the store now, with no others on their way; without runs what had left is answered for. */
  leave(ref: SessionRef, runs: Iterable<string> = []): void {
    const places = new Map(Array.from(runs, (runId): [string, RunPlace | null] => [runId, null]))
    if (places.size > 0) this.#leaving.set(nameOf(ref), places)
    else this.#leaving.delete(nameOf(ref))
  }

  /** What was made of these is stored, or something stands in the log in its place. */
  confirm(ref: SessionRef, stored: ReadonlySet<object>): void {
    this.#keep(ref, ({ of }) => !stored.has(of))
  }

  /** The log had this head when it was found to have some, or all, of what the session's queue held. */
  confirmIn(ref: SessionRef, head: SessionHead): void {
    const name = nameOf(ref)
    if (!this.#queues.has(name)) return
    this.#confirmed.delete(name)
    this.#confirmed.set(name, head)
    const [oldest] = this.#confirmed.keys()
    if (this.#confirmed.size > MAX_CONFIRMED) this.#discardOf(oldest!)
  }

  /** The head of the log when it last confirmed events of a session; null when it never did, or they are discarded. */
  confirmedIn(ref: SessionRef): SessionHead | null {
    return this.#confirmed.get(nameOf(ref)) ?? null
  }

  /** Whether anything of a session is unconfirmed. */
  has(ref: SessionRef): boolean {
    return this.#queues.has(nameOf(ref))
  }

  /** The runs that a session's queue has events of. */
  runs(ref: SessionRef): ReadonlySet<string> {
    const name = nameOf(ref)
    const queued = this.#queues.get(name)?.map(({ event }) => event.run_id) ?? []
    return new Set([...queued, ...(this.#leaving.get(name)?.keys() ?? [])])
  }

  /** A run is stored up to a place. */
  confirmRun(ref: SessionRef, runId: string, place: RunPlace): void {
    const leaving = this.#leaving.get(nameOf(ref))
    if (leaving?.has(runId)) leaving.set(runId, place)
    this.#keep(ref, ({ event }) => event.run_id !== runId || comesAfter(event, place))
  }

  /** What a session's queue holds will never be stored: streams that may have it end, and come back to another boot. */
  discard(ref: SessionRef): void {
    this.#discardOf(nameOf(ref))
  }

  /** Rises with each discard of a session's queue; 0 when there was none. */
  discards(ref: SessionRef): number {
    return this.#discards.get(nameOf(ref)) ?? this.#forgotten
  }

  /** What of a session's queue came after the frame of that number. */
  after(ref: SessionRef, last: number): UnconfirmedFrames {
    const queue = this.#queues.get(nameOf(ref)) ?? []
    // From the end, because streams look often and after an hour's outage the queue is long.
    let from = queue.length
    while (from > 0 && queue[from - 1]!.number > last) from--
    return { frames: queue.slice(from).map(({ bytes }) => bytes), last: queue.at(-1)?.number ?? last }
  }

  #discardOf(name: string): void {
    this.#queues.delete(name)
    const leaving = this.#leaving.get(name)
    for (const runId of leaving?.keys() ?? []) leaving!.set(runId, null)
    this.#confirmed.delete(name)
    if (this.#discards.size >= MAX_DISCARDS) {
      this.#discards.clear()
      this.#forgotten = this.#lastDiscard
    }
    this.#discards.set(name, ++this.#lastDiscard)
    this.#onNews(name)
  }

  #keep(ref: SessionRef, isLeft: (unstored: Unstored) => boolean): void {
    const name = nameOf(ref)
    const queue = this.#queues.get(name)?.filter(isLeft)
    if (queue?.length) this.#queues.set(name, queue)
    else this.#queues.delete(name)
  }
}
