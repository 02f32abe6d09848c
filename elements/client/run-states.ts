/**
 * Whether an answer is under way: which runs are open, and which began last.
 *
 * @module
 */
import type { LoomiEvent } from '../../server/protocol.ts'

/** A word about dropped events may stand for what the user said. */
const OPENS_NOTHING = new Set(['user_message', 'loomi_dropped'])

/** The runs of a sequence of events. */
export class RunStates {
  #newest: string | null = null
  readonly #runs: Map<string, 'open' | 'ended'>

  constructor(runs: ReadonlyMap<string, 'open' | 'ended'> = new Map()) {
    this.#runs = new Map(runs)
  }

  /** Whether the newest run that did more than carry the user's words has no end yet. */
  get running(): boolean {
    return this.#newest !== null && this.#runs.get(this.#newest) === 'open'
  }

  /** Takes the next event; whether it changed anything. */
  follow({ event_type, content_type, run_id }: LoomiEvent): boolean {
    const before = this.#runs.get(run_id)
    if (event_type === 'run_end') this.#runs.set(run_id, 'ended')
    // Also one that had ended: its producer has taken it up again.
    else if (!OPENS_NOTHING.has(event_type) && content_type !== 'user' && before !== 'open') {
      this.#runs.set(run_id, 'open')
      this.#newest = run_id
    }
    return this.#runs.get(run_id) !== before
  }

  /** What would be after these events. */
  after(events: Iterable<{ readonly event: LoomiEvent }>): RunStates {
    const states = new RunStates(this.#runs)
    states.#newest = this.#newest
    for (const { event } of events) states.follow(event)
    return states
  }
}
