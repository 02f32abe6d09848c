/**
 * The page's end of the heartbeat worker.
 *
 * @module
 */
import type { TabState } from '../server/protocol.ts'
import type { BeatSettings, FromWorker, ToWorker } from './messages.ts'
import type { Pulse, PulseOptions } from './pulse.ts'

export interface WorkerLinkOptions {
  /** Address of the worker's script, of this origin. */
  readonly script: string
  readonly settings: BeatSettings
  /** What the tab is doing, asked when the worker is started. */
  readonly state: () => TabState
  readonly getToken: (renew: boolean) => Promise<string | null>
  readonly onBeat: PulseOptions['onBeat']
  readonly onError: PulseOptions['onError']
  /** Terminates the worker. */
  readonly signal: AbortSignal
}

/** Milliseconds after which a worker that has not said `up` counts as not loaded. */
const UP_WAIT_MS = 5000

/** The start before this one, until its worker is up. */
let lastStart: Promise<unknown> = Promise.resolve()

/**
 * Starts the worker and its pulse; null when its script does not run (absent, held back by a CSP, aborted).
 * One after the other: of workers whose script is loaded at the same moment WebKit gives but one to the service worker.
 */
export async function startWorker(options: WorkerLinkOptions): Promise<Pulse | null> {
  const token = await options.getToken(false)
  const started = lastStart.then(() => start(options, token))
  // One that failed must not keep the next from its turn.
  lastStart = started.catch(() => {})
  return started
}

async function start(options: WorkerLinkOptions, token: string | null): Promise<Pulse | null> {
  const { signal, settings, getToken } = options
  if (signal.aborted) return null
  let worker: Worker
  try {
    worker = new Worker(options.script, { name: 'loomi-heartbeat' })
  } catch {
    return null
  }
  const ended = new AbortController()
  const end = (): void => {
    ended.abort()
    worker.terminate()
  }
  signal.addEventListener('abort', end, { once: true, signal: ended.signal })
  const post = (message: ToWorker): void => worker.postMessage(message)

  const isUp = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), UP_WAIT_MS)
    const settle = (up: boolean): void => {
      clearTimeout(timer)
      resolve(up)
    }
    ended.signal.addEventListener('abort', () => settle(false), { once: true })
    // After `up` an error is one message's trouble and the timer goes on: only the first one counts.
    worker.addEventListener('error', () => settle(false), { signal: ended.signal })
    worker.addEventListener(
      'message',
      ({ data }: MessageEvent<FromWorker>) => {
        if (data.type === 'up') settle(true)
        else if (data.type === 'beat') options.onBeat(data.answer, data.rung)
        else if (data.type === 'error') options.onError(data)
        else void getToken(true).then((renewed) => post({ type: 'token', token: renewed }))
      },
      { signal: ended.signal },
    )
  })
  if (!isUp) {
    end()
    return null
  }
  post({ type: 'start', settings, token, state: options.state() })
  return {
    setState: (state) => post({ type: 'state', state }),
    beatNow: () => post({ type: 'beat' }),
  }
}
