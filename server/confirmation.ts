/**
 * What the log holds of a session's unconfirmed events, and whether the log that confirmed earlier ones is still there.
 *
 * @module
 */
import type { EncodedRow } from './frames.ts'
import type { RunPlace, SessionHead, SessionRef, Store } from './store.ts'
import type { Unconfirmed } from './unconfirmed.ts'

/** Who may publish events of runs that other processes feed, too, and must know what these have stored. */
export interface Feeder {
  takeShared(): Iterable<string>
  /** A run was found to be stored up to a place. */
  learn(runId: string, place: RunPlace): void
}

/** Confirms and discards; see the module. */
export class Confirmation {
  readonly #store: Store
  readonly #unconfirmed: Unconfirmed
  readonly #feederOf: (ref: SessionRef) => Feeder | null

  constructor(store: Store, unconfirmed: Unconfirmed, feederOf: (ref: SessionRef) => Feeder | null) {
    this.#store = store
    this.#unconfirmed = unconfirmed
    this.#feederOf = feederOf
  }

  /**
   * Finds out what is stored of what is unconfirmed, or will be: the answer that says so may be on its way, or lost, or was
   * another process's.
   */
  async byStore(ref: SessionRef): Promise<void> {
    const unconfirmed = this.#unconfirmed
    const runs = new Set([...unconfirmed.runs(ref), ...(this.#feederOf(ref)?.takeShared() ?? [])])
    if (runs.size === 0) return
    const discards = unconfirmed.discards(ref)
    const before = await this.#head(ref)
    const places = new Map<string, RunPlace>()
    const ask = async (runId: string): Promise<unknown> =>
      places.set(runId, await this.#store.runHigh(ref, runId))
    await Promise.all(Array.from(runs, ask))
    const head = await this.#head(ref)
    // Of a log that another one took the place of meanwhile nothing was learned, nor of a queue that is another's by now.
    if (!head || before?.epoch !== head.epoch || unconfirmed.discards(ref) !== discards) return
    unconfirmed.confirmIn(ref, head)
    this.#confirm(ref, places)
  }

  /** The same by rows that are known to be stored, where the store can't be asked. */
  byRows(ref: SessionRef, rows: readonly EncodedRow[]): void {
    // An interruption stands outside the places.
    const stored = rows.filter(({ row }) => row.i >= 0)
    this.#confirm(ref, new Map(stored.map(({ row }) => [row.run_id, row])))
  }

  /**
   * Discards what was unconfirmed if the log that confirmed it is gone, or is an older copy of itself, which nobody noticed
   * while nobody watched: a reader that comes back may still have it on screen.
   */
  async recheck(ref: SessionRef): Promise<void> {
    const last = this.#unconfirmed.confirmedIn(ref)
    if (!last) return
    const head = await this.#head(ref)
    const isThere = head && (await this.#isLater(ref, last, head))
    if (!isThere && this.#unconfirmed.confirmedIn(ref) === last) this.#unconfirmed.discard(ref)
  }

  #confirm(ref: SessionRef, places: ReadonlyMap<string, RunPlace>): void {
    for (const [runId, { n, i }] of places) {
      this.#unconfirmed.confirmRun(ref, runId, { n, i })
      this.#feederOf(ref)?.learn(runId, { n, i })
    }
  }

  /** Whether a head is the same log's, and that log has grown since. */
  async #isLater(ref: SessionRef, last: SessionHead, head: SessionHead): Promise<boolean> {
    if (head.epoch !== last.epoch || head.head < last.head) return false
    const keys = await this.#store.keys(ref, [last.head])
    // Of a row that was pruned nothing can be checked.
    return (keys.get(last.head) ?? last.headKey) === last.headKey
  }

  async #head(ref: SessionRef): Promise<SessionHead | null> {
    const [head = null] = await this.#store.heads([ref])
    return head
  }
}
