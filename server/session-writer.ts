/**
 * The session writer: gathers what is emitted to one session and appends it in order.
 *
 * Deltas of one part coalesce for 40 ms, 64 deltas or 16 KB; the first one after quiet and every structural event
 * leave at once. One append is under way at a time; what comes meanwhile goes with the next. While the store
 * fails, everything stays here, in order, and is tried again.
 *
 * @module
 */
import { type Clock, sleep } from './clock.ts'
import { LoomiError } from './errors.ts'
import type { Log } from './log.ts'
import type { NewEvent, SessionRef, Store } from './store.ts'

const COALESCE_MS = 40
const COALESCE_DELTAS = 64
const COALESCE_CHARS = 16 * 1024
const RETRY_MIN_MS = 50
const RETRY_MAX_MS = 2000

/** An event on its way, with the chunk that it came from. `text` is set on a delta, which may join its neighbours. */
export interface Outgoing extends Omit<NewEvent, 'event_data' | 'first_n'> {
  readonly event_data: string
  readonly text: string | null
}

/** Outgoing events that become one row: a single one, or several deltas of one part. */
type Group = Outgoing[]

/** What writers work with. */
export interface WriterDeps {
  readonly log: Log
  readonly store: Store
  readonly clock: Clock
  readonly onError: (error: unknown) => void
}

/** Appends to one session; see the module. */
export class SessionWriter {
  readonly #ref: SessionRef
  readonly #deps: WriterDeps
  /** Runs that other processes may have fed before: what they stored is cut off. */
  readonly #highs = new Map<string, number | null>()
  /** The highest chunk pushed of each such run: a second handle here that feeds it too adds nothing. */
  readonly #taken = new Map<string, number>()
  #groups: Group[] = []
  #deltas = 0
  #chars = 0
  #lastFlushAt = -Infinity
  #timer: unknown = null
  /** What is gathered should leave now, not with the timer. */
  #due = false
  #writing: Promise<void> | null = null
  #refused: LoomiError | null = null
  /** The event that closes the session was pushed: nothing may follow it, not even in the same batch. */
  #closing = false

  constructor(ref: SessionRef, deps: WriterDeps) {
    this.#ref = ref
    this.#deps = deps
  }

  /** Why the store refuses this session for good, null as long as it doesn't. */
  get refused(): LoomiError | null {
    return this.#refused
  }

  /** Nothing is waiting or under way. */
  get idle(): boolean {
    return this.#groups.length === 0 && this.#writing === null
  }

  /** Says that a run may have been fed before, here or elsewhere: chunks that are stored already add nothing. */
  resumeRun(runId: string): void {
    if (this.#taken.has(runId)) return
    this.#taken.set(runId, 0)
    this.#highs.set(runId, null)
  }

  /** Takes the events of one input chunk. They are never parted. */
  push(events: readonly Outgoing[]): void {
    const { run_id, n } = events[0]!
    if (n <= (this.#taken.get(run_id) ?? 0)) return
    if (this.#taken.has(run_id)) this.#taken.set(run_id, n)
    if (this.#closing) return this.#refuse('session_closed')
    this.#closing = events.some((event) => event.event_type === 'session_complete')
    const quiet = this.#groups.length === 0 && this.#deps.clock.now() - this.#lastFlushAt >= COALESCE_MS
    for (const event of events) this.#add(event)
    const structural = events.some((event) => event.text === null)
    if (structural || quiet || this.#deltas >= COALESCE_DELTAS || this.#chars >= COALESCE_CHARS)
      this.#flushNow()
    else if (this.#groups.length > 0)
      this.#timer ??= this.#deps.clock.setTimeout(() => this.#flushNow(), COALESCE_MS)
  }

  /** Resolves when all that was pushed so far is stored, or refused for good. */
  async flush(): Promise<void> {
    this.#flushNow()
    while (this.#writing) await this.#writing
  }

  #add(event: Outgoing): void {
    const group = this.#groups.at(-1)
    const last = group?.at(-1)
    const fits =
      group && group.length < COALESCE_DELTAS && sizeOf(group) + event.event_data.length <= COALESCE_CHARS
    if (last && fits && joins(last, event)) group.push(event)
    else this.#groups.push([event])
    this.#deltas++
    this.#chars += event.event_data.length
  }

  #flushNow(): void {
    this.#deps.clock.clearTimeout(this.#timer)
    this.#timer = null
    if (this.#groups.length === 0) return
    this.#due = true
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null
      if (this.#due) this.#flushNow()
    })
  }

  async #write(): Promise<void> {
    while (this.#due) {
      const groups = this.#groups
      this.#groups = []
      this.#due = false
      this.#deltas = 0
      this.#chars = 0
      await this.#append(groups)
      this.#lastFlushAt = this.#deps.clock.now()
    }
  }

  /** Appends until the store has taken the events or refused them for good. */
  async #append(groups: readonly Group[]): Promise<void> {
    const { log, store, clock, onError } = this.#deps
    for (let waitMs = RETRY_MIN_MS; ; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
      try {
        for (const [runId, high] of this.#highs) {
          if (high === null) this.#highs.set(runId, await store.runHigh(this.#ref, runId))
        }
        const events = groups.map((group) => this.#join(group)).filter((event) => event !== null)
        if (events.length === 0) return
        const result = await log.append(this.#ref, events)
        if (result.ok) {
          for (const { run_id, n } of events) if (this.#highs.has(run_id)) this.#highs.set(run_id, n)
          return
        }
        if (result.code !== 'overlap') return this.#refuse(result.code)
        // Another process feeds the same run and was faster with some of these chunks.
        this.#highs.set(result.runId, result.high)
      } catch (error) {
        onError(error)
        if (error instanceof LoomiError && error.code === 'closed') return
        await sleep(clock, waitMs)
      }
    }
  }

  /** One row of a group, without the chunks that are stored already; null when that leaves nothing. */
  #join(group: Group): NewEvent | null {
    const high = this.#highs.get(group[0]!.run_id) ?? 0
    const fresh = group.filter(({ n }) => n > high)
    const first = fresh[0]
    const last = fresh.at(-1)
    if (!first || !last) return null
    const { text: _, ...event } = first
    const event_data =
      fresh.length === 1 ? first.event_data : JSON.stringify(fresh.map(({ text }) => text).join(''))
    return { ...event, event_data, n: last.n, i: last.i, first_n: first.n, part_done: last.part_done }
  }

  #refuse(code: 'not_owner' | 'session_closed'): void {
    // Said once: an agent may go on for minutes.
    if (this.#refused?.code === code) return
    const message =
      code === 'not_owner'
        ? `Session ${this.#ref.sessionId} belongs to another user. Use a session id of this user’s own.`
        : `Session ${this.#ref.sessionId} was closed. Go on in a new session.`
    this.#refused = new LoomiError(code, message)
    this.#deps.onError(this.#refused)
  }
}

function sizeOf(group: Group): number {
  return group.reduce((chars, event) => chars + event.event_data.length, 0)
}

function joins(left: Outgoing, right: Outgoing): boolean {
  return (
    left.text !== null &&
    right.text !== null &&
    left.part_id === right.part_id &&
    left.part_id !== null &&
    !left.part_done &&
    left.run_id === right.run_id &&
    left.event_type === right.event_type &&
    left.content_type === right.content_type &&
    left.agent_source === right.agent_source
  )
}
