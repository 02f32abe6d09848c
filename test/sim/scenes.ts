/** Scenes: where a simulation looks. Each seed means something else in each. */
import type { FaultName } from './faults.ts'

/** What is more likely, or all there is, in a scene. */
export interface Scene {
  /** Null: any. */
  readonly faults: ReadonlySet<FaultName> | null
  /** How likely each kind is in a seed. */
  readonly perFault: number
  /** How likely an answer is fed again while it is being made, mostly by another process. */
  readonly fedAgain: number
  /** How likely a page renders its own history. */
  readonly ownHistory: number
  /** How likely the tabs of a device share one connection. */
  readonly sharedTabs: number
}

/** `late`: pages that begin while a process does not know what another, or itself, has stored already. */
export const SCENES = {
  open: { faults: null, perFault: 0.35, fedAgain: 0, ownHistory: 0.15, sharedTabs: 0.4 },
  late: {
    faults: new Set<FaultName>([
      'answer fed again',
      'page reconnected',
      'page reloaded',
      'process cut off from the store',
      'rows pruned',
      'second process',
      'server killed',
      'store answers late',
      'store down',
      'store slow',
      'store stalled',
    ]),
    perFault: 0.6,
    fedAgain: 0.5,
    ownHistory: 0.6,
    sharedTabs: 0.7,
  },
} as const satisfies Readonly<Record<string, Scene>>

/** The name of a scene. */
export type SceneName = keyof typeof SCENES
