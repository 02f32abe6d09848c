/**
 * `loomi-recovery/server`: what an app's server uses.
 *
 * @module
 */
export { type Authorize, type Claim, type Identity } from './authorize.ts'
export { type Adapter, type ChunkReader, type Outcome } from './adapters/adapter.ts'
export { adapters } from './adapters/forms.ts'
export { type Clock } from './clock.ts'
export { type Draft } from './drafts.ts'
export { LoomiError, type LoomiErrorCode } from './errors.ts'
export { createLoomi, type Limits, type Loomi, type LoomiOptions, type Report } from './loomi.ts'
export { type Presence } from './presence.ts'
export { type Recorded, type Recording, type RecordSource } from './record.ts'
export { type Session, type TextOptions } from './session.ts'
export {
  type AppendResult,
  type NewEvent,
  type PresenceRow,
  type Pruned,
  type Retention,
  type RunChoice,
  type RunPlace,
  type RunRef,
  type SessionChoice,
  type SessionHead,
  type SessionRef,
  type Store,
  type StoredEvent,
} from './store.ts'
export { tickets, type Tickets } from './tickets.ts'
