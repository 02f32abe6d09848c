/**
 * The items of a view in their order: what the log has, then those of which only the tail shows something.
 *
 * @module
 */
import type { Bubble } from './bubble.ts'
import type { Item } from './types.ts'

/** Keeps the list in line with its bubbles. */
export class ItemList {
  #all: readonly Item[] | null = null
  #stored: Item[] = []
  /** Of which nothing that is stored shows, in their order. */
  readonly #ahead = new Set<Bubble>()

  /** Immutable; the same array until something changes. */
  get all(): readonly Item[] {
    if (this.#all) return this.#all
    const all = this.#stored.slice()
    for (const { item } of this.#ahead) if (item) all.push(item)
    return (this.#all = all)
  }

  /** The last item that shows something of the log. */
  get lastStored(): string | null {
    return this.#stored.at(-1)?.id ?? null
  }

  /** A bubble changed. */
  refresh(bubble: Bubble): void {
    const { item, index, showsStored } = bubble
    if (this.#ahead.has(bubble)) this.#all = null
    if (!showsStored || !item || (index !== null && this.#stored[index] === item)) return
    this.#all = null
    if (index === null) bubble.index = this.#stored.push(item) - 1
    else this.#stored[index] = item
  }

  /** A bubble shows something of the tail and nothing of the log. */
  addAhead(bubble: Bubble): void {
    this.#ahead.add(bubble)
  }

  /** It is not so any more, if it ever was. */
  leaveAhead(bubble: Bubble): void {
    if (this.#ahead.delete(bubble)) this.#all = null
  }

  /** Puts those of the tail in the order of what they begin with now. */
  sortAhead(tail: Iterable<{ readonly bubble: Bubble }>): void {
    const sorted = [...tail].map(({ bubble }) => bubble).filter((bubble) => this.#ahead.has(bubble))
    this.#ahead.clear()
    for (const bubble of sorted) this.#ahead.add(bubble)
    this.#all = null
  }

  /** Forgets what the log had. */
  clear(): void {
    this.#stored = []
    this.#all = null
  }
}
