/**
 * How far a view is with what was there before its stream went live: what of it was seen, missed and caught up with.
 *
 * @module
 */
import type { NoReplayFrame, ReplayStartFrame } from '../../server/protocol.ts'
import type { Notice, Phase } from './types.ts'

/** One view's catch-ups, one after the other. */
export class CatchUp {
  /** Events of the current replay or else the last one. */
  missed = 0
  /** How many of them are shown. */
  caughtUp = 0
  /** `closed` until a stream has said where it begins; then `replaying` until what was there before is shown. */
  stage: 'closed' | 'replaying' | 'live' = 'closed'
  /** Whether it has been live since the log began, or since the view did. */
  hasBeenLive = false
  /** Rows up to `seen` are restored, then up to `to` missed. Null when all that comes is live. */
  #bounds: { readonly seen: number; readonly to: number } | null = null
  /** A replay was announced and its end was not. */
  #isAnnounced = false
  readonly #notice: (notice: Notice) => void

  constructor(notice: (notice: Notice) => void) {
    this.#notice = notice
  }

  /** Nothing is known of what comes. */
  close(): void {
    this.stage = 'closed'
    this.#bounds = null
  }

  /** Another log begins. */
  restart(): void {
    this.close()
    this.hasBeenLive = false
    this.missed = this.caughtUp = 0
  }

  /** A stream says what it brings first; `opened` is called before that is told. One without anything is live at once. */
  open(frame: NoReplayFrame | ReplayStartFrame, opened: () => void): void {
    if (frame.type === 'no_replay' && frame.count === 0) return this.goLive()
    const replay = frame.type === 'replay_start' ? frame : { missed: 0, seen: Infinity, to: Infinity }
    this.#bounds = replay
    this.stage = 'replaying'
    if (!this.#isAnnounced) this.caughtUp = 0
    this.missed = this.caughtUp + replay.missed
    opened()
    if (replay.missed === 0 || this.#isAnnounced) return
    this.#isAnnounced = true
    this.#notice({ type: 'replay', phase: 'start', missed: this.missed })
  }

  /** All that was there before is shown. */
  goLive(): void {
    this.#bounds = null
    this.stage = 'live'
    this.hasBeenLive = true
    if (!this.#isAnnounced) return
    this.#isAnnounced = false
    this.caughtUp = this.missed
    this.#notice({ type: 'replay', phase: 'end', missed: this.missed })
  }

  /** Whether what comes after `seq` was seen before. */
  isRestoring(seq: number): boolean {
    return this.stage === 'replaying' && seq < (this.#bounds?.seen ?? 0)
  }

  /** So many rows up to `seq` are shown: as what. */
  take(seq: number, rows: number): Phase {
    if (this.#bounds === null || seq > this.#bounds.to) return 'live'
    if (seq <= this.#bounds.seen) return 'restored'
    this.caughtUp = Math.min(this.missed, this.caughtUp + rows)
    return 'replay'
  }
}
