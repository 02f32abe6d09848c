/**
 * A store that is opened with first use, and again after it could not be.
 *
 * @module
 */
import type { Store } from '../store.ts'
import { openStore } from './open.ts'

/** The store at a URL; see {@link openStore}. */
export function lazyStore(url: string): Store {
  let opening: Promise<Store> | null = null
  const open = (): Promise<Store> => {
    opening ??= openStore(url).catch((error: unknown) => {
      opening = null
      throw error
    })
    return opening
  }
  return {
    append: async (ref, events) => (await open()).append(ref, events),
    read: async (ref, after, limit) => (await open()).read(ref, after, limit),
    heads: async (refs) => (await open()).heads(refs),
    keys: async (ref, seqs) => (await open()).keys(ref, seqs),
    runHigh: async (ref, runId) => (await open()).runHigh(ref, runId),
    loadPresence: async (ref) => (await open()).loadPresence(ref),
    savePresence: async (rows) => (await open()).savePresence(rows),
    watch(changed) {
      let ended = false
      let end: (() => void) | null = null
      open().then(
        (store) => {
          if (!ended) end = store.watch(changed)
        },
        // Whoever reads hears of it; this is only about hints.
        () => undefined,
      )
      return () => {
        ended = true
        end?.()
      }
    },
    close: async () => {
      if (opening) await (await opening).close()
    },
  }
}
