/**
 * The pulse: beats at an interval, from the heartbeat worker or, without workers, from the page.
 *
 * @module
 */
import type { Cursor, HeartbeatAnswer, Rung, TabState } from '../server/protocol.ts'
import { systemClock, within, type Clock } from './clock.ts'
import type { BeatSettings } from './messages.ts'
import { MAX_INTERVAL_MS, postBeat, type BeatError, type BeatOutcome } from './post-beat.ts'

/** A running pulse. It ends with its `signal`. */
export interface Pulse {
  /** What the tab is doing, told with the next beat. */
  setState(state: TabState): void
  /** Beats now unless a beat is under way; the next one is an interval later. */
  beatNow(): void
}

export interface PulseOptions {
  readonly settings: BeatSettings
  /** How these beats travel when no service worker takes them. */
  readonly rung: 'worker' | 'page'
  readonly state: TabState
  /** The displayed cursor; 300 ms are waited for it. */
  readonly displayed: () => Promise<Cursor | null>
  /** Asked before each beat, and with `renew` after a 401. May not reject. */
  readonly getToken: (renew: boolean) => Promise<string | null>
  readonly onBeat: (answer: HeartbeatAnswer, rung: Rung) => void
  readonly onError: (error: BeatError) => void
  /** Ends the pulse. */
  readonly signal: AbortSignal
  readonly fetch?: typeof fetch
  readonly clock?: Clock
  /** 0 to 1, for the jitter. Default `Math.random`. */
  readonly random?: () => number
}

/** Milliseconds that a beat waits for the displayed cursor before it leaves without. */
export const DISPLAYED_WAIT_MS = 300

/** Milliseconds after which a beat counts as lost. The service worker's own limit is shorter, so its word comes first. */
const BEAT_TIMEOUT_MS = 10_000

/** A refused beat is tried less and less often, but at least this often (milliseconds). */
const MAX_REFUSED_WAIT_MS = 60_000

/**
 * Beats at once and then every max(`heartbeatMs`, the server's `interval_ms`) ± 10 %, counted from one
 * beat's start to the next. One beat at a time. A 401 asks for a new credential and tries it once; further
 * refusals double the wait up to a minute; silence and server errors are tried again at the next interval.
 */
export function startPulse(options: PulseOptions): Pulse {
  const { settings, clock = systemClock, random = Math.random, signal } = options
  let state = options.state
  let timer: unknown
  let beating = false
  let refusals = 0
  let askedMs = 0

  async function beat(): Promise<void> {
    if (beating || signal.aborted) return
    beating = true
    clock.clearTimeout(timer)
    const startedAt = clock.now()
    const outcome = await send(options, state)
    beating = false
    if (signal.aborted) return
    const waitMs = note(outcome)
    timer = clock.setTimeout(() => void beat(), Math.max(0, startedAt + waitMs - clock.now()))
  }

  /** Tells the outcome and returns the milliseconds to the next beat. */
  function note(outcome: BeatOutcome): number {
    const isRefusal = outcome.kind === 'refused' && outcome.status >= 400 && outcome.status < 500
    refusals = isRefusal ? refusals + 1 : 0
    if (outcome.kind === 'taken') askedMs = outcome.answer.interval_ms
    const intervalMs = Math.max(settings.heartbeatMs, askedMs)
    const refusedMs = Math.min(intervalMs * 2 ** Math.min(refusals, 10), MAX_REFUSED_WAIT_MS)
    const retryAfterMs = outcome.kind === 'refused' ? outcome.retryAfterMs : 0
    if (outcome.kind === 'taken') options.onBeat(outcome.answer, outcome.rung)
    else options.onError(outcome.error)
    const waitMs = Math.max(intervalMs, refusals > 0 ? refusedMs : 0, retryAfterMs)
    return Math.min(waitMs, MAX_INTERVAL_MS) * (0.9 + 0.2 * random())
  }

  signal.addEventListener('abort', () => clock.clearTimeout(timer), { once: true })
  void beat()
  return {
    setState(next) {
      state = next
    },
    beatNow: () => void beat(),
  }
}

async function send(options: PulseOptions, state: TabState): Promise<BeatOutcome> {
  const { settings, rung, signal } = options
  const token = await options.getToken(false)
  const displayed = await within(DISPLAYED_WAIT_MS, options.displayed(), null, options.clock)
  const post = (bearer: string | null): Promise<BeatOutcome> =>
    postBeat({
      url: settings.url,
      body: {
        user_id: settings.userId,
        session_id: settings.sessionId,
        client_id: settings.clientId,
        ...(displayed !== null && { last_event_id: displayed }),
        rung,
        state,
      },
      token: bearer,
      credentials: settings.credentials,
      keepalive: rung === 'page',
      ...(rung === 'worker' && { intervalMs: settings.heartbeatMs }),
      signal: AbortSignal.timeout(BEAT_TIMEOUT_MS),
      fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
    })

  const outcome = await post(token)
  if (outcome.kind !== 'refused' || outcome.status !== 401 || signal.aborted) return outcome
  const renewed = await options.getToken(true)
  return renewed === null || renewed === token || signal.aborted ? outcome : post(renewed)
}
