/**
 * Tools that run in one stream: which call each answers, and which results are news.
 *
 * @module
 */
import type { Json } from '../protocol.ts'

/** Keeps calls, runs and results apart that several reports tell of. */
export class ToolRuns {
  readonly #ids = new Set<string>()
  /** The calls that nothing is known to run for yet: the report of a run may not say which call it answers. */
  readonly #waiting = new Map<string, { readonly name: string; readonly input: string }>()
  readonly #byRun = new Map<string, string>()
  readonly #results = new Map<string, string>()

  /** A call was told. */
  called(id: string, name: string, input: Json): void {
    this.#ids.add(id)
    this.#waiting.set(id, { name, input: JSON.stringify(input) })
  }

  /** A run begins. The id of its call, and whether that was told before. Without `callId` it is found by name and input. */
  started(
    run: string,
    callId: string,
    name: string,
    input: Json,
  ): { readonly id: string; readonly isKnown: boolean } {
    const text = JSON.stringify(input)
    const found = [...this.#waiting].find(([, call]) => call.name === name && call.input === text)
    const id = callId || found?.[0] || run
    const isKnown = this.#ids.has(id)
    this.#ids.add(id)
    this.#waiting.delete(id)
    this.#byRun.set(run, id)
    return { id, isKnown }
  }

  /** The id of the call that a run answers. */
  callOf(run: string): string {
    return this.#byRun.get(run) ?? run
  }

  /** Whether a call's result was not told yet. */
  isNews(id: string, output: Json): boolean {
    const text = JSON.stringify(output)
    if (id !== '' && this.#results.get(id) === text) return false
    this.#results.set(id, text)
    return true
  }
}
