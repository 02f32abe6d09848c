/**
 * The text parts of one stream: deltas find the part that they continue, and every part is ended once.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'

/** What a text is. */
export type TextKind = 'thought' | 'message' | 'refusal'

interface Part {
  readonly kind: TextKind
  readonly name: string
  readonly source: string | undefined
}

/** The parts that are being written, one in each slot. A slot is whatever the provider tells apart: a choice, a block, an item. */
export class Parts {
  readonly #open = new Map<string, Part>()

  /**
   * A delta in a slot. It continues the part there; if that is of another kind, it is ended, and one begins under
   * `newName()` (`<message>/<index>`, unique in the run). `source` is who says it.
   */
  delta(slot: string, kind: TextKind, text: string, newName: () => string, source?: string): Draft[] {
    if (text === '') return []
    const open = this.#open.get(slot)
    const goesOn = open?.kind === kind
    const ending = goesOn ? [] : this.end(slot)
    const part = { kind, name: goesOn ? open.name : newName(), source }
    this.#open.set(slot, part)
    return [...ending, draftOf(part, text)]
  }

  /** What kind of text is being written in a slot. */
  kindAt(slot: string): TextKind | undefined {
    return this.#open.get(slot)?.kind
  }

  /** Ends the part in a slot: with an empty last delta, which joins the one before while that still waits, so it seldom costs a row. */
  end(slot: string): Draft[] {
    const part = this.#open.get(slot)
    this.#open.delete(slot)
    return part ? [{ ...draftOf(part, ''), part_done: true }] : []
  }

  /** Ends all parts. */
  endAll(): Draft[] {
    return [...this.#open.keys()].flatMap((slot) => this.end(slot))
  }
}

function draftOf({ kind, name, source }: Part, text: string): Draft {
  return {
    event_type: 'llm_chunk',
    content_type: kind,
    event_data: text,
    part: name,
    ...(source !== undefined && { agent_source: source }),
  }
}
