/**
 * Events, items, snapshots and a clock for tests, with only what a test is about spelt out.
 *
 * @module
 */
import type { LoomiEvent } from '../../server/protocol.ts'
import type { Clock, Item, Snapshot } from '../../elements/client/types.ts'

export function anEvent(given: Partial<LoomiEvent> = {}): LoomiEvent {
  return {
    event_type: 'llm_chunk',
    content_type: 'message',
    agent_source: 'concierge',
    event_data: { text: 'Hello' },
    run_id: 'r1',
    created_at: '2026-11-23T08:00:00Z',
    key: 'r1/1',
    ...given,
  }
}

export function anItem(given: Partial<Item> = {}): Item {
  const phase = given.phase ?? 'live'
  return {
    id: 'r1/1',
    event: anEvent(),
    text: 'Hello',
    phase,
    isReplay: phase === 'replay',
    done: true,
    unseen: false,
    seq: 1,
    ...given,
  }
}

export function aSnapshot(given: Partial<Snapshot> = {}): Snapshot {
  return {
    state: 'live',
    items: [],
    running: false,
    missed: 0,
    caughtUp: 0,
    attempt: 0,
    retryAt: null,
    position: null,
    polling: false,
    gaps: [],
    unsaved: [],
    error: null,
    ...given,
  }
}

/** A clock that only moves when told. */
export class FakeClock implements Clock {
  #now = 0
  #timers = new Set<{ readonly at: number; readonly fn: () => void }>()

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.size
  }

  now(): number {
    return this.#now
  }

  setTimeout(fn: () => void, ms: number): unknown {
    const timer = { at: this.#now + ms, fn }
    this.#timers.add(timer)
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as { readonly at: number; readonly fn: () => void })
  }

  /** Lets `ms` milliseconds pass; what falls due is called in order. */
  advance(ms: number): void {
    const until = this.#now + ms
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
      if (!due) break
      this.#timers.delete(due)
      this.#now = due.at
      due.fn()
    }
    this.#now = until
  }
}
