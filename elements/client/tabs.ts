/**
 * One tab of a session leads: it holds a Web Lock and the stream, and passes on what it hears.
 *
 * @module
 */
import type { RawFrame } from './frames.ts'
import type { LinkStatus } from './link.ts'
import type { Clock } from './types.ts'

/** Milliseconds in which a leader must answer; one that doesn't is frozen and loses the lead. */
export const ANSWER_MS = 3000

/** What tabs say to each other. */
export type TabMessage =
  /** By the leader: what its stream brought; `quiet`: the opening frames among them mean nothing. */
  | { readonly type: 'frames'; readonly frames: readonly RawFrame[]; readonly quiet: boolean }
  /** By the leader: how its stream is, when that changes or somebody asks. */
  | { readonly type: 'status'; readonly status: LinkStatus }
  /** To the leader: are you there? `look`: somebody looks at this tab, so doubt your connection. */
  | { readonly type: 'hello'; readonly look: boolean }

/** Who is told. */
export interface TabsHost {
  readonly lead: () => void
  readonly follow: () => void
  readonly message: (message: TabMessage) => void
}

/** Whether tabs can share a connection here; in an insecure context they can't, for one. */
export function canShareTabs(): boolean {
  return (
    typeof globalThis.BroadcastChannel === 'function' &&
    typeof globalThis.navigator?.locks?.request === 'function'
  )
}

/** One membership, from {@link Tabs.join} to {@link Tabs.leave}. */
export class Tabs {
  readonly #name: string
  readonly #host: TabsHost
  readonly #clock: Clock
  readonly #channel: BroadcastChannel
  #left = false
  #waiting: AbortController | null = null
  #release: (() => void) | null = null
  #answerTimer: unknown = null

  /** `name` is the same in all tabs that share. */
  constructor(name: string, host: TabsHost, clock: Clock) {
    this.#name = name
    this.#host = host
    this.#clock = clock
    this.#channel = new BroadcastChannel(name)
    this.#channel.addEventListener('message', ({ data }: MessageEvent<TabMessage>) => this.#hear(data))
  }

  /** Leads when nobody does, else follows and waits for the lead. Where locks are forbidden, leads alone. */
  join(): void {
    void this.#request({ ifAvailable: true })
  }

  /** Gives the lead up and hears nothing more. */
  leave(): void {
    this.#left = true
    this.#answered()
    this.#waiting?.abort()
    this.#release?.()
    this.#channel.close()
  }

  /** Says something to the other tabs. */
  send(message: TabMessage): void {
    if (!this.#left) this.#channel.postMessage(message)
  }

  /** Asks the leader for its status. When it does not answer within 3 s, this tab takes the lead from it. */
  ask(look: boolean): void {
    this.send({ type: 'hello', look })
    this.#answerTimer ??= this.#clock.setTimeout(() => this.#steal(), ANSWER_MS)
  }

  #hear(message: TabMessage): void {
    if (this.#left) return
    if (message.type !== 'hello') this.#answered()
    this.#host.message(message)
  }

  #answered(): void {
    if (this.#answerTimer !== null) this.#clock.clearTimeout(this.#answerTimer)
    this.#answerTimer = null
  }

  #steal(): void {
    this.#answered()
    if (this.#release) return
    this.#waiting?.abort()
    void this.#request({ steal: true })
  }

  #wait(): void {
    this.#waiting = new AbortController()
    void this.#request({ signal: this.#waiting.signal })
  }

  /** Lives as long as the lock is waited for and held. */
  async #request(options: LockOptions): Promise<void> {
    let held = false
    try {
      await globalThis.navigator.locks.request(this.#name, options, (lock) => {
        if (this.#left) return
        if (lock) {
          held = true
          return this.#hold()
        }
        this.#host.follow()
        this.#wait()
      })
    } catch {
      if (this.#left || options.signal?.aborted) return
      if (held) this.#lose()
      else this.#host.lead()
    }
  }

  #hold(): Promise<void> {
    this.#answered()
    return new Promise((resolve) => {
      this.#release = resolve
      this.#host.lead()
    })
  }

  /** Another tab took the lead, for want of an answer. */
  #lose(): void {
    this.#release = null
    this.#host.follow()
    this.#wait()
  }
}
