/**
 * How much of a long transcript one rendering takes on, and how soon the next may follow: whatever comes at once, the page
 * answers its reader in between.
 *
 * @module
 */
import type { Item } from './client/index.ts'
import { breathe } from './client/pacer.ts'

/** So many items are new in one rendering at most: half a frame of a screen on a slow machine. */
const PORTION = 32

/** More than these in one rendering appear without a motion each. */
const CROWD = 4

/** Milliseconds between two renderings below which the second waits until other tasks have had their turn. */
const FRAME_MS = 16

/** The portions of one element. Each item is new once; one that was rendered is never held back again. */
export class Portions {
  /** Ids of what was let in, and whether many came with it. */
  readonly #known = new Map<string, boolean>()
  #renderedAt = -Infinity
  #whole: Promise<void> | null = null
  #becomeWhole = (): void => {}

  /** Resolves when no item is held back. */
  get whole(): Promise<void> | null {
    return this.#whole
  }

  /** Of `items` those for this rendering, in their order. */
  next(items: readonly Item[]): readonly Item[] {
    const fresh = items.filter(({ id }) => !this.#known.has(id))
    for (const { id } of fresh.slice(0, PORTION)) this.#known.set(id, fresh.length > CROWD)
    if (fresh.length > PORTION) {
      this.#whole ??= new Promise((resolve) => (this.#becomeWhole = resolve))
      items = items.filter(({ id }) => this.#known.has(id))
    }
    if (this.#known.size > items.length) this.#sweep(new Set(items.map(({ id }) => id)))
    return items
  }

  /** Whether an item came with many others. */
  isOfCrowd({ id }: Item): boolean {
    return this.#known.get(id) === true
  }

  /** Renders now, or after a breath when it is the next portion or the last rendering was a moment ago. */
  schedule(render: () => void | Promise<unknown>): void | Promise<unknown> {
    const isSoon = this.#whole !== null || performance.now() - this.#renderedAt < FRAME_MS
    return isSoon ? breathe().then(render) : render()
  }

  /** `items` are on the page; whether that is all of `wanted`. */
  rendered(items: readonly Item[], wanted: readonly Item[]): boolean {
    this.#renderedAt = performance.now()
    if (items.length < wanted.length) return false
    this.#becomeWhole()
    this.#whole = null
    return true
  }

  #sweep(kept: ReadonlySet<string>): void {
    for (const id of this.#known.keys()) if (!kept.has(id)) this.#known.delete(id)
  }
}
