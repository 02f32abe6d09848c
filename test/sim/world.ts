/** Virtual time: one queue of events for server processes, pages, network and store. */
import type { Clock } from '../../server/clock.ts'

/** When a simulation begins, in milliseconds since 1970. */
const START = Date.UTC(2026, 10, 24)

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

  /** What fell due meanwhile happens now, in order. */
  thaw(owner: Owner): void {
    const held = owner.held ?? []
    owner.held = null
    for (const { fn, isTimer, state } of held) {
      if (state === 'over') continue
      if (isTimer) owner.timers--
      this.#push(0, fn, owner, false)
    }
  }

  /**
   * Lets one thing after the other happen until the condition holds or so much time has passed. What each sets off without
   * a timer is over before the next.
   */
  async run(withinMs: number, holds: () => boolean = () => false): Promise<boolean> {
    const end = this.now + withinMs
    await quiet()
    for (;;) {
      if (holds()) return true
      const entry = this.#heap[0]
      if (!entry || entry.at > end) break
      this.#pop()
      if (this.#happens(entry)) await quiet()
    }
    this.now = end
    return holds()
  }

  #happens(entry: Entry): boolean {
    const { owner } = entry
    if (entry.state === 'over' || !owner.isAlive) return false
    this.now = Math.max(this.now, entry.at)
    if (owner.held) {
      owner.held.push(entry)
      return false
    }
    entry.state = 'over'
    if (entry.isTimer) owner.timers--
    this.steps++
    this.current = owner
    entry.fn()
    return true
  }

  #push(ms: number, fn: () => void, owner: Owner, isTimer: boolean): Entry {
    const at = this.now + Math.max(0, ms)
    const entry: Entry = { at, order: this.#order++, fn, owner, isTimer, state: 'set' }
    const heap = this.#heap
    let place = heap.push(entry) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!isBefore(entry, heap[parent]!)) break
      heap[place] = heap[parent]!
      place = parent
    }
    heap[place] = entry
    return entry
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

/** Promises and web streams have nothing left to do before the next immediate. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
