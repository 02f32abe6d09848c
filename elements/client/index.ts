/**
 * The client without an element: `import { RecoveryClient } from 'loomi-recovery/client'`.
 *
 * @module
 */
export { RecoveryClient } from './recovery-client.ts'
export type {
  ClientError,
  ClientOptions,
  ClientState,
  Clock,
  Item,
  Notice,
  Phase,
  Shown,
  Signal,
  Snapshot,
  Unsaved,
} from './types.ts'
