/**
 * What the user has seen: on this device before this view opened, and in this view since.
 *
 * @module
 */
import type { Cursor } from '../../server/protocol.ts'
import { within } from './clock.ts'
import { compareCursors } from './frames.ts'
import type { Clock } from './types.ts'

/** Milliseconds that the device's displayed cursor is waited for. */
const ASK_MS = 300

/** Hears of each step forward; `restarts`: of the first one in a log that took another's place, whatever was told before. */
type Tell = (cursor: Cursor, restarts: boolean) => void

/** Keeps the newest displayed cursor. */
export class Seen {
  readonly #tell: Tell
  #device: Cursor | null = null
  #asked: Promise<Cursor | null> | null = null
  #shown: Cursor | null = null
  #restarts = false

  constructor(tell: Tell) {
    this.#tell = tell
  }

  /** The device's displayed cursor, or ours where that is further on or of a newer log. */
  get newest(): Cursor | null {
    if (this.#shown === null || this.#device === null) return this.#shown ?? this.#device
    return (compareCursors(this.#shown, this.#device) ?? 1) > 0 ? this.#shown : this.#device
  }

  /** Asks the device, once; takes what it says within 300 ms. */
  async ask(device: () => Promise<Cursor | null>, clock: Clock): Promise<void> {
    this.#asked ??= within(device(), ASK_MS, clock)
    this.#device = await this.#asked
  }

  /** Everything up to the cursor is in front of the user. */
  show(cursor: Cursor): void {
    const { newest } = this
    if (newest !== null && (compareCursors(cursor, newest) ?? 1) <= 0) return
    const restarts = this.#restarts
    this.#restarts = false
    this.#shown = cursor
    this.#tell(cursor, restarts)
  }

  /** Another log takes the place of this one, in which nothing was seen so far. */
  restart(): void {
    this.#shown = null
    this.#asked = Promise.resolve(null)
    this.#device = null
    this.#restarts = true
  }
}
