/** What the core is known not to stand yet. Each word stands for what the simulation leaves out, or does not count, because of it. */

/** A weakness that is known. */
export type Weakness =
  /** A following tab shows the leader's frames of a log that is no more behind rows of the new one, until the leader's reset. */
  | 'replaced with shared tabs'
  /** Unconfirmed events of a log that is no more stay, or go without a word, where the view has no position in it. */
  | 'replaced under unconfirmed'
  /** Unconfirmed events whose rows were pruned before the view read them are never withdrawn. */
  | 'pruned under unconfirmed'
  /** A following tab does not hear that its leader withdrew what is not stored. */
  | 'withdrawn with shared tabs'
  /** A replay whose end lies beyond the head of a log that was set back has none. */
  | 'set back under a replay'
  /** A process does not see that the log was set back when another one has filled it up to the same head again. */
  | 'filled up by another process'
  /** Of a pruned row nobody knows the key, so a cursor on it can't be told from one of another log. */
  | 'restored and pruned'

/** Empty when the core stands everything. */
export const KNOWN: ReadonlySet<Weakness> = new Set([
  'replaced with shared tabs',
  'replaced under unconfirmed',
  'pruned under unconfirmed',
  'withdrawn with shared tabs',
  'set back under a replay',
  'filled up by another process',
  'restored and pruned',
] as const)
