/** What a simulation can find wrong, and what it did to find it. */
import type { World } from './world.ts'

/** The four that the claim denies, and everything else that would be a fault. */
export type Kind =
  | 'lost'
  | 'doubled'
  | 'reordered'
  | 'unsignalled'
  /** A loss was signalled that was none, or a text shown that nobody wrote. */
  | 'untrue'
  /** Something was told as displayed that was not, or the reverse. */
  | 'displayed'
  /** A view or a run did not come to where it belongs in time. */
  | 'late'
  /** Timers, watches or connections were left. */
  | 'leak'

/** One of them. */
export interface Problem {
  readonly kind: Kind
  readonly text: string
}

/** The book of one simulation. */
export class Book {
  readonly problems: Problem[] = []
  readonly faults = new Map<string, number>()
  /** What was injected and when, for people. */
  readonly history: string[] = []
  /** Some process has not reached the store lately. */
  hasTrouble = false
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  /** A fault is injected. */
  fault(kind: string, detail = ''): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1)
    this.history.push(`${(this.#world.now / 1000).toFixed(3)} s: ${kind}${detail && ` (${detail})`}`)
    this.#world.note('fault', kind, detail)
  }

  /** Something is wrong. */
  problem(kind: Kind, text: string): void {
    this.problems.push({ kind, text: `${(this.#world.now / 1000).toFixed(3)} s: ${text}` })
    this.#world.note('PROBLEM', kind, text)
  }
}
