/**
 * Shared runs: what a process knows of those runs of a session that others may feed, too, and how much of that is stored.
 *
 * @module
 */
import { cut, type Outgoing } from './pending.ts'
import { comesAfter, type RunPlace } from './store.ts'

/** An opening asks about so many runs: more are hardly fed at once, and each is a question to the store. */
const MAX_ASKED = 8

interface SharedRun {
  /** What others stored up to there is cut off from what is appended; null when that is to be asked. */
  high: RunPlace | null
  /** The newest place pushed: a second handle here that feeds the run, too, adds nothing. */
  taken: RunPlace | null
  /** How far it was found to be stored when a reader began, and after which discard: it is shown nothing up to there. */
  learned: { readonly place: RunPlace; readonly discards: number } | null
  /** Nobody asked when a reader began: that is to be made good before anything is shown. */
  isDoubted: boolean
  /** Its end is stored. */
  isEnded: boolean
}

/** The runs, by their ids and in the order of last use. */
export class SharedRuns {
  readonly #runs = new Map<string, SharedRun>()

  /** A run may have been fed before, here or elsewhere. */
  resume(runId: string): void {
    if (!this.#runs.has(runId)) this.#add(runId, null)
  }

  /** What of a chunk no other handle has pushed here: two who feed one text may part it otherwise. */
  take(pushed: readonly Outgoing[]): readonly Outgoing[] {
    const runId = pushed[0]!.run_id
    const run = this.#runs.get(runId)
    if (!run) return pushed
    const { taken } = run
    const events = taken ? pushed.flatMap((event) => cut(event, taken)) : pushed
    if (events.length === 0) return events
    const { n, i } = pushed.at(-1)!
    run.taken = { n, i }
    // One that goes on after its end is a new one.
    if (run.isEnded) run.high = null
    run.isEnded = false
    this.#runs.delete(runId)
    this.#runs.set(runId, run)
    return events
  }

  /** The runs to ask about before these are appended: those of which it is not known how far they are stored, and of the doubted these. */
  *toAsk(runIds: ReadonlySet<string>): Iterable<string> {
    for (const [runId, run] of this.#runs) {
      if (run.high !== null && !(run.isDoubted && runIds.has(runId))) continue
      run.isDoubted = false
      yield runId
    }
  }

  /** Up to where a run's events are cut off; null when nothing is. */
  highOf(runId: string): RunPlace | null {
    return this.#runs.get(runId)?.high ?? null
  }

  /** A run is stored up to a place, by this process. */
  stored(runId: string, place: RunPlace): void {
    const run = this.#runs.get(runId)
    if (run) run.high = place
  }

  /** The store says how far a run is stored, which another process may feed. */
  found(runId: string, place: RunPlace): void {
    const run = this.#runs.get(runId)
    if (run) run.high = place
    else this.#add(runId, place)
  }

  /** A run's end is stored. */
  end(runId: string): void {
    const run = this.#runs.get(runId)
    if (run) Object.assign(run, { isEnded: true, learned: null, isDoubted: false })
  }

  /** The open runs used last: what is known of the others counts no more. */
  askable(isStopped: (runId: string) => boolean): string[] {
    const open = [...this.#runs].filter(([runId, { isEnded }]) => !isEnded && !isStopped(runId))
    const asked = open.splice(-MAX_ASKED)
    for (const [, run] of open) run.isDoubted = true
    return asked.map(([runId]) => runId)
  }

  /**
   * A run was found to be stored up to a place. That bounds what is shown, not what is appended: the log that holds it may be
   * gone by then, and only an append learns that.
   */
  learn(runId: string, place: RunPlace, discards: number): void {
    const run = this.#runs.get(runId)
    if (!run) return
    run.isDoubted = false
    const known = run.learned?.discards === discards ? run.learned.place : null
    if (!known || comesAfter(place, known)) run.learned = { place, discards }
  }

  /** From where on a run may be shown before it is stored, null from its beginning on; undefined when nobody knows that now. */
  shownFrom(runId: string, discards: number): RunPlace | null | undefined {
    const run = this.#runs.get(runId)
    if (!run) return null
    const { high, learned, isDoubted } = run
    if (high === null || isDoubted) return undefined
    return learned?.discards === discards && comesAfter(learned.place, high) ? learned.place : high
  }

  #add(runId: string, high: RunPlace | null): void {
    this.#runs.set(runId, { high, taken: null, learned: null, isDoubted: false, isEnded: false })
  }
}
