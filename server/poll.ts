/**
 * A look at the store that hints ask for, and a slow clock when they fail to come; never two at once.
 *
 * @module
 */
import { type Clock, within } from './clock.ts'
import type { Store } from './store.ts'

const SLOW_POLL_MS = 5000

/** What a poll works with. */
export interface PollDeps {
  readonly store: Store
  readonly clock: Clock
  /** Looks at the sessions of those ids, at all without ids; asked again when a hint came meanwhile. */
  readonly look: (sessionIds: ReadonlySet<string> | undefined) => Promise<void>
  /** Called with every slow poll. */
  readonly onPoll: () => void
  readonly onError: (error: unknown) => void
}

/** The poll; see the module. */
export class Poll {
  readonly #deps: PollDeps
  #stopWatch: (() => void) | null = null
  #timer: unknown = null
  #isLooking = false
  /** What to look at next, null when there is nothing; undefined: everything. */
  #next: ReadonlySet<string> | null | undefined = null

  constructor(deps: PollDeps) {
    this.#deps = deps
  }

  /** Begins, unless it has. */
  start(): void {
    if (this.#stopWatch) return
    this.#stopWatch = this.#deps.store.watch((sessionIds) => this.now(sessionIds))
    this.#sleep()
  }

  stop(): void {
    this.#stopWatch?.()
    this.#stopWatch = null
    this.#deps.clock.clearTimeout(this.#timer)
  }

  /** Looks at once; at the sessions of those ids, at all without ids. */
  now(sessionIds?: ReadonlySet<string>): void {
    this.#next =
      sessionIds && this.#next !== undefined ? new Set([...(this.#next ?? []), ...sessionIds]) : undefined
    if (!this.#isLooking) void this.#look()
  }

  #sleep(): void {
    this.#timer = this.#deps.clock.setTimeout(() => {
      this.#sleep()
      this.#deps.onPoll()
      this.now()
    }, SLOW_POLL_MS)
  }

  async #look(): Promise<void> {
    const { clock, look, onError } = this.#deps
    this.#isLooking = true
    try {
      while (this.#next !== null) {
        const sessionIds = this.#next
        this.#next = null
        // One that hangs must not keep all later hints from being heard.
        await within(clock, SLOW_POLL_MS, look(sessionIds))
      }
    } catch (error) {
      onError(error)
    } finally {
      this.#isLooking = false
    }
  }
}
