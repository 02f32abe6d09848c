/**
 * The tail: events that the view shows and the store has not confirmed, in the order in which they came.
 *
 * @module
 */
import type { LoomiEvent } from '../../server/protocol.ts'
import type { Bubble } from './bubble.ts'
import { comparePlaces, type Place, placeOf } from './places.ts'

/** One event that is not stored yet. */
export interface Unconfirmed {
  readonly event: LoomiEvent
  readonly text: string
  /** The bubble that shows it. */
  readonly bubble: Bubble
  /** `beforeShow` let it through. */
  readonly shows: boolean
  /** Bubbles that are done because of it. */
  readonly ends: Bubble[]
  /** The server process that showed it; null while nobody said which that is. */
  boot: string | null
  /** It may have been stored, and pruned before the view read it. */
  isInDoubt: boolean
}

interface Queue {
  readonly events: Unconfirmed[]
  /** Those before it have left. */
  first: number
}

/** The events, by their keys and in the order of each run. */
export class Tail {
  readonly #byKey = new Map<string, Unconfirmed>()
  readonly #runs = new Map<string, Queue>()
  readonly #runEnds = new Map<string, Unconfirmed>()
  /** The newest stored key of each run: at or below it nothing is unconfirmed any more. */
  readonly #stored = new Map<string, string>()

  get size(): number {
    return this.#byKey.size
  }

  [Symbol.iterator](): IterableIterator<Unconfirmed> {
    return this.#byKey.values()
  }

  /** The event of that key, unless it has left. */
  get(key: string): Unconfirmed | undefined {
    return this.#byKey.get(key)
  }

  /** The newest end of a run that is not stored. */
  endOf(runId: string): Unconfirmed | undefined {
    const end = this.#runEnds.get(runId)
    return end && this.#byKey.get(end.event.key) === end ? end : undefined
  }

  /** Whether the log as far as it is taken in has an event, or something later of its run. */
  isStored({ key, run_id }: LoomiEvent): boolean {
    const newest = this.#stored.get(run_id)
    return newest !== undefined && (newest === key || isUpTo(placeOf(key), placeOf(newest)))
  }

  /** The events of the same run that come after an event which is about to be added. */
  after({ key, run_id }: LoomiEvent): readonly Unconfirmed[] {
    const { events = [], first = 0 } = this.#runs.get(run_id) ?? {}
    const place = placeOf(key)
    let at = events.length
    while (at > first && place && !isUpTo(placeOf(events[at - 1]!.event.key), place)) at--
    return events.slice(at)
  }

  /** Adds an event; mostly the newest of its run, else in its place there. */
  add(added: Unconfirmed): void {
    const { key, run_id } = added.event
    const queue = this.#runs.get(run_id) ?? { events: [], first: 0 }
    const later = this.after(added.event)
    queue.events.splice(queue.events.length - later.length, 0, added)
    this.#runs.set(run_id, queue)
    this.#byKey.set(key, added)
    if (added.event.event_type === 'run_end') this.#runEnds.set(run_id, added)
    const [next] = later
    if (next) this.#moveBefore(next, added)
  }

  /** An event was stored. What of its run it confirms or replaces leaves the tail, and is returned in order. */
  store({ key, run_id }: LoomiEvent): readonly Unconfirmed[] {
    const place = placeOf(key)
    // An interruption has no place among its producer's: what was stored before it stays known.
    if (place || !this.#stored.has(run_id)) this.#stored.set(run_id, key)
    const queue = this.#runs.get(run_id)
    if (!queue) return []
    const from = queue.first
    const { events } = queue
    while (queue.first < events.length && covers(key, place, events[queue.first]!.event)) queue.first++
    const left = events.slice(from, queue.first)
    for (const { event } of left) this.#byKey.delete(event.key)
    this.#trim(run_id, queue)
    return left
  }

  /** An event is stored that the view does not show. */
  note({ key, run_id }: LoomiEvent): void {
    const [place, newest] = [placeOf(key), this.#stored.get(run_id)]
    if (place && !(newest !== undefined && isUpTo(place, placeOf(newest)))) this.#stored.set(run_id, key)
  }

  /** Takes out what the condition holds for. */
  takeOut(holds: (event: Unconfirmed) => boolean): readonly Unconfirmed[] {
    const out = [...this].filter(holds)
    for (const { event } of out) this.#byKey.delete(event.key)
    for (const [runId, queue] of this.#runs) {
      const kept = queue.events.slice(queue.first).filter(({ event }) => this.#byKey.has(event.key))
      if (kept.length === 0) this.#runs.delete(runId)
      else this.#runs.set(runId, { events: kept, first: 0 })
    }
    return out
  }

  /** Forgets what was stored: another log begins. */
  forget(): void {
    this.#stored.clear()
    this.#runEnds.clear()
  }

  #trim(runId: string, queue: Queue): void {
    if (queue.first === queue.events.length) this.#runs.delete(runId)
    else if (queue.first * 2 > queue.events.length) queue.events.splice(0, queue.first)
    else return
    queue.first = 0
  }

  #moveBefore(next: Unconfirmed, added: Unconfirmed): void {
    const all = [...this].slice(0, -1)
    all.splice(all.indexOf(next), 0, added)
    this.#byKey.clear()
    for (const event of all) this.#byKey.set(event.event.key, event)
  }
}

function covers(key: string, place: Place | null, event: LoomiEvent): boolean {
  return event.key === key || isUpTo(placeOf(event.key), place)
}

function isUpTo(place: Place | null, other: Place | null): boolean {
  return place !== null && other !== null && comparePlaces(place, other) <= 0
}
