/**
 * The session writer: gathers what is emitted to one session and appends it in order.
 *
 * Deltas of one part coalesce for 40 ms, 64 deltas or 16 KB; the first one after quiet and every structural event
 * leave at once. One append is under way at a time; what comes meanwhile goes with the next. While the store
 * fails, everything stays here, in order, and is tried again; when it has kept us waiting for `storeTimeoutMs`, viewers get
 * what waits as provisional until all of it is stored.
 *
 * @module
 */
import { type Clock, sleep } from './clock.ts'
import { LoomiError } from './errors.ts'
import type { Log } from './log.ts'
import { batchesOf, dropOf, type Group, halvesOf, joinGroup, type Outgoing, Pending } from './pending.ts'
import { pendingFull, type Refusal, refusal } from './refusals.ts'
import { SharedRuns } from './shared-runs.ts'
import type { RunPlace, SessionRef, Store } from './store.ts'
import type { UnconfirmedEvent } from './unconfirmed.ts'

const COALESCE_MS = 40
const RETRY_MIN_MS = 50
const RETRY_MAX_MS = 2000

/** What writers work with. */
export interface WriterDeps {
  readonly log: Log
  readonly store: Store
  readonly clock: Clock
  /** Milliseconds that viewers wait for the store before they get events as provisional. */
  readonly storeTimeoutMs: number
  /** What all writers of the process together may keep waiting. */
  readonly budget: { used: number; readonly max: number }
  /** For how many milliseconds an append leases its runs. */
  readonly leaseMs: number
  /** Nothing is taken any more. */
  readonly isClosed: () => boolean
  /** The store refused a run's events because it was stopped. */
  readonly runStopped: (sessionId: string, runId: string) => void
  readonly onError: (error: unknown) => void
}

/** Appends to one session; see the module. */
export class SessionWriter {
  #ref: SessionRef
  /** Whose the session was when the store took the last append. */
  #owner: string
  readonly #deps: WriterDeps
  readonly #pending: Pending
  /** What is to be appended, in order, and under its final keys. */
  readonly #backlog: Group[] = []
  #isProvisional = false
  /** The newest discard of what viewers had when they last got something. */
  #discards = 0
  readonly #shared = new SharedRuns()
  /** Runs that the store takes nothing of any more. */
  readonly #stopped = new Set<string>()
  #lastFlushAt = -Infinity
  #timer: unknown = null
  /** What is gathered should leave now, not with the timer. */
  #due = false
  #isWriting = false
  #refused: LoomiError | null = null
  /** The last push of which everything is stored or refused. */
  #settled = 0
  #waiting: { readonly serial: number; readonly resolve: () => void }[] = []
  /** That events are dropped was told. */
  #saidFull = false
  /** The event that closes the session was pushed: nothing may follow it, not even in the same batch. */
  #closing = false

  constructor(ref: SessionRef, deps: WriterDeps) {
    this.#ref = ref
    this.#owner = ref.userId
    this.#deps = deps
    this.#pending = new Pending(deps.budget)
  }

  /** The session, as the user has it whose it is now. */
  get ref(): SessionRef {
    return this.#ref
  }

  /** Why the store refuses what is emitted, null as long as it doesn't. */
  get refused(): LoomiError | null {
    return this.#refused
  }

  /** Nothing is waiting or under way. */
  get idle(): boolean {
    return this.#pending.isEmpty && !this.#isWriting
  }

  /** The runs that an opening is to ask about, because other processes may feed them, too. */
  takeShared(): string[] {
    return this.#shared.askable((runId) => this.#stopped.has(runId))
  }

  /** A run was found to be stored up to a place: nothing of it is shown up to there. */
  learn(runId: string, place: RunPlace): void {
    this.#shared.learn(runId, place, this.#deps.log.unconfirmed.discards(this.#ref))
  }

  /** Says that a run may have been fed before, here or elsewhere: chunks that are stored already add nothing. */
  resumeRun(runId: string): void {
    this.#shared.resume(runId)
  }

  /** Takes the events of one input chunk. They are never parted. */
  push(pushed: readonly Outgoing[]): void {
    const last = pushed.at(-1)!
    const events = this.#shared.take(pushed)
    if (events.length === 0) return
    if (this.#deps.isClosed()) return this.#refuse('closed')
    if (this.#closing)
      return last.event_type === 'session_complete' ? undefined : this.#refuse('session_closed')
    this.#closing = events.some((event) => event.event_type === 'session_complete')
    const quiet = this.#pending.isEmpty && this.#deps.clock.now() - this.#lastFlushAt >= COALESCE_MS
    if (!this.#pending.take(events) && !this.#saidFull) {
      this.#saidFull = true
      this.#deps.onError(pendingFull(this.#ref))
    }
    const structural = events.some((event) => event.text === null)
    if (structural || quiet || this.#pending.isLarge) this.#flushNow()
    else if (!this.#pending.isEmpty)
      this.#timer ??= this.#deps.clock.setTimeout(() => this.#flushNow(), COALESCE_MS)
  }

  /** The session was given to another user: from now on it is that one's viewers who get what the store does not have yet. */
  give(userId: string): void {
    const { unconfirmed } = this.#deps.log
    if (this.#backlog.some(({ isPublished }) => isPublished)) unconfirmed.discard(this.#ref)
    this.#ref = { ...this.#ref, userId }
    this.#owner = userId
    for (const group of this.#backlog) group.isPublished = false
    if (this.#isProvisional) this.#publish()
  }

  /** Resolves when all that was pushed so far is stored, or refused for good. */
  flush(): Promise<void> {
    this.#flushNow()
    const { serial } = this.#pending
    // Not until all is quiet: somebody may stream faster than the store takes it.
    if (this.#settled >= serial || !this.#isWriting) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ serial, resolve }))
  }

  #flushNow(): void {
    this.#deps.clock.clearTimeout(this.#timer)
    this.#timer = null
    if (this.#pending.isEmpty) return
    if (this.#isProvisional) return this.#publish()
    this.#due = true
    if (this.#isWriting) return
    this.#isWriting = true
    void this.#write().finally(() => {
      this.#isWriting = false
      if (this.#due) this.#flushNow()
    })
  }

  async #write(): Promise<void> {
    while (this.#due) {
      this.#due = false
      this.#backlog.push(...this.#pending.takeAll())
      while (this.#backlog.length > 0) await this.#appendNext()
      this.#isProvisional = false
      this.#saidFull = false
      this.#lastFlushAt = this.#deps.clock.now()
    }
  }

  async #appendNext(): Promise<void> {
    const { clock, log, storeTimeoutMs } = this.#deps
    const [batch = []] = batchesOf(this.#backlog)
    this.#pending.seal(batch)
    log.unconfirmed.leave(this.#ref, new Set(batch.map(({ events: [first] }) => first!.run_id)))
    const late = clock.setTimeout(() => this.#publish(), storeTimeoutMs)
    await this.#append(batch)
    log.unconfirmed.leave(this.#ref)
    clock.clearTimeout(late)
    this.#backlog.splice(0, batch.length)
    this.#pending.release(batch)
    for (const { event_type, run_id } of batch.map(({ events }) => events.at(-1)!))
      if (event_type === 'run_end') this.#shared.end(run_id)
    if (batch.some(({ isPublished }) => isPublished)) log.unconfirmed.confirm(this.#ref, new Set(batch))
    if (this.#owner !== this.#ref.userId) this.give(this.#owner)
    // A word about what is dropped counts on after its place was taken: it is the last to be settled.
    const isAll = this.#backlog.length === 0 && this.#pending.isEmpty
    this.#settle(isAll ? this.#pending.serial : Math.max(this.#settled, batch.at(-1)!.serial))
  }

  #settle(serial: number): void {
    this.#settled = serial
    const isReady = (waiting: { readonly serial: number }): boolean => waiting.serial <= serial
    for (const { resolve } of this.#waiting.filter(isReady)) resolve()
    this.#waiting = this.#waiting.filter((waiting) => !isReady(waiting))
  }

  /** Gives viewers all that waits. From now on it keeps the keys that they know it by. */
  #publish(): void {
    this.#isProvisional = true
    this.#backlog.push(...this.#pending.takeAll())
    const { unconfirmed } = this.#deps.log
    const discards = unconfirmed.discards(this.#ref)
    // Viewers keep nothing of what they got before it.
    if (discards !== this.#discards) for (const group of this.#backlog) group.isPublished = false
    this.#discards = discards
    const events: UnconfirmedEvent[] = []
    for (const group of this.#backlog) {
      const runId = group.events[0]!.run_id
      // A word about what is dropped still counts.
      if (group.isPublished || group.dropped || this.#stopped.has(runId)) continue
      const from = this.#shared.shownFrom(runId, discards)
      const event = from === undefined ? null : joinGroup(group, from)
      // That a session is closed is told by its row.
      if (!event || event.event_type === 'session_complete') continue
      group.isPublished = true
      events.push({ of: group, event })
    }
    if (events.length > 0) unconfirmed.publish(this.#ref, events)
  }

  /** Appends until the store has taken the events or refused them for good. */
  async #append(groups: readonly Group[]): Promise<void> {
    const { log, clock, onError } = this.#deps
    for (let waitMs = RETRY_MIN_MS; ; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
      try {
        while (!(await this.#tryAppend(groups)));
        return
      } catch (error) {
        onError(error)
        const code = error instanceof LoomiError ? error.code : null
        if (code === 'closed') return this.#takeBack(groups)
        if (code === 'store_refused') return this.#appendWithout(groups)
        if (this.#isProvisional && log.unconfirmed.discards(this.#ref) !== this.#discards) this.#publish()
        await sleep(clock, waitMs)
      }
    }
  }

  /** One try; false when something was learned that another try must heed. */
  async #tryAppend(groups: readonly Group[]): Promise<boolean> {
    const { log, store, leaseMs, runStopped } = this.#deps
    const runs = new Set(groups.map(({ events: [first] }) => first!.run_id))
    for (const runId of this.#shared.toAsk(runs))
      this.#shared.found(runId, await store.runHigh(this.#ref, runId))
    const events = groups
      .filter((group) => !this.#stopped.has(group.events[0]!.run_id))
      .map((group) => joinGroup(group, this.#shared.highOf(group.events[0]!.run_id)))
      .filter((event) => event !== null)
    if (events.length === 0) return true
    const asked = this.#ref
    const result = await log.append(asked, events, leaseMs)
    if (result.ok) {
      // What was asked before this process gave the session away knows nothing of it.
      if (this.#ref === asked) this.#owner = result.userId
      // It may have been given to its user, or begun anew.
      if (result.head.closedSeq === null && !this.#closing && !this.#deps.isClosed()) this.#refused = null
      for (const { run_id, n, i } of events) this.#shared.stored(run_id, { n, i })
      return true
    }
    if (result.code === 'overlap') {
      // Another process feeds the same run and was faster with some of these chunks.
      this.#shared.found(result.runId, result.high)
      return false
    }
    if (result.code === 'run_stopped') {
      this.#stopped.add(result.runId)
      runStopped(this.#ref.sessionId, result.runId)
      // What viewers have of it will never be stored.
      if (
        this.#backlog.some(
          ({ isPublished, events: [first] }) => isPublished && first!.run_id === result.runId,
        )
      )
        log.unconfirmed.discard(this.#ref)
      return false
    }
    this.#refuse(result.code)
    this.#takeBack(groups)
    return true
  }

  /** Appends what the store does not refuse; a word about the rest takes its place. */
  async #appendWithout(groups: readonly Group[]): Promise<void> {
    const halves = halvesOf(groups)
    if (halves) for (const half of halves) await this.#append(half)
    else if (!groups[0]!.dropped) await this.#append([dropOf(groups, 'refused')])
    else this.#takeBack(groups)
  }

  /** Nothing of these will be stored: viewers who have them are told. */
  #takeBack(groups: readonly Group[]): void {
    if (groups.some(({ isPublished }) => isPublished)) this.#deps.log.unconfirmed.discard(this.#ref)
  }

  #refuse(code: Refusal): void {
    // Said once: an agent may go on for minutes.
    if (this.#refused?.code === code) return
    this.#refused = refusal(code, this.#ref)
    this.#deps.onError(this.#refused)
  }
}
