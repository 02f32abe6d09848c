/**
 * The end of a Loomi: what is pending is stored, viewers see it, and are sent away one after another.
 *
 * @module
 */
import { type Clock, sleep } from './clock.ts'
import type { Log } from './log.ts'
import type { PresenceBook } from './presence.ts'
import type { RunBook } from './runs.ts'
import type { Streams } from './streams.ts'

/** A store that fails must not keep a process from ending: together and from the beginning it is waited for so long. */
const STORE_MS = 5000
/** Presence is only a hint. */
const PRESENCE_MS = 1000
/** A store that is still asked something closes by itself when it has its answer. */
const CLOSE_MS = 1000

/** What has to end. */
export interface ClosingDeps {
  /** Resolves when all that was emitted is stored. */
  readonly flush: () => Promise<unknown>
  readonly runs: RunBook
  readonly streams: Streams
  readonly log: Log
  readonly presence: PresenceBook
  readonly clock: Clock
  /** Milliseconds over which the streams end. */
  readonly drainMs: number
  /** Milliseconds that viewers wait for the store; so long their streams do, too. */
  readonly storeTimeoutMs: number
  /** Closes the store, unless it is the app's. */
  readonly closeStore: () => Promise<void>
}

/**
 * Ends everything. Takes `drainMs` when streams are open, more when the store is slow: at most 7 s, or
 * `storeTimeoutMs + drainMs` and 2 s.
 */
export async function closeInOrder(deps: ClosingDeps): Promise<void> {
  const { flush, runs, streams, log, presence, clock, drainMs, storeTimeoutMs, closeStore } = deps
  streams.refuse()
  runs.interrupt()
  const stored = flush().then(() => runs.close())
  const enough = new AbortController()
  const patience = sleep(clock, STORE_MS, enough.signal)
  // The last rows shall reach the viewers, but the drain does not wait for a store that hangs.
  if (drainMs > 0) await Promise.race([stored, patience, sleep(clock, storeTimeoutMs, enough.signal)])
  await streams.drain(drainMs)
  await Promise.race([stored, patience])
  streams.close()
  log.close()
  await Promise.race([presence.flush(), sleep(clock, PRESENCE_MS, enough.signal)])
  await Promise.race([closeStore(), sleep(clock, CLOSE_MS, enough.signal)])
  enough.abort()
}
