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
import { batchesOf, dropOf, type Group, joinGroup, type Outgoing, Pending } from './pending.ts'
import { comesAfter, type RunPlace, type SessionRef, type Store } from './store.ts'

const COALESCE_MS = 40
const RETRY_MIN_MS = 50
const RETRY_MAX_MS = 2000

/** What writers work with. */
export interface WriterDeps {
  readonly log: Log
  readonly store: Store
  readonly clock: Clock
  /** What all writers of the process together may keep waiting. */
  readonly budget: { used: number; readonly max: number }
  /** Until when an append leases its runs. */
  readonly leaseUntil: () => number
  /** The store refused a run's events because it was stopped. */
  readonly runStopped: (sessionId: string, runId: string) => void
  readonly onError: (error: unknown) => void
}

/** Appends to one session; see the module. */
export class SessionWriter {
  readonly #ref: SessionRef
  readonly #deps: WriterDeps
  readonly #pending: Pending
  /** Runs that other processes may have fed before: what they stored is cut off. */
  readonly #highs = new Map<string, RunPlace | null>()
  /** The newest place pushed of each such run: a second handle here that feeds it too adds nothing. */
  readonly #taken = new Map<string, RunPlace>()
  /** Runs that the store takes nothing of any more. */
  readonly #stopped = new Set<string>()
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
    this.#pending = new Pending(deps.budget)
  }

  /** Why the store refuses this session for good, null as long as it doesn't. */
  get refused(): LoomiError | null {
    return this.#refused
  }

  /** Nothing is waiting or under way. */
  get idle(): boolean {
    return this.#pending.isEmpty && this.#writing === null
  }

  /** Says that a run may have been fed before, here or elsewhere: chunks that are stored already add nothing. */
  resumeRun(runId: string): void {
    if (this.#highs.has(runId)) return
    this.#highs.set(runId, null)
  }

  /** Takes the events of one input chunk. They are never parted. */
  push(events: readonly Outgoing[]): void {
    const { run_id } = events[0]!
    const last = events.at(-1)!
    if (this.#highs.has(run_id)) {
      const taken = this.#taken.get(run_id)
      if (taken && !comesAfter(last, taken)) return
      this.#taken.set(run_id, { n: last.n, i: last.i })
    }
    if (this.#closing) return this.#refuse('session_closed')
    this.#closing = events.some((event) => event.event_type === 'session_complete')
    const quiet = this.#pending.isEmpty && this.#deps.clock.now() - this.#lastFlushAt >= COALESCE_MS
    if (!this.#pending.take(events)) this.#deps.onError(pendingFull(this.#ref))
    const structural = events.some((event) => event.text === null)
    if (structural || quiet || this.#pending.isLarge) this.#flushNow()
    else if (!this.#pending.isEmpty)
      this.#timer ??= this.#deps.clock.setTimeout(() => this.#flushNow(), COALESCE_MS)
  }

  /** Resolves when all that was pushed so far is stored, or refused for good. */
  async flush(): Promise<void> {
    this.#flushNow()
    while (this.#writing) await this.#writing
  }

  #flushNow(): void {
    this.#deps.clock.clearTimeout(this.#timer)
    this.#timer = null
    if (this.#pending.isEmpty) return
    this.#due = true
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null
      if (this.#due) this.#flushNow()
    })
  }

  async #write(): Promise<void> {
    while (this.#due) {
      this.#due = false
      const groups = this.#pending.takeAll()
      for (const batch of batchesOf(groups)) {
        await this.#append(batch)
        this.#pending.release(batch)
      }
      this.#lastFlushAt = this.#deps.clock.now()
    }
  }

  /** Appends until the store has taken the events or refused them for good. */
  async #append(groups: readonly Group[]): Promise<void> {
    const { clock, onError } = this.#deps
    for (let waitMs = RETRY_MIN_MS; ; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
      try {
        while (!(await this.#tryAppend(groups)));
        return
      } catch (error) {
        onError(error)
        const code = error instanceof LoomiError ? error.code : null
        if (code === 'closed') return
        if (code === 'store_refused') return this.#appendWithout(groups)
        await sleep(clock, waitMs)
      }
    }
  }

  /** One try; false when something was learned that another try must heed. */
  async #tryAppend(groups: readonly Group[]): Promise<boolean> {
    const { log, store, leaseUntil, runStopped } = this.#deps
    for (const [runId, high] of this.#highs) {
      if (high === null) this.#highs.set(runId, await store.runHigh(this.#ref, runId))
    }
    const events = groups
      .filter((group) => !this.#stopped.has(group.events[0]!.run_id))
      .map((group) => joinGroup(group, this.#highs.get(group.events[0]!.run_id) ?? null))
      .filter((event) => event !== null)
    if (events.length === 0) return true
    const result = await log.append(this.#ref, events, leaseUntil())
    if (result.ok) {
      for (const { run_id, n, i } of events) if (this.#highs.has(run_id)) this.#highs.set(run_id, { n, i })
      return true
    }
    if (result.code === 'overlap') {
      // Another process feeds the same run and was faster with some of these chunks.
      this.#highs.set(result.runId, result.high)
      return false
    }
    if (result.code === 'run_stopped') {
      this.#stopped.add(result.runId)
      runStopped(this.#ref.sessionId, result.runId)
      return false
    }
    this.#refuse(result.code)
    return true
  }

  /** Appends what the store does not refuse; a word about the rest takes its place. */
  async #appendWithout(groups: readonly Group[]): Promise<void> {
    const parts = batchesOf(groups, Math.ceil(groups.length / 2))
    if (parts.length > 1) for (const part of parts) await this.#append(part)
    else if (!groups[0]!.dropped) await this.#append([dropOf(groups, 'refused')])
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

function pendingFull({ sessionId }: SessionRef): LoomiError {
  return new LoomiError(
    'pending_full',
    `The store is behind and maxPendingBytes are waiting: events of session ${sessionId} are dropped from here on, which the log will say.`,
  )
}
