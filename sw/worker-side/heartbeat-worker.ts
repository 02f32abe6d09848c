/**
 * The heartbeat worker: a dedicated worker's timer goes on in a hidden page, where a page's own does not.
 *
 * @module
 */
import { within } from '../clock.ts'
import { createCursorStore, type CursorStore } from '../cursor-store.ts'
import type { FromWorker, ToWorker } from '../messages.ts'
import { startPulse, type Pulse } from '../pulse.ts'

/** The part of `DedicatedWorkerGlobalScope` that is used; a `MessagePort` will do. */
export interface WorkerScope {
  postMessage(message: FromWorker): void
  addEventListener(type: 'message', listener: (event: { readonly data: ToWorker }) => void): void
}

export interface WorkerSeams {
  readonly store?: CursorStore
  readonly fetch?: typeof fetch
  readonly random?: () => number
  /** Ends it; a real worker is terminated instead. */
  readonly signal?: AbortSignal
}

/** Milliseconds that a beat waits for the page to renew its credential: a frozen page will not answer. */
const RENEW_WAIT_MS = 10_000

/** Says `up`, then beats as its page's `start` message tells. The credential stays in memory and dies with the worker. */
export function runHeartbeatWorker(scope: WorkerScope, seams: WorkerSeams = {}): void {
  const { store = createCursorStore(), signal = new AbortController().signal, ...rest } = seams
  let pulse: Pulse | null = null
  let token: string | null = null
  let renewed: ((token: string | null) => void) | null = null

  const renew = (): Promise<string | null> => {
    const answer = new Promise<string | null>((resolve) => {
      renewed = resolve
    })
    scope.postMessage({ type: 'renew' })
    return within(RENEW_WAIT_MS, answer, null)
  }

  scope.addEventListener('message', ({ data }) => {
    switch (data.type) {
      case 'start': {
        const { settings, state } = data
        token = data.token
        pulse ??= startPulse({
          ...rest,
          settings,
          state,
          signal,
          rung: 'worker',
          displayed: () => store.get(settings.userId, settings.sessionId),
          getToken: async (isRenewal) => (isRenewal ? renew() : token),
          onBeat: (answer, rung) => scope.postMessage({ type: 'beat', answer, rung }),
          onError: ({ code, message }) => scope.postMessage({ type: 'error', code, message }),
        })
        break
      }
      case 'token':
        token = data.token
        renewed?.(token)
        break
      case 'state':
        pulse?.setState(data.state)
        break
      case 'beat':
        pulse?.beatNow()
        break
    }
  })
  scope.postMessage({ type: 'up' })
}
