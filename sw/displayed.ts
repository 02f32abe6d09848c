/**
 * What this tab has displayed, on its way to the device's store: through the service worker where there is one.
 *
 * @module
 */
import type { Cursor } from '../server/protocol.ts'
import { systemClock, within, type Clock } from './clock.ts'
import { createCursorStore, type CursorStore } from './cursor-store.ts'
import type { DisplayedMessage } from './messages.ts'

export interface DisplayedOptions {
  readonly userId: string
  readonly sessionId: string
  /** The active service worker that keeps cursors, asked before each write; null to write from here. */
  readonly serviceWorker: () => ServiceWorker | null
  /** Called when the device keeps nothing. */
  readonly onFailure: () => void
  readonly store?: CursorStore
  readonly clock?: Clock
}

/** Milliseconds in which at most one write is made. */
export const WRITE_EVERY_MS = 250

/** Milliseconds after which a service worker that has not answered counts as gone. */
const ACK_WAIT_MS = 3000

export class Displayed {
  readonly #options: DisplayedOptions
  readonly #store: CursorStore
  readonly #clock: Clock
  #newest: Cursor | null = null
  #isWritten = true
  /** What waits replaces what is kept, whatever that is. */
  #restarts = false
  #timer: unknown = null
  #writes: Promise<unknown> = Promise.resolve()

  constructor(options: DisplayedOptions) {
    this.#options = options
    this.#store = options.store ?? createCursorStore()
    this.#clock = options.clock ?? systemClock
  }

  /** The last one that was pushed here; null before the first. */
  get newest(): Cursor | null {
    return this.#newest
  }

  /** What the device keeps. Rejects when it can't say. */
  kept(): Promise<Cursor | null> {
    return this.#store.get(this.#options.userId, this.#options.sessionId)
  }

  /** Takes the newest cursor; it is written within {@link WRITE_EVERY_MS}. `restarts`: it is of a log that replaced another. */
  push(cursor: Cursor, restarts = false): void {
    this.#newest = cursor
    this.#restarts ||= restarts
    this.#isWritten = false
    this.#timer ??= this.#clock.setTimeout(() => void this.flush(), WRITE_EVERY_MS)
  }

  /** Writes at once what waits, and resolves when all writes have ended. Never rejects. */
  async flush(): Promise<void> {
    this.#clock.clearTimeout(this.#timer)
    this.#timer = null
    if (this.#newest !== null && !this.#isWritten) {
      this.#isWritten = true
      // Started before anything is awaited: a page that is going away may not run on.
      this.#writes = Promise.all([this.#writes, this.#write(this.#newest, this.#restarts)])
      this.#restarts = false
    }
    await this.#writes
  }

  /** Drops all that the device keeps of this user, after writes under way have ended. Never rejects. */
  async forget(): Promise<void> {
    this.#newest = null
    this.#isWritten = true
    this.#restarts = false
    await this.flush()
    try {
      await this.#store.forget(this.#options.userId)
    } catch {
      // Where there is no IndexedDB nothing was kept.
    }
  }

  /** Writes what waits and lets go of the database. */
  async close(): Promise<void> {
    await this.flush()
    this.#store.close()
  }

  async #write(cursor: Cursor, restarts: boolean): Promise<void> {
    const { userId, sessionId, serviceWorker, onFailure } = this.#options
    const worker = serviceWorker()
    const message: DisplayedMessage = {
      type: 'loomi:displayed',
      userId,
      sessionId,
      cursor,
      ...(restarts && { restarts }),
    }
    if (worker && (await ask(worker, message, this.#clock))) return
    try {
      await this.#store.put(userId, sessionId, cursor, restarts)
    } catch {
      onFailure()
    }
  }
}

/** Workbox's `messageSW` may wait for ever, so this is our own; false when the service worker did not say that it has kept the cursor. */
async function ask(worker: ServiceWorker, message: DisplayedMessage, clock: Clock): Promise<boolean> {
  const { port1, port2 } = new MessageChannel()
  const answered = new Promise<unknown>((resolve) => {
    port1.addEventListener('message', (event) => resolve(event.data), { once: true })
    port1.start()
  })
  try {
    worker.postMessage(message, [port2])
    return (await within(ACK_WAIT_MS, answered, false, clock)) === true
  } catch {
    return false
  } finally {
    port1.close()
  }
}
