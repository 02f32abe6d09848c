/**
 * What a following tab hears from the leader, kept in order until the view can take it.
 *
 * @module
 */
import { type Cursor, type CursorParts, parseCursor, PRUNED_TAG } from '../../server/protocol.ts'
import { parseFrame, type RawFrame, type Received } from './frames.ts'
import type { Verdict, View } from './view.ts'

/** So many frames with a place in the log are kept while the view catches up; what is older is in the catch-up, or fetched again. */
const MAX_KEPT = 1000

interface Heard extends Received {
  /** Where the leader's stream was before it; undefined from a leader that does not tell. */
  readonly after: Cursor | null | undefined
  /** It opens or ends an attempt of the leader that says nothing about this view's replay. */
  readonly aside: boolean
  /** A request for what there is has begun since: where that ends is not before this, unless this is of another log. */
  readonly isOld?: boolean
}

/** The leader's frames on their way into one view. */
export class Inbox {
  #frames: Heard[] = []
  /** The leader told of unstored events that it may know to be stored by now. */
  #isOwed = false
  readonly #askAnew: () => void

  /** `askAnew`: the leader is to tell once more what is not stored. */
  constructor(askAnew = (): void => undefined) {
    this.#askAnew = askAnew
  }

  /** How many frames are kept. */
  get size(): number {
    return this.#frames.length
  }

  /** Adds frames of the leader. Those that open and close a quiet attempt say nothing about this view's replay. */
  add(frames: readonly RawFrame[], quiet: boolean): void {
    const heard = frames.map((raw) => {
      const received = parseFrame(raw)
      return { ...received, after: raw.after, aside: quiet && OPENING.has(received.frame.type) }
    })
    // A leader that tells all that is not stored tells also what came of that one by one.
    // So does the server at the beginning of a stream.
    if (heard.some(quiet ? isProvisional : isOpening)) this.dropUnstored()
    this.#frames.push(...heard)
    const excess = this.#frames.filter(isFetchable).length - MAX_KEPT
    if (excess <= 0) return
    let dropped = 0
    this.#frames = this.#frames.filter((heard) => !isFetchable(heard) || ++dropped > excess)
  }

  /** Forgets what was heard of events that are not stored. */
  dropUnstored(): void {
    this.#frames = this.#frames.filter((one) => !isProvisional(one))
  }

  /** A request for what there is begins: it brings what lies here, unless that is of a log that is gone by now. */
  beginCatchUp(): void {
    // What opens tells of another process, and so withdraws what that one never stored.
    this.#frames = this.#frames.flatMap((heard) => {
      if (OPENING.has(heard.frame.type)) return [{ ...heard, aside: true, isOld: true }]
      return isFetchable(heard) ? [] : [heard]
    })
  }

  clear(): void {
    this.#frames = []
    this.#isOwed = false
  }

  /**
   * Hands the view what fits. `hole`: something must be fetched first; what comes after the hole is kept, except
   * what no fetch can make fit. `isSettled`: a request for what there is has just ended, and what lay here meanwhile is gone.
   */
  drain(view: View, isSettled = false): Verdict {
    const verdict = this.#handOver(view)
    if (isSettled) this.#collect()
    return verdict
  }

  #collect(): void {
    if (!this.#isOwed) return
    this.#isOwed = false
    this.#askAnew()
  }

  #handOver(view: View): Verdict {
    const frames = this.#frames
    for (const [index, received] of frames.entries()) {
      // The app may have let go of us from within a callback.
      if (this.#frames !== frames) return 'go'
      if (isProvisional(received) && isFromBefore(received, view)) {
        this.#isOwed = true
        continue
      }
      if (received.at && reaches(received.at, view)) this.#collect()
      const verdict = take(view, received)
      if (verdict === 'go') continue
      frames.splice(0, verdict === 'hole' && mayFit(received, view) ? index : index + 1)
      return verdict
    }
    frames.length = 0
    return 'go'
  }
}

const OPENING = new Set<string>(['no_replay', 'replay_start', 'replay_complete'])

/** Whether the server has it. What is not stored comes once: it is as much as the server's bound lets it be. */
function isFetchable({ cursor }: Received): boolean {
  return cursor !== null
}

function isOpening({ frame }: Received): boolean {
  return frame.type === 'no_replay' || frame.type === 'replay_start'
}

function isProvisional({ frame, cursor }: Received): boolean {
  return cursor === null && frame.type === 'event'
}

/**
 * Whether it came when the leader was in another log, or had not got to where this view can tell what is stored: a row there
 * may be that event.
 */
function isFromBefore({ after }: Heard, view: View): boolean {
  if (after === undefined) return false
  const at = after === null ? null : parseCursor(after)
  if (at && view.epoch !== null && at.epoch !== view.epoch) return true
  if (view.unreadTo === 0) return false
  return at === null || !reaches(at, view)
}

function reaches({ epoch, seq }: CursorParts, view: View): boolean {
  return epoch === view.epoch && seq >= view.unreadTo
}

/** Whether a frame with a hole before it is of the view's log, as far as can be told, and has not been taken in. */
function mayFit({ frame, at, after, isOld }: Heard, view: View): boolean {
  if (isOld || frame.type === 'reset' || at === null || at.epoch !== view.epoch || at.seq <= view.seq)
    return false
  return after == null || (parseCursor(after)?.seq ?? 0) > view.seq
}

/** Whether a row is of another log than the view, though of the same epoch: of one that was set back, or not yet. */
function isForeign({ cursor, at, after }: Heard, { position, seq }: View): boolean {
  if (cursor === null || at === null) return false
  // Where this view begins only the server can say: it may have asked for a place in a log that is gone.
  if (position === null) return true
  if (seq === 0) return false
  if (at.seq === seq) return cursor !== position && isTagged(cursor) && isTagged(position)
  return at.seq > seq && after !== undefined && after !== position
}

function isTagged(cursor: Cursor): boolean {
  return parseCursor(cursor)?.tag !== PRUNED_TAG
}

/** Whether what the leader's stream opens with ends before this view's place: the log may have been set back. */
function endsBefore({ frame, at }: Heard, view: View): boolean {
  if (at === null || at.epoch !== view.epoch) return false
  if (frame.type === 'replay_start') return frame.to < view.seq
  return frame.type === 'no_replay' && at.seq + frame.count < view.seq
}

function take(view: View, received: Heard): Verdict {
  if (received.aside) return view.overhear(received)
  switch (received.frame.type) {
    case 'no_replay':
    case 'replay_start':
      // The leader was away; so was this view, if it stands where the leader stood.
      if (received.cursor !== view.position) {
        const verdict = view.overhear(received)
        return verdict === 'go' && endsBefore(received, view) ? 'hole' : verdict
      }
      view.begin(false)
      return view.take(received)
    case 'reset':
      // Whether the log began again for this view too, the server says.
      return 'hole'
    case 'superseded':
      return 'go'
    default:
      return isForeign(received, view) ? 'hole' : view.take(received)
  }
}
