/** What one view shows that is not stored, as far as it is known: each must be confirmed by a row, or withdrawn with a word. */
import type { Shown } from '../../elements/client/index.ts'
import { comesAfter, NOWHERE, type RunPlace, type StoredEvent } from '../../server/store.ts'

/** One event that was shown before it was stored. */
export interface Shaky {
  readonly runId: string
  readonly place: RunPlace
  readonly text: string
  /** Of the log at the time. */
  readonly generation: number
  /** It may have been withdrawn: a notice told how many were and not which, or told of a gap that it may be part of. */
  isSure: boolean
}

/** The events of one view; see the module. */
export class Unconfirmed {
  #events: Shaky[] = []
  /** The newest place of each run that was taken in from the log. */
  readonly #stored = new Map<string, RunPlace>()

  /** How many are shown for sure. */
  get sure(): number {
    return this.#events.filter(({ isSure }) => isSure).length
  }

  get size(): number {
    return this.#events.length
  }

  /** One is shown; what is wrong with that, null when nothing is. */
  show({ event, text }: Shown, generation: number): 'doubled' | null {
    const place = placeOf(event.key)
    const isThere = this.#events.some(
      (one) => one.isSure && one.runId === event.run_id && !differ(one.place, place),
    )
    const isStored = !comesAfter(place, this.#stored.get(event.run_id) ?? NOWHERE)
    this.#events = this.#events.filter((one) => one.runId !== event.run_id || differ(one.place, place))
    this.#events.push({ runId: event.run_id, place, text, generation, isSure: true })
    return isThere || isStored ? 'doubled' : null
  }

  /** A row was taken in: those that it stands for are no more, and are given. */
  take({ run_id, n, i }: StoredEvent): readonly Shaky[] {
    // An interruption stands outside the producer's places.
    if (i < 0) return []
    this.#stored.set(run_id, { n, i })
    const isCovered = (one: Shaky): boolean => one.runId === run_id && !comesAfter(one.place, { n, i })
    const covered = this.#events.filter(isCovered)
    this.#events = this.#events.filter((one) => !isCovered(one))
    return covered
  }

  /** So many were withdrawn; false when there were not so many. */
  withdraw(count: number): boolean {
    if (count > this.#events.length) return false
    if (count === this.#events.length) this.#events = []
    this.doubt()
    return true
  }

  /** Any of them may be gone. */
  doubt(): void {
    for (const event of this.#events) event.isSure = false
  }

  /** The log is another one, of which nothing was taken in so far. */
  restart(): void {
    this.#stored.clear()
  }

  /** All are gone. */
  clear(): void {
    this.#events = []
  }
}

function placeOf(key: string): RunPlace {
  const [, n, i = '0'] = /\/(\d+)(?:\.(\d+))?$/.exec(key) ?? ['', '0', '0']
  return { n: Number(n), i: Number(i) }
}

function differ(one: RunPlace, other: RunPlace): boolean {
  return one.n !== other.n || one.i !== other.i
}
