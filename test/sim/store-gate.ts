/** The way between a process and the log: latency, stalls, failures before and after the commit, lost hints. */
import { LoomiError, toLoomiError } from '../../server/errors.ts'
import type { Gate } from './memory-store.ts'
import type { Random } from './random.ts'
import type { Owner, World } from './world.ts'

/** An answer is no later than so many milliseconds, unless all are stalled. */
export const LATEST_ANSWER_MS = 4000

/** How the store is, for all processes. */
export type Condition = 'fine' | 'slow' | 'late' | 'flaky' | 'stalled' | 'down'

/** The store's condition, which passes by itself. */
export class Weather {
  /** Nothing goes wrong any more, hints included. */
  isCalm = false
  /** When a request failed last, or one of a dead process arrived, in the world's time. */
  failedAt = -Infinity
  /** Requests of before this one find a log that is no more. */
  generation = 0
  #condition: Condition = 'fine'
  #until = 0
  /** Requests that are answered when it passes. */
  readonly #stalled: (() => void)[] = []
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  set(condition: Condition, ms: number): void {
    this.#condition = condition
    this.#until = this.#world.now + ms
    this.#world.after(ms, () => this.pass())
  }

  /** Keeps a request until it passes. */
  stall(request: () => void): void {
    this.#stalled.push(request)
  }

  /** It passes now. */
  pass(): void {
    if (this.#world.now >= this.#until) for (const request of this.#stalled.splice(0)) request()
  }

  get condition(): Condition {
    return this.#world.now < this.#until ? this.#condition : 'fine'
  }
}

type Fate = 'done' | 'lost' | 'unsaid'

/** The gate of one process. */
export class StoreGate implements Gate {
  /** This process alone does not reach the store until then. */
  #cutOffUntil = -Infinity
  readonly #world: World
  readonly #owner: Owner
  readonly #weather: Weather
  readonly #random: Random

  constructor(world: World, owner: Owner, weather: Weather, random: Random) {
    this.#world = world
    this.#owner = owner
    this.#weather = weather
    this.#random = random
  }

  /** The process does not reach the store for so long; the others do. */
  cutOff(ms: number): void {
    this.#cutOffUntil = this.#world.now + ms
  }

  /** It reaches the store again. */
  heal(): void {
    this.#cutOffUntil = -Infinity
  }

  pass<T>(name: string, work: () => T): Promise<T> {
    const random = this.#random
    const { fate, thereMs, backMs, isStalled } = this.#draw(name)
    const { generation } = this.#weather
    const outlives = random.chance(0.5)
    return new Promise((resolve, reject) => {
      if (!this.#owner.isAlive) return
      const arrive = (): void => {
        // What was on its way when the process died may still arrive.
        if (!this.#owner.isAlive && !outlives) return
        // And a lease lasts from then on.
        if (!this.#owner.isAlive) this.#weather.failedAt = this.#world.now
        const isLost = fate === 'lost' || generation !== this.#weather.generation
        const answer = isLost ? undefined : attempt(work)
        this.#world.after(
          backMs,
          () => {
            if (!answer || fate === 'unsaid') this.#fail(reject, name)
            else if ('error' in answer) reject(answer.error)
            else resolve(answer.value)
          },
          this.#owner,
        )
      }
      if (isStalled) this.#weather.stall(() => this.#world.after(thereMs, arrive))
      else this.#world.after(thereMs, arrive)
    })
  }

  hint(tell: () => void): void {
    const isLost = !this.#weather.isCalm && this.#random.chance(0.25)
    if (!isLost) this.#world.after(this.#random.int(1, 10), tell, this.#owner)
  }

  #fail(reject: (error: unknown) => void, name: string): void {
    this.#weather.failedAt = this.#world.now
    reject(failure(name))
  }

  #draw(name: string): { fate: Fate; thereMs: number; backMs: number; isStalled: boolean } {
    const random = this.#random
    // Now and then one is late, so that what was asked later is answered before it.
    const late = random.chance(0.1) ? random.int(3, 40) : 0
    const brief = {
      fate: 'done' as Fate,
      thereMs: random.int(1, 3),
      backMs: random.int(0, 2) + late,
      isStalled: false,
    }
    switch (this.#world.now < this.#cutOffUntil ? 'down' : this.#weather.condition) {
      case 'slow':
        return { ...brief, thereMs: random.scale(5, 1500), backMs: random.scale(5, 1500) }
      case 'late':
        // What is appended at once, and said when readers have long begun after it.
        return name === 'append' ? { ...brief, backMs: random.scale(300, LATEST_ANSWER_MS) } : brief
      case 'flaky':
        return { ...brief, fate: random.weighted({ done: 4, lost: 3, unsaid: 3 }), backMs: random.int(1, 60) }
      case 'stalled':
        return { ...brief, thereMs: random.int(1, 20), isStalled: true }
      case 'down':
        return { ...brief, fate: 'lost', thereMs: random.int(1, 60) }
      default:
        return brief
    }
  }
}

function attempt<T>(work: () => T): { readonly value: T } | { readonly error: LoomiError } {
  try {
    return { value: work() }
  } catch (error) {
    return { error: toLoomiError(error, 'store_failed', String(error)) }
  }
}

function failure(name: string): LoomiError {
  return new LoomiError('store_failed', `The simulated store failed in ${name}.`)
}
