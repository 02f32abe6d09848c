/**
 * A store that is opened with first use, and again after it could not be.
 *
 * @module
 */
import { LoomiError } from '../errors.ts'
import type { Store } from '../store.ts'
import { openStore } from './open.ts'

interface Watching {
  readonly changed: Parameters<Store['watch']>[0]
  end: (() => void) | null
}

/** The store at a URL; see {@link openStore}. */
export function lazyStore(url: string): Store {
  let opening: Promise<Store> | null = null
  let opened: Store | null = null
  let closed = false
  /** Who watches; a store that could not be opened at first is watched as soon as it can. */
  const watches = new Set<Watching>()

  async function open(): Promise<Store> {
    if (closed) throw new LoomiError('closed', 'The store is closed.')
    opening ??= openStore(url).then(
      (store) => {
        opened = store
        for (const watching of watches) watching.end = store.watch(watching.changed)
        return store
      },
      (error: unknown) => {
        opening = null
        throw error
      },
    )
    return opening
  }

  return {
    append: async (ref, events, leaseMs) => (await open()).append(ref, events, leaseMs),
    read: async (ref, after, limit) => (await open()).read(ref, after, limit),
    heads: async (refs) => (await open()).heads(refs),
    keys: async (ref, seqs) => (await open()).keys(ref, seqs),
    runHigh: async (ref, runId) => (await open()).runHigh(ref, runId),
    leaseRuns: async (runs, leaseMs) => (await open()).leaseRuns(runs, leaseMs),
    releaseRuns: async (runs) => (await open()).releaseRuns(runs),
    stoppedRuns: async (runs) => (await open()).stoppedRuns(runs),
    endRuns: async (status, choice, createdAt) => (await open()).endRuns(status, choice, createdAt),
    transferSession: async (sessionId, from, to) => (await open()).transferSession(sessionId, from, to),
    loadPresence: async (ref) => (await open()).loadPresence(ref),
    savePresence: async (rows) => (await open()).savePresence(rows),
    prune: async (retention, limit, from) => (await open()).prune(retention, limit, from),
    deleteSessions: async (choice) => (await open()).deleteSessions(choice),
    watch(changed) {
      const watching: Watching = { changed, end: opened?.watch(changed) ?? null }
      watches.add(watching)
      // Whoever reads hears of a failure; this is only about hints.
      if (!opened) open().catch(() => undefined)
      return () => {
        watches.delete(watching)
        watching.end?.()
      }
    },
    async close() {
      closed = true
      await opening?.then(
        (store) => store.close(),
        () => undefined,
      )
    },
  }
}
