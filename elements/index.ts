/**
 * `loomi-recovery/element`: the class and its types, without registering the tag.
 *
 * @module
 */
export { LoomiRecovery } from './loomi-recovery.ts'
export {
  LoomiErrorEvent,
  LoomiGapEvent,
  LoomiReplayEvent,
  LoomiResetEvent,
  LoomiShowEvent,
  LoomiStateEvent,
  LoomiUnsavedEvent,
  type LoomiEventMap,
} from './events.ts'
export type { Corner } from './indicator-view.ts'
export type { Kind } from './kinds.ts'
export type { Renderer, Renderers } from './projection.ts'
export type { Strings } from './strings.ts'
export type { GetToken } from './session-view.ts'
export type { ClientState, Item, Phase, Snapshot, Unsaved } from './client/index.ts'
