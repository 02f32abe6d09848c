/**
 * What a producer is told when its events are not taken.
 *
 * @module
 */
import { LoomiError } from './errors.ts'
import type { SessionRef } from './store.ts'

/** Why a session takes nothing more. */
export type Refusal = 'not_owner' | 'session_closed' | 'closed'

const TEXTS: { readonly [code in Refusal]: (id: string) => string } = {
  not_owner: (id) => `Session ${id} belongs to another user. Use a session id of this user’s own.`,
  session_closed: (id) => `Session ${id} was closed. Go on in a new session.`,
  closed: (id) => `What is emitted to session ${id} after loomi.close() is not stored. Close it later.`,
}

/** A session takes nothing more. */
export function refusal(code: Refusal, { sessionId }: SessionRef): LoomiError {
  return new LoomiError(code, TEXTS[code](sessionId))
}

/** Too much waits for the store. */
export function pendingFull({ sessionId }: SessionRef): LoomiError {
  return new LoomiError(
    'pending_full',
    `The store is behind and maxPendingBytes are waiting: events of session ${sessionId} are dropped from here on, which the log will say.`,
  )
}
