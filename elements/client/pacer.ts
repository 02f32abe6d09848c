/**
 * Gives the missed part of a stream a rhythm that an eye can follow, within a bounded time.
 *
 * @module
 */
import type { ReplayStartFrame } from '../../server/protocol.ts'
import type { Received } from './frames.ts'

/** Below one frame of a screen nobody sees a pause, and timers cost more than they give. */
const MIN_PAUSE_MS = 16

/** So many frames are passed on at a time: the taker's work on them is short, whatever the network brings at once. */
const MAX_FRAMES = 50

/** Milliseconds of the taker's work after which the page gets a turn; as much again and more goes into parsing. */
const MAX_WORK_MS = 3

/** The rhythm, and the time by which it goes. */
export interface Pacing {
  /** Milliseconds between two visible groups. */
  readonly replayMs: number
  /** Milliseconds for the whole missed part. */
  readonly budgetMs: number
  readonly now: () => number
  /** Resolves after `ms` milliseconds, or before when the hurry begins. */
  readonly sleep: (ms: number) => Promise<void>
  /** Asked when a replay starts: true shows it at once. */
  readonly instant: () => boolean
  /** Asked before each pause: true leaves it out. */
  readonly hurry: () => boolean
}

/**
 * Passes batches on, the missed rows of a replay one visible group at a time; all else at once. A group is one
 * event or the neighbouring deltas of one part: what changes one item. Takes the next batch only when
 * the last one has been passed on.
 */
export async function* pace(
  batches: AsyncIterable<readonly Received[]>,
  pacing: Pacing,
): AsyncGenerator<readonly Received[]> {
  let schedule: Schedule | null = null
  let workMs = 0
  for await (const batch of batches) {
    let ready: Received[] = []
    for (const received of batch) {
      const { frame } = received
      if (frame.type === 'replay_start' && !pacing.instant()) schedule = new Schedule(frame, pacing)
      else if (ENDS.has(frame.type)) schedule = null
      const pauseMs = schedule?.pauseBefore(received) ?? 0
      if (pauseMs >= MIN_PAUSE_MS && !pacing.hurry()) {
        if (ready.length > 0) yield ready
        ready = []
        // What was shown takes time itself: ask the clock again.
        const restMs = schedule!.rest()
        if (restMs > 0 && !pacing.hurry()) await pacing.sleep(restMs)
      }
      ready.push(received)
      if (ready.length < MAX_FRAMES) continue
      const before = pacing.now()
      yield ready
      ready = []
      workMs += pacing.now() - before
      if (workMs < MAX_WORK_MS) continue
      await breathe()
      workMs = 0
    }
    if (ready.length > 0) yield ready
  }
}

/**
 * Resolves in a task of its own, after whatever waits already. Timers would do as well, but they are slowed down to one in
 * 4 ms, and in hidden tabs to one a second.
 */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(null)
  })
}

const ENDS = new Set<string>(['replay_start', 'no_replay', 'replay_complete', 'reset'])

/** When each group of one replay is due: each takes its share of the budget, at most `replayMs`. */
class Schedule {
  readonly #replay: ReplayStartFrame
  readonly #pacing: Pacing
  #due: number | null = null
  #step = 0
  #part: string | undefined

  constructor(replay: ReplayStartFrame, pacing: Pacing) {
    this.#replay = replay
    this.#pacing = pacing
  }

  pauseBefore({ frame, at }: Received): number {
    const { missed, seen, to } = this.#replay
    if (frame.type !== 'event' || at === null || at.seq <= seen || at.seq > to) return 0
    const sameItem = frame.part_id !== undefined && frame.part_id === this.#part
    this.#part = frame.part_id
    const rows = at.seq - (frame.from ?? at.seq) + 1
    if (this.#due === null) this.#due = this.#pacing.now()
    else if (!sameItem) {
      this.#step = Math.min(this.#pacing.replayMs, (this.#pacing.budgetMs * rows) / missed)
      this.#due += this.#step
    }
    return this.rest()
  }

  rest(): number {
    const now = this.#pacing.now()
    // Further ahead than a step and what is too short to wait for: the device's clock was set back.
    if ((this.#due ?? 0) - now > this.#step + MIN_PAUSE_MS) this.#due = now + this.#step
    return (this.#due ?? 0) - now
  }
}
