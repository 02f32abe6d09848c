/**
 * What is done to sessions as a whole: they are given to another user, or deleted, and whoever is concerned here is told.
 *
 * @module
 */
import { type Clock, sleep } from './clock.ts'
import { LoomiError } from './errors.ts'
import type { Log } from './log.ts'
import type { PresenceBook } from './presence.ts'
import { HEARD_MS, type RunBook } from './runs.ts'
import type { SessionChoice, Store } from './store.ts'
import type { Streams } from './streams.ts'
import type { Writers } from './writers.ts'

/** A writer that waits for its store tries again so many milliseconds later at the latest. */
const RETRY_MS = 2000

/** What keeps house. */
export interface HousekeepingDeps {
  readonly store: Store
  readonly log: Log
  readonly runs: RunBook
  readonly writers: Writers
  readonly presence: PresenceBook
  readonly streams: Streams
  readonly clock: Clock
  /** Milliseconds that it waits for what the store was told before. */
  readonly storeTimeoutMs: number
}

/** Gives a session from one user to another; whether it is the other's now. Rejects when the store fails. */
export async function transferSession(
  sessionId: string,
  from: string,
  to: string,
  { store, log, writers, presence, streams, clock, storeTimeoutMs }: HousekeepingDeps,
): Promise<boolean> {
  // What was emitted so far may be what makes the session.
  await atMost(storeTimeoutMs, clock, [writers.flush({ sessionId }), presence.flush()])
  const reset = streams.resetter()
  if (!(await store.transferSession(sessionId, from, to))) return false
  if (from === to) return true
  writers.give(sessionId, from, to)
  await presence.give(sessionId, from, to)
  const former = [{ sessionId, userId: from }]
  reset(former)
  log.forget(former)
  log.refresh(new Set([sessionId]))
  return true
}

/**
 * Deletes sessions. Rejects when the store fails, also with `store_unavailable` when it does not take in time what was emitted
 * before, and may be called again.
 */
export async function deleteSessions(
  choice: SessionChoice,
  { store, log, runs, writers, presence, streams, clock, storeTimeoutMs }: HousekeepingDeps,
): Promise<void> {
  const writing = writers.sessions(choice)
  // What was emitted so far belongs to what is deleted: stored after it, as what is being answered, it would begin it anew.
  const elsewhere = await runs.stop(choice, () => writers.flush(choice))
  if (elsewhere > 0) await sleep(clock, HEARD_MS)
  if (!(await atMost(storeTimeoutMs + RETRY_MS, clock, [writers.flush(choice)]))) throw unsaved()
  await atMost(storeTimeoutMs, clock, [presence.flush()])
  const reset = streams.resetter()
  const deleted = await store.deleteSessions(choice)
  // They know of places in runs, and of closed sessions, that are no more.
  writers.forget(writing)
  presence.forget(choice)
  reset(deleted)
  log.forget(deleted)
  if (deleted.length > 0) log.refresh(new Set(deleted.map(({ sessionId }) => sessionId)))
}

function unsaved(): LoomiError {
  const message =
    'The store has not taken what was emitted before, so nothing was deleted. Call it again when the store answers.'
  return new LoomiError('store_unavailable', message)
}

/** Whether it was done in time. */
async function atMost(ms: number, clock: Clock, work: readonly Promise<unknown>[]): Promise<boolean> {
  const enough = new AbortController()
  const done = Promise.all(work).then(() => true)
  const isDone = await Promise.race([done, sleep(clock, ms, enough.signal).then(() => false)])
  enough.abort()
  return isDone
}
