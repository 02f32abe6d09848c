/**
 * A look at the store that hints ask for, and a slow clock when they fail to come; never two at once.
 *
 * @module
 */
import { type Clock, sleep, within } from './clock.ts'
import type { Store } from './store.ts'

const SLOW_POLL_MS = 5000
const RETRY_MS = 500

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
  #stopped = new AbortController()
  /** What to look at next, null when there is nothing; undefined: everything. */
  #next: ReadonlySet<string> | null | undefined = null

  constructor(deps: PollDeps) {
    this.#deps = deps
  }

  /** Begins, unless it has. */
  start(): void {
    if (this.#stopWatch) return
    this.#stopped = new AbortController()
    this.#stopWatch = this.#deps.store.watch((sessionIds) => this.now(sessionIds))
    this.#sleep()
  }

  stop(): void {
    this.#stopWatch?.()
    this.#stopWatch = null
    this.#stopped.abort()
    this.#next = null
    this.#deps.clock.clearTimeout(this.#timer)
  }

  /** Looks at once; at the sessions of those ids, at all without ids. */
  now(sessionIds?: ReadonlySet<string>): void {
    this.#add(sessionIds)
    if (!this.#isLooking) void this.#look()
  }

  #add(sessionIds: ReadonlySet<string> | undefined): void {
    this.#next =
      sessionIds && this.#next !== undefined ? new Set([...(this.#next ?? []), ...sessionIds]) : undefined
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
    while (this.#next !== null) {
      const sessionIds = this.#next
      this.#next = null
      try {
        // One that hangs must not keep all later hints from being heard.
        await within(clock, SLOW_POLL_MS, look(sessionIds))
      } catch (error) {
        onError(error)
        if (!this.#stopWatch) continue
        // Nobody hints at the same thing twice.
        this.#add(sessionIds)
        await sleep(clock, RETRY_MS, this.#stopped.signal)
      }
    }
    this.#isLooking = false
  }
}
