/** What many simulations came to, together. */
import type { Kind } from './problems.ts'
import type { Outcome } from './simulation.ts'

/** Sums that can be sent between threads and added up. */
export interface Tally {
  readonly seeds: number
  readonly problems: { readonly [kind in Kind]?: number }
  readonly faults: { readonly [kind: string]: number }
  readonly steps: number
  readonly ms: number
  readonly shown: number
}

/** Of no simulation. */
export const NOTHING: Tally = { seeds: 0, problems: {}, faults: {}, steps: 0, ms: 0, shown: 0 }

/** Of one. */
export function tallyOf({ problems, faults, steps, ms, shown }: Outcome): Tally {
  const kinds: { [kind in Kind]?: number } = {}
  for (const { kind } of problems) kinds[kind] = (kinds[kind] ?? 0) + 1
  return { seeds: 1, problems: kinds, faults: Object.fromEntries(faults), steps, ms, shown }
}

/** Of two together. */
export function addTallies(one: Tally, other: Tally): Tally {
  return {
    seeds: one.seeds + other.seeds,
    problems: addCounts(one.problems, other.problems),
    faults: addCounts(one.faults, other.faults),
    steps: one.steps + other.steps,
    ms: one.ms + other.ms,
    shown: one.shown + other.shown,
  }
}

/** The line that the claim is read from. */
export function verdictOf({ seeds, problems }: Tally): string {
  const { lost = 0, doubled = 0, reordered = 0, unsignalled = 0 } = problems
  return `seeds ${seeds}: ${lost} lost, ${doubled} duplicated, ${reordered} reordered, ${unsignalled} unsignalled`
}

/** The other problems, null when there were none. */
export function othersOf({ problems }: Tally): string | null {
  const { untrue = 0, displayed = 0, late = 0, leak = 0 } = problems
  if (untrue + displayed + late + leak === 0) return null
  return `and beside that: ${untrue} untrue, ${displayed} wrongly displayed, ${late} late, ${leak} leaks`
}

function addCounts<T extends { readonly [name: string]: number }>(one: T, other: T): T {
  const sum: { [name: string]: number } = { ...one }
  for (const [name, count] of Object.entries(other)) sum[name] = (sum[name] ?? 0) + count
  return sum as T
}
