/**
 * Puts Loomi into a service worker: its own, or that of an app which wants only one.
 *
 * @module
 */
import { DEFAULT_BASE } from '../../server/protocol.ts'
import { createCursorStore, type CursorStore } from '../cursor-store.ts'
import { intervalOf, parseDisplayed } from '../messages.ts'
import { BeatGate } from './beat-gate.ts'
import type { ListeningScope } from './scope.ts'

export interface InstallOptions {
  /** Where the route is mounted: a path or an address of this origin. Default `/api/loomi`. */
  readonly base?: string
  readonly store?: CursorStore
  readonly fetch?: typeof fetch
}

/**
 * Adds two listeners: one answers the heartbeat worker's POST to `{base}/heartbeat`, one keeps the displayed
 * cursor. Every other request and message is left alone. Call it while the service worker's script is first run,
 * before other `fetch` listeners:
 *
 * @example
 * installLoomi(self, { base: '/api/loomi' })
 */
export function installLoomi(scope: ListeningScope, options: InstallOptions = {}): void {
  const { base = DEFAULT_BASE, store = createCursorStore() } = options
  const url = new URL(`${base.replace(/\/+$/, '')}/heartbeat`, scope.location.href).href
  const gate = new BeatGate({ url, store, ...(options.fetch && { fetch: options.fetch }) })

  scope.addEventListener('fetch', (event) => {
    const { request } = event
    if (request.method !== 'POST' || request.url !== url || !(intervalOf(request) > 0)) return
    event.stopImmediatePropagation()
    event.respondWith(gate.answer(request))
  })

  scope.addEventListener('message', (event) => {
    const message = parseDisplayed(event.data)
    if (!message) return
    const { userId, sessionId, cursor, restarts } = message
    const kept = store.put(userId, sessionId, cursor, restarts).then(
      () => true,
      () => false,
    )
    event.waitUntil(kept.then((ok) => event.ports[0]?.postMessage(ok)))
  })
}
