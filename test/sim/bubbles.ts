/** What a view must have on the screen of the rows that it took in: deltas of one part in one bubble, the rest one by one. */
import type { Written } from './chronicle.ts'

interface Bubble {
  text: string
}

/** The bubbles of one view. */
export class Bubbles {
  #all: Bubble[] = []
  readonly #parts = new Map<string, Bubble>()

  /** In the order of the log. */
  get texts(): readonly string[] {
    return this.#all.map(({ text }) => text)
  }

  add({ row: { part_id }, text }: Written): void {
    const part = part_id === null ? undefined : this.#parts.get(part_id)
    if (part) part.text += text
    else {
      const bubble = { text }
      this.#all.push(bubble)
      if (part_id !== null) this.#parts.set(part_id, bubble)
    }
  }

  /** What comes next is of another log and makes none of these grow. */
  detach(): void {
    this.#parts.clear()
  }

  clear(): void {
    this.#all = []
    this.detach()
  }
}
