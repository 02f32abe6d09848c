/** What the core is known not to stand yet. Each word stands for faults that the simulation leaves out because of it. */

/** Empty this set when the core has learned it. */
export const KNOWN: ReadonlySet<'replaced with shared tabs' | 'replaced under unconfirmed'> = new Set([
  // A following tab's inbox may hold the leader's frames of a log that is no more: they fit behind rows of the new one, or
  // cost one refetch each.
  'replaced with shared tabs',
  // What a view has unconfirmed, and the store had confirmed before it lost it, is never withdrawn by the same process.
  'replaced under unconfirmed',
] as const)
