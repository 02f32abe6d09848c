/**
 * Which parts may still grow, by their runs.
 *
 * @module
 */
import type { Bubble } from './bubble.ts'

/** The parts that the log has not ended. */
export class OpenParts {
  readonly #runs = new Map<string, Set<Bubble>>()

  add(part: Bubble): void {
    const open = this.#runs.get(part.runId)
    if (open) open.add(part)
    else this.#runs.set(part.runId, new Set([part]))
  }

  delete(part: Bubble): void {
    const open = this.#runs.get(part.runId)
    open?.delete(part)
    if (open?.size === 0) this.#runs.delete(part.runId)
  }

  /** Those of a run. */
  of(runId: string): Bubble[] {
    return [...(this.#runs.get(runId) ?? [])]
  }

  /** Those of all runs. */
  all(): Bubble[] {
    return [...this.#runs.values()].flatMap((open) => [...open])
  }
}
