/** Virtual time: one queue of events for server processes, pages, network and store. */
import type { Clock } from '../../server/clock.ts'

/** When a simulation begins, in milliseconds since 1970. */
const START = Date.UTC(2026, 10, 24)

/** Steps that are taken in one turn of Node's loop. */
const BATCH = 64

interface Entry {
  readonly at: number
  readonly order: number
  readonly fn: () => void
  readonly owner: Owner
  readonly isTimer: boolean
  state: 'set' | 'over'
}

/** Somebody whose events stop when it dies and wait while it is frozen. */
export class Owner {
  readonly name: string
  isAlive = true
  /** What fell due while it is frozen; null when it is not. */
  held: Entry[] | null = null
  /** How many timers it has set. */
  timers = 0
  /** Milliseconds that its clock is ahead of the world's. */
  skewMs = 0

  constructor(name: string) {
    this.name = name
  }
}

/** The world; see the module. Times are milliseconds since its beginning. */
export class World {
  now = 0
  steps = 0
  /** Changes with everything that happens: two runs with the same hash did the same. */
  hash = 0x811c9dc5
  readonly nature = new Owner('nature')
  /** Whose code is running. */
  current: Owner = this.nature
  readonly #heap: Entry[] = []
  #order = 0
  readonly #log: string[] | null

  /** `log`: keeps what is noted, for a failing seed that is run again. */
  constructor(log: string[] | null = null) {
    this.#log = log
  }

  /** Notes what happened; the note is part of the hash. */
  note(...words: readonly (string | number)[]): void {
    const text = words.join(' ')
    let hash = this.hash
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
    this.hash = Math.imul(hash ^ this.now, 0x01000193)
    this.#log?.push(`${String(this.now).padStart(7)} ${text}`)
  }

  /** Runs `fn` after `ms` milliseconds, unless its owner is dead by then. */
  after(ms: number, fn: () => void, owner: Owner = this.nature): void {
    this.#push(ms, fn, owner, false)
  }

  /** The clock of an owner. Its timers are counted. */
  clockOf(owner: Owner): Clock & { elapsed(): number } {
    return {
      now: () => START + this.now + owner.skewMs,
      elapsed: () => this.now,
      setTimeout: (fn, ms) => {
        if (!owner.isAlive) return null
        owner.timers++
        return this.#push(ms, fn, owner, true)
      },
      clearTimeout: (timer) => {
        const entry = timer as Entry | null | undefined
        if (!entry || entry.state === 'over') return
        entry.state = 'over'
        owner.timers--
      },
    }
  }

  /** Resolves after so many milliseconds; never when the owner dies before. */
  sleep(ms: number, owner: Owner): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve, owner))
  }

  /** It stops: nothing of it happens any more. */
  kill(owner: Owner): void {
    owner.isAlive = false
    owner.timers = 0
    owner.held = null
  }

  freeze(owner: Owner): void {
    owner.held ??= []
  }

  /** What fell due meanwhile happens now, in order, and before all that falls due from now on. */
  thaw(owner: Owner): void {
    const held = owner.held ?? []
    owner.held = null
    for (const entry of held) this.#insert(entry)
  }

  /**
   * Lets one thing after the other happen until the condition holds or so much time has passed. What each sets off without
   * a timer is over before the next.
   */
  async run(withinMs: number, holds: () => boolean = () => false): Promise<boolean> {
    const end = this.now + withinMs
    await inTurns(() => {
      if (holds()) return false
      const entry = this.#next(end)
      if (entry) this.#happen(entry)
      else this.now = end
      return entry !== null
    })
    return holds()
  }

  /** What happens next, up to a moment. */
  #next(end: number): Entry | null {
    for (let entry = this.#heap[0]; entry && entry.at <= end; entry = this.#heap[0]) {
      this.#pop()
      const { owner } = entry
      if (entry.state === 'over' || !owner.isAlive) continue
      this.now = Math.max(this.now, entry.at)
      if (!owner.held) return entry
      owner.held.push(entry)
    }
    return null
  }

  #happen(entry: Entry): void {
    const { owner } = entry
    entry.state = 'over'
    if (entry.isTimer) owner.timers--
    this.steps++
    this.current = owner
    entry.fn()
  }

  #push(ms: number, fn: () => void, owner: Owner, isTimer: boolean): Entry {
    // Whole milliseconds: two sums that mean the same moment must not differ by a rounding error.
    const at = Math.ceil(this.now + Math.max(0, ms))
    const entry: Entry = { at, order: this.#order++, fn, owner, isTimer, state: 'set' }
    this.#insert(entry)
    return entry
  }

  #insert(entry: Entry): void {
    const heap = this.#heap
    let place = heap.push(entry) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!isBefore(entry, heap[parent]!)) break
      heap[place] = heap[parent]!
      place = parent
    }
    heap[place] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let place = 0
    for (;;) {
      let child = place * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[place] = heap[child]!
      place = child
    }
    heap[place] = last
  }
}

function isBefore(one: Entry, other: Entry): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}

/**
 * Takes step after step until one answers false. Between two of them promises and web streams do all that they have to do,
 * because Node empties those queues after each immediate; immediates of one batch cost one turn of its loop together.
 */
function inTurns(step: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let isOver = false
    let left = 0
    const turn = (): void => {
      left--
      try {
        if (!isOver && !step()) {
          isOver = true
          resolve()
        }
      } catch (error) {
        isOver = true
        reject(error)
      }
      if (!isOver && left === 0) batch()
    }
    const batch = (): void => {
      for (left = 0; left < BATCH; left++) setImmediate(turn)
    }
    batch()
  })
}
