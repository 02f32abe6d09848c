/**
 * What a following tab hears from the leader, kept in order until the view can take it.
 *
 * @module
 */
import { parseFrame, type RawFrame, type Received } from './frames.ts'
import type { Verdict, View } from './view.ts'

/** So many frames are kept while the view catches up; what is older is in the catch-up, or fetched again. */
const MAX_KEPT = 1000

/** The leader's frames on their way into one view. */
export class Inbox {
  #frames: Received[] = []

  /** Adds frames of the leader. Those that open and close a quiet attempt say nothing about this view. */
  add(frames: readonly RawFrame[], quiet: boolean): void {
    const received = frames.map(parseFrame)
    this.#frames.push(...(quiet ? received.filter(({ frame }) => !OPENING.has(frame.type)) : received))
    if (this.#frames.length > MAX_KEPT) this.#frames.splice(0, this.#frames.length - MAX_KEPT)
  }

  clear(): void {
    this.#frames = []
  }

  /**
   * Hands the view what fits. `hole`: something must be fetched first; what comes after the hole is kept, except
   * what no fetch can make fit.
   */
  drain(view: View): Verdict {
    const frames = this.#frames
    for (const [index, received] of frames.entries()) {
      // The app may have let go of us from within a callback.
      if (this.#frames !== frames) return 'go'
      const verdict = take(view, received)
      if (verdict === 'go') continue
      const fits = verdict === 'hole' && received.frame.type !== 'reset' && received.at?.epoch === view.epoch
      frames.splice(0, fits ? index : index + 1)
      return verdict
    }
    frames.length = 0
    return 'go'
  }
}

const OPENING = new Set<string>(['no_replay', 'replay_start', 'replay_complete'])

function take(view: View, received: Received): Verdict {
  switch (received.frame.type) {
    case 'no_replay':
    case 'replay_start':
      // The leader was away; so was this view, if it stands where the leader stood.
      if (received.cursor !== view.position) return 'go'
      view.begin(false)
      return view.take(received)
    case 'reset':
      // Whether the log began again for this view too, the server says.
      return 'hole'
    case 'superseded':
      return 'go'
    default:
      return view.take(received)
  }
}
