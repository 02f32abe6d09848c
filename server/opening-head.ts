/**
 * The head that a stream opens with. From a store that does not answer memory may help; otherwise the reader is held, and
 * told so.
 *
 * @module
 */
import { within } from './clock.ts'
import { fromMemory, type OpeningDeps } from './opening.ts'
import { type Patience, TRIES_WITHOUT_FOLLOW } from './patience.ts'
import type { SessionHead, SessionRef } from './store.ts'
import type { StreamDeps, StreamQuery } from './stream.ts'
import type { OpenStream } from './streams.ts'

/** Said once to a reader that has to wait before anything can be told. */
const WAITING = new TextEncoder().encode(': the log does not answer yet\n\n')

/** A head, null when the session does not exist for this user; `memory`: with what the stream opens, as the store does not answer. */
export interface HeadToOpen {
  readonly head: SessionHead | null
  readonly memory: OpeningDeps | null
}

/** Asks for the head; undefined when the reader left first, or asked for no more than the present. */
export async function headToOpen(
  stream: OpenStream,
  ref: SessionRef,
  query: StreamQuery,
  patience: Patience,
  deps: StreamDeps,
): Promise<HeadToOpen | undefined> {
  const { log, clock, storeTimeoutMs, onError } = deps
  for (let tries = 1; !patience.isGone; tries++) {
    try {
      return { head: await within(clock, storeTimeoutMs, log.head(ref)), memory: null }
    } catch (error) {
      onError(error)
      const memory = fromMemory(log.recall(ref), query, deps)
      if (memory) return { head: memory.head, memory: memory.deps }
      if (tries === 1) await stream.write(WAITING)
      if (!query.follow && tries >= TRIES_WITHOUT_FOLLOW) return undefined
      await patience.pause()
    }
  }
  return undefined
}
