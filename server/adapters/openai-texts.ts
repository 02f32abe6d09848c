/**
 * The texts of a Responses API answer: each is told by deltas and then in full, several times; or in full alone.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import { Parts, type TextKind } from './parts.ts'

/** The texts of one stream, by their parts' names. */
export class FullTexts {
  readonly #parts = new Parts()
  /** What the deltas said of texts that have not ended. */
  readonly #said = new Map<string, string>()
  readonly #ended = new Set<string>()

  delta(name: string, kind: TextKind, text: string): Draft[] {
    if (!this.#ended.has(name)) this.#said.set(name, (this.#said.get(name) ?? '') + text)
    return this.#parts.delta(name, kind, text, () => name)
  }

  /** Whether deltas of it came, and its end did not. */
  isOpen(name: string): boolean {
    return this.#said.has(name)
  }

  /**
   * Ends a text with what its deltas did not bring. When the reading has it not from its start, the log has what is
   * missing, but no end.
   */
  end(name: string, kind: TextKind, full: string, isWhole: boolean): Draft[] {
    const before = this.#said.get(name) ?? ''
    const isNew = !this.#ended.has(name)
    this.#said.delete(name)
    this.#ended.add(name)
    if (isNew && !isWhole && before === '' && full !== '')
      return [{ event_type: 'llm_chunk', content_type: kind, event_data: '', part: name, part_done: true }]
    const missing = isNew && isWhole && full.startsWith(before) ? full.slice(before.length) : ''
    return [...this.#parts.delta(name, kind, missing, () => name), ...this.#parts.end(name)]
  }

  endAll(): Draft[] {
    this.#said.clear()
    return this.#parts.endAll()
  }
}
