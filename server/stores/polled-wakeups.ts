/**
 * Wake-ups by asking: a hint makes the log ask for the heads of all watched sessions in one call, so that a hint is the
 * poll. What those answers show decides when the next one comes.
 *
 * @module
 */
import type { Clock } from '../clock.ts'
import { nameOf, type SessionHead, type SessionRef } from '../store.ts'

/** After news. */
const FASTEST_MS = 100
/** When nothing has happened for a while. */
const SLOWEST_MS = 2000
const SLOWER = 1.5
/** A session that so many polls did not ask for is watched no more. */
const KEPT_POLLS = 32

interface Known {
  readonly epoch: string
  readonly head: number
  /** Number of the poll after which it was last asked for. */
  poll: number
}

/** The timer behind `Store.watch`; see the module. Runs only while somebody watches. */
export class Wakeups {
  readonly #clock: Clock
  readonly #watchers = new Set<() => void>()
  readonly #known = new Map<string, Known>()
  #timer: unknown = null
  #intervalMs = FASTEST_MS
  #asking = 0
  #isDue = false
  #polls = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Has `changed` called again and again until the answer is called. */
  watch(changed: () => void): () => void {
    // The same function may watch twice.
    const watcher = (): void => changed()
    this.#watchers.add(watcher)
    if (this.#watchers.size === 1) this.hurry()
    return () => {
      this.#watchers.delete(watcher)
      if (this.#watchers.size === 0) this.close()
    }
  }

  /** Follows a question for heads: while it is open no hint is given, and its answer tells how soon the next one comes. */
  async asking(
    refs: readonly SessionRef[],
    answer: Promise<readonly (SessionHead | null)[]>,
  ): Promise<readonly (SessionHead | null)[]> {
    this.#asking++
    try {
      const heads = await answer
      if (this.#learn(refs, heads)) this.hurry()
      return heads
    } finally {
      this.#asking--
      if (this.#isDue && this.#asking === 0) this.#hint()
    }
  }

  /** What this process has appended itself; who reads it is likely to answer soon. */
  appended(ref: SessionRef, head: SessionHead): void {
    this.#learn([ref], [head])
    this.hurry()
  }

  /** The next hint comes soon, and those after it as well. */
  hurry(): void {
    // A hint that is already on its way would only be put off.
    if (this.#intervalMs === FASTEST_MS && this.#timer !== null) return
    this.#intervalMs = FASTEST_MS
    this.#arm()
  }

  /** Lets go of everybody. */
  close(): void {
    this.#watchers.clear()
    this.#clock.clearTimeout(this.#timer)
    this.#timer = null
    this.#isDue = false
    this.#known.clear()
  }

  #arm(): void {
    this.#clock.clearTimeout(this.#timer)
    this.#timer = null
    if (this.#watchers.size === 0) return
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = null
      if (this.#asking > 0) this.#isDue = true
      else this.#hint()
    }, this.#intervalMs)
  }

  #hint(): void {
    this.#isDue = false
    if (++this.#polls % KEPT_POLLS === 0) this.#forget()
    this.#intervalMs = Math.min(this.#intervalMs * SLOWER, SLOWEST_MS)
    this.#arm()
    for (const changed of this.#watchers) changed()
  }

  /** Takes note of heads; whether one is another than before. */
  #learn(refs: readonly SessionRef[], heads: readonly (SessionHead | null)[]): boolean {
    if (this.#watchers.size === 0) return false
    let hasNews = false
    for (const [i, ref] of refs.entries()) {
      const { epoch = '', head = 0 } = heads[i] ?? {}
      const name = nameOf(ref)
      const known = this.#known.get(name)
      if (known && (known.epoch !== epoch || known.head !== head)) hasNews = true
      this.#known.set(name, { epoch, head, poll: this.#polls })
    }
    return hasNews
  }

  #forget(): void {
    for (const [name, { poll }] of this.#known) if (poll < this.#polls - KEPT_POLLS) this.#known.delete(name)
  }
}
