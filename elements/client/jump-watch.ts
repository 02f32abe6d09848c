/**
 * Notices that the device slept although nobody said so: its clock is far beyond where a timer should have found it.
 *
 * @module
 */
import type { Clock } from './types.ts'

/** Milliseconds between two looks. */
const LOOK_MS = 10_000

/** Milliseconds: a timer that is later than this was held up by more than a busy page. */
const JUMP_MS = 20_000

/** Looks at the clock from {@link JumpWatch.start} to {@link JumpWatch.stop}. */
export class JumpWatch {
  readonly #clock: Clock
  readonly #jumped: () => void
  #timer: unknown = null
  #due = 0

  constructor(clock: Clock, jumped: () => void) {
    this.#clock = clock
    this.#jumped = jumped
  }

  start(): void {
    this.stop()
    this.#due = this.#clock.now() + LOOK_MS
    this.#timer = this.#clock.setTimeout(() => this.look(true), LOOK_MS)
  }

  stop(): void {
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer)
    this.#timer = null
  }

  /** Something happened that is a chance to look, before the timer comes to it. */
  look(isDue = false): void {
    if (this.#timer === null) return
    const isLate = this.#clock.now() - this.#due > JUMP_MS
    if (isLate || isDue) this.start()
    if (isLate) this.#jumped()
  }
}
