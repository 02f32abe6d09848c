/**
 * When the indicator is there and what it is about. It appears exactly when something was missed, or when
 * waiting takes so long that a reader would wonder.
 *
 * @module
 */
import type { ReactiveController, ReactiveControllerHost } from 'lit'
import { systemClock } from './client/clock.ts'
import type { Clock, Snapshot } from './client/index.ts'

/** Milliseconds that "Caught up" stays. The style sheet fades it out within them. */
export const CAUGHT_UP_MS = 2000

/** Milliseconds of trouble that nobody is told of: a blip is over before. */
export const PATIENCE_MS = 1000

/** What the indicator shows. */
export type Indication =
  | { readonly kind: 'none' }
  | { readonly kind: 'catching-up'; readonly missed: number; readonly caughtUp: number }
  | { readonly kind: 'caught-up' }
  | { readonly kind: 'reconnecting' }
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'offline' }
  | { readonly kind: 'failed'; readonly message: string }

/** What the controller asks its element. */
type IndicatorHost = ReactiveControllerHost & Pick<HTMLElement, 'isConnected'>

const NONE: Indication = { kind: 'none' }

/** Follows the snapshots of a view and keeps the times. */
export class IndicatorController implements ReactiveController {
  readonly #host: IndicatorHost
  readonly #clock: Clock
  #snapshot: Snapshot | null = null
  #caughtUp: { readonly timer: unknown } | null = null
  #trouble: { patient: boolean; readonly timer: unknown } | null = null

  constructor(host: IndicatorHost, clock: Clock = systemClock) {
    this.#host = host
    this.#clock = clock
    host.addController(this)
  }

  /** What to show now. */
  get indication(): Indication {
    const snapshot = this.#snapshot
    if (!snapshot) return NONE
    const { state, missed, caughtUp } = snapshot
    if (state === 'failed') return { kind: 'failed', message: snapshot.error?.message ?? '' }
    if (state === 'replaying' && missed > 0) return { kind: 'catching-up', missed, caughtUp }
    if (this.#trouble && !this.#trouble.patient) return troubleOf(snapshot)
    if (this.#caughtUp) return { kind: 'caught-up' }
    return NONE
  }

  /** Takes the newest snapshot. */
  follow(snapshot: Snapshot): void {
    this.#snapshot = snapshot
    if (isTrouble(snapshot)) this.#beginTrouble()
    else this.#endTrouble()
  }

  /** A replay has ended. It may have been shown so fast that no snapshot of it was ever seen. */
  replayEnded(missed: number): void {
    if (missed === 0) return
    this.#forgetCaughtUp()
    const timer = this.#clock.setTimeout(() => {
      this.#caughtUp = null
      this.#host.requestUpdate()
    }, CAUGHT_UP_MS)
    this.#caughtUp = { timer }
    this.#host.requestUpdate()
  }

  hostConnected(): void {}

  hostDisconnected(): void {
    // A move within the document is a removal and an insertion: only what comes after both counts.
    queueMicrotask(() => {
      if (this.#host.isConnected) return
      this.#forgetCaughtUp()
      this.#endTrouble()
    })
  }

  #beginTrouble(): void {
    if (this.#trouble) return
    const timer = this.#clock.setTimeout(() => {
      if (this.#trouble) this.#trouble.patient = false
      this.#host.requestUpdate()
    }, PATIENCE_MS)
    this.#trouble = { patient: true, timer }
  }

  #endTrouble(): void {
    if (this.#trouble) this.#clock.clearTimeout(this.#trouble.timer)
    this.#trouble = null
  }

  #forgetCaughtUp(): void {
    if (this.#caughtUp) this.#clock.clearTimeout(this.#caughtUp.timer)
    this.#caughtUp = null
  }
}

/** Every way of not being connected though one should be; the first attempt is given its time. */
function isTrouble({ state, attempt }: Snapshot): boolean {
  return state === 'waiting' || state === 'offline' || (state === 'connecting' && attempt > 0)
}

function troubleOf({ state, error }: Snapshot): Indication {
  if (state === 'offline') return { kind: 'offline' }
  return { kind: error?.code === 'superseded' ? 'elsewhere' : 'reconnecting' }
}
