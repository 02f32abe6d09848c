/**
 * Patience: how one stream waits, for news or for a store that does not answer. Whatever it waits for, events that the
 * store has not confirmed reach its reader meanwhile.
 *
 * @module
 */
import { type Clock, sleep } from './clock.ts'
import type { Log, Watch } from './log.ts'
import type { SessionRef } from './store.ts'
import type { OpenStream } from './streams.ts'

/** Between two tries of a store that does not answer. */
export const RETRY_STORE_MS = 1000
/** A store that answers within this time may still put rows before what is unconfirmed. */
const MOMENT_MS = 50
/** Without `follow` the client asks again by itself, so the store is not tried for ever. */
export const TRIES_WITHOUT_FOLLOW = 3

/** What a stream waits with. */
export interface PatienceDeps {
  readonly log: Log
  readonly clock: Clock
  /** A random word of the server process. */
  readonly boot: string
  readonly onError: (error: unknown) => void
}

/** One stream's waiting; see the module. */
export class Patience {
  readonly #stream: OpenStream
  readonly #ref: SessionRef
  readonly #follow: boolean
  readonly #deps: PatienceDeps
  readonly #watch: Watch
  #discards: number
  /** One at a time: a wake-up must not be spent on somebody who has stopped listening. */
  #woken: Promise<void> | null = null
  /** A wake-up came since the store was last asked: its answer may be from before that. */
  #hasNews = false
  #isOpen = false
  #shown = 0
  #hasShown = false

  constructor(stream: OpenStream, ref: SessionRef, follow: boolean, deps: PatienceDeps, watch: Watch) {
    this.#stream = stream
    this.#ref = ref
    this.#follow = follow
    this.#deps = deps
    this.#watch = watch
    this.#discards = deps.log.unconfirmed.discards(ref)
  }

  /** The reader has left, or has to come again. */
  get isGone(): boolean {
    return this.#stream.sink.closed.aborted
  }

  /** The reader has got events that the store had not confirmed, and knows them by their keys. */
  get hasShownUnconfirmed(): boolean {
    return this.#hasShown
  }

  /**
   * The boot to open with, now. After a discard the same process counts as another: what its readers kept unconfirmed is not
   * to be waited for.
   */
  boot(): string {
    const { boot, log } = this.#deps
    if (!this.#hasShown) this.#discards = log.unconfirmed.discards(this.#ref)
    return this.#discards > 0 ? `${boot}-${this.#discards}` : boot
  }

  /** The first frame is written, and it is known what of that is stored: what is unconfirmed may follow, or not yet. */
  open(isOpen = true): void {
    this.#isOpen = isOpen
  }

  /** Waits for the next wake-up. */
  async rest(): Promise<void> {
    await this.#show()
    if (!this.isGone && !this.#hasNews) await this.#wakeUp()
  }

  /** Asks the store until it answers; undefined when the reader left first, or asked for no more than the present. */
  async ask<T>(work: () => Promise<T>): Promise<T | undefined> {
    for (let tries = 1; !this.isGone; tries++) {
      try {
        this.#hasNews = false
        return await this.#meanwhile(work())
      } catch (error) {
        this.#deps.onError(error)
        if (!this.#follow && tries >= TRIES_WITHOUT_FOLLOW) return undefined
        await this.pause()
      }
    }
    return undefined
  }

  /** Waits before the store is tried again. */
  async pause(): Promise<void> {
    const { clock } = this.#deps
    let isOver = false
    // Wakes the watch itself: a race with it would leave something behind each time, as long as no wake-up comes.
    const timer = clock.setTimeout(() => {
      isOver = true
      this.#watch.wake()
    }, RETRY_STORE_MS)
    while (!this.isGone && !isOver) {
      await this.#show()
      if (!this.isGone && !isOver) await this.#wakeUp()
    }
    clock.clearTimeout(timer)
  }

  async #meanwhile<T>(answer: Promise<T>): Promise<T | undefined> {
    let isThere = false
    const arrived = answer.then(
      () => void (isThere = true),
      () => void (isThere = true),
    )
    for (;;) {
      const moment = new AbortController()
      const { clock } = this.#deps
      const waits = [arrived, this.#wakeUp()]
      if (this.#hasMore) waits.push(sleep(clock, MOMENT_MS, moment.signal))
      await Promise.race(waits)
      moment.abort()
      if (isThere) return answer
      if (this.isGone) return undefined
      await this.#show()
    }
  }

  get #hasMore(): boolean {
    return (
      this.#isOpen &&
      this.#follow &&
      this.#deps.log.unconfirmed.after(this.#ref, this.#shown).frames.length > 0
    )
  }

  #wakeUp(): Promise<void> {
    this.#woken ??= this.#watch.next().then(() => {
      this.#woken = null
      this.#hasNews = true
    })
    return this.#woken
  }

  async #show(): Promise<void> {
    if (!this.#isOpen || !this.#follow || this.isGone) return
    const { log } = this.#deps
    const { frames, last } = log.unconfirmed.after(this.#ref, this.#shown)
    this.#shown = last
    if (frames.length > 0) this.#hasShown = true
    // Another boot at the next opening tells the reader that what it has will never be confirmed; what would follow here is
    // of that other boot.
    if (this.#hasShown && log.unconfirmed.discards(this.#ref) !== this.#discards) this.#stream.sink.end()
    else for (const bytes of frames) await this.#stream.write(bytes)
  }
}
