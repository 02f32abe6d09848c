/**
 * Unconfirmed events: what viewers of this process got before the store confirmed it, in order, as ready frames.
 *
 * @module
 */
import { encodeProvisional } from './frames.ts'
import { nameOf, type NewEvent, type SessionRef } from './store.ts'

interface Unstored {
  /** Rises over all sessions, so that a stream knows which ones it has written. */
  readonly number: number
  readonly bytes: Uint8Array
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
  readonly #discards = new Map<string, number>()
  readonly #onNews: (name: string) => void
  #last = 0

  /** `onNews` hears the name of a session that has something to be shown. */
  constructor(onNews: (name: string) => void) {
    this.#onNews = onNews
  }

  /** Adds to the end of a session's queue. */
  publish(ref: SessionRef, events: readonly NewEvent[]): void {
    const name = nameOf(ref)
    const queue = this.#queues.get(name) ?? []
    this.#queues.set(name, queue)
    for (const event of events) queue.push({ number: ++this.#last, bytes: encodeProvisional(event) })
    this.#onNews(name)
  }

  /** The first `count` of a session's queue are stored, or something stands in the log in their place. */
  confirm(ref: SessionRef, count: number): void {
    const name = nameOf(ref)
    const queue = this.#queues.get(name)
    queue?.splice(0, count)
    if (queue?.length === 0) this.#queues.delete(name)
  }

  /** What a session's queue holds will never be stored: streams that may have it end, and come back to another boot. */
  discard(ref: SessionRef): void {
    const name = nameOf(ref)
    this.#queues.delete(name)
    this.#discards.set(name, this.discards(ref) + 1)
    this.#onNews(name)
  }

  /** How often a session's queue was discarded. */
  discards(ref: SessionRef): number {
    return this.#discards.get(nameOf(ref)) ?? 0
  }

  /** What of a session's queue came after the frame of that number. */
  after(ref: SessionRef, last: number): UnconfirmedFrames {
    const queue = this.#queues.get(nameOf(ref)) ?? []
    return {
      frames: queue.filter(({ number }) => number > last).map(({ bytes }) => bytes),
      last: queue.at(-1)?.number ?? last,
    }
  }
}
