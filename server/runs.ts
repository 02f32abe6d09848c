/**
 * The runs that this process produces: it keeps their leases, hears when one is stopped elsewhere, and ends those whose
 * producer is gone.
 *
 * @module
 */
import { type Clock, sleep } from './clock.ts'
import { LoomiError } from './errors.ts'
import type { Log } from './log.ts'
import type { Run } from './run.ts'
import type { RunRef, SessionChoice, SessionRef, Store } from './store.ts'

/** A stop elsewhere is looked for so soon after a hint: several hints are one look. */
const LOOK_MS = 150
/** Without hints it is looked for so often. */
const LOOK_ANYWAY_MS = 1000
/** Milliseconds after which every process whose store answers has heard of a stop. */
export const HEARD_MS: number = LOOK_ANYWAY_MS + 200
/** Of so many runs that were stopped in an outage the store is told once it is back. */
const MAX_UNSAID = 1000
/** A stop waits so long for what was emitted before it. */
const STOP_FLUSH_MS = 1000
/** Readers that come at the same moment ask for one sweep. */
const SWEEP_MS = 1000
/** Wall time that passed while the process did not: it, and others with it, were asleep. */
const JUMP_MS = 2000

/** What the book works with. */
export interface RunBookDeps {
  readonly store: Store
  readonly log: Log
  readonly clock: Clock
  /** Milliseconds that a producer which says nothing is taken to be alive. */
  readonly leaseMs: number
  readonly onError: (error: unknown) => void
}

/** The open runs of this process; see the module. */
export class RunBook {
  readonly #deps: RunBookDeps
  readonly #open = new Set<Run>()
  #renewTimer: unknown = null
  #lookTimer: unknown = null
  #lookAt = Infinity
  #stopWatch: (() => void) | null = null
  #sweptAt = -Infinity
  /** Runs that were stopped here, as long as the store does not know. */
  #unsaid: RunRef[] = []
  /** How far wall time is ahead of the time that this process has run. */
  #drift: number
  #patientUntil = -Infinity
  #closed = false

  constructor(deps: RunBookDeps) {
    this.#deps = deps
    this.#drift = driftOf(deps.clock)
  }

  /** A run begins: it is leased from now on. */
  begin(run: Run): void {
    if (this.#closed) return
    this.#open.add(run)
    const { sessionId, runId } = run.ref
    this.#unsaid = this.#unsaid.filter((ref) => ref.sessionId !== sessionId || ref.runId !== runId)
    const { clock, leaseMs, store } = this.#deps
    this.#stopWatch ??= store.watch((sessionIds) => this.#hear(sessionIds))
    this.#renewTimer ??= clock.setTimeout(() => void this.#renew(), leaseMs / 3)
    this.#lookWithin(LOOK_ANYWAY_MS)
    // With its first event it is leased by the append; one that has none yet is leased here.
    if (run.isEmpty) void this.#quietly(() => store.leaseRuns([run.ref], this.#deps.leaseMs))
  }

  /** A run has another name; a stop of the one before may be on its way. */
  renamed(run: Run, former: RunRef): void {
    void this.#quietly(async () => {
      await this.#deps.store.leaseRuns([run.ref], this.#deps.leaseMs)
      await this.#deps.store.releaseRuns([former])
    })
  }

  /** A run is not to be kept any more; when nothing of it was stored, the store forgets it. */
  leave(run: Run): void {
    if (!this.#open.delete(run)) return
    if (run.isEmpty) void this.#quietly(() => this.#deps.store.releaseRuns([run.ref]))
    this.#restWhenIdle()
  }

  /** A run's end is on its way to the store; until it is there the lease is kept. */
  ended(run: Run, stored: Promise<void>): void {
    void stored.then(() => {
      this.#open.delete(run)
      this.#restWhenIdle()
    })
  }

  /** The run of that name was stopped, as the store said when something was appended to it. */
  wasStopped(sessionId: string, runId: string): void {
    for (const run of this.#open) {
      const named = run.refs.findIndex((ref) => ref.sessionId === sessionId && ref.runId === runId)
      if (named === 0) run.wasStopped()
      // The end was written under a name that it has no more.
      else if (named > 0) run.stop()
    }
  }

  /**
   * Stops every open run of a session or a user, here and elsewhere; how many of them the store had to end. Rejects when it
   * can't be told; those here are stopped all the same.
   */
  async stop(choice: SessionChoice, flush: () => Promise<unknown>): Promise<number> {
    const { store, log, clock } = this.#deps
    const isMeant = ({ sessionId, userId }: SessionRef): boolean =>
      'userId' in choice ? userId === choice.userId : sessionId === choice.sessionId
    const here = [...this.#open].filter((run) => isMeant(run.ref))
    for (const run of here) run.stop()
    const stopped = here.filter(({ ending }) => ending === 'stopped')
    this.#unsaid = [...this.#unsaid, ...stopped.map(({ ref }) => ref)].slice(-MAX_UNSAID)
    const enough = new AbortController()
    await Promise.race([flush(), sleep(clock, STOP_FLUSH_MS, enough.signal)])
    enough.abort()
    await this.#sayStops()
    // An answer that has begun here meanwhile is another one.
    const except = this.#refs().filter(isMeant)
    const which = 'userId' in choice ? choice : { ...choice, except }
    const ended = await store.endRuns('stopped', which, this.#now())
    if (ended > 0) log.refresh()
    return ended
  }

  /** Ends what this process answers in a session: it is closed. */
  leaveSession(sessionId: string): void {
    for (const run of this.#open) if (run.ref.sessionId === sessionId) run.stop()
  }

  /** Ends the runs whose producer is gone, here or elsewhere; asked for whenever somebody comes to read. */
  async sweep(): Promise<void> {
    const { store, log, clock, leaseMs } = this.#deps
    const elapsed = elapsedOf(clock)
    const drift = driftOf(clock)
    // The machine was asleep: whoever holds a lease must have the time to renew it first.
    if (Math.abs(drift - this.#drift) > JUMP_MS) this.#patientUntil = elapsed + leaseMs
    this.#drift = drift
    if (this.#closed || elapsed < this.#patientUntil || elapsed - this.#sweptAt < SWEEP_MS) return
    this.#sweptAt = elapsed
    await this.#quietly(async () => {
      // Our own first: after an outage they have lapsed like those of the dead.
      if (this.#open.size > 0) await store.leaseRuns(this.#refs(), this.#deps.leaseMs)
      await this.#sayStops()
      const ended = await store.endRuns('interrupted', { lapsed: true }, this.#now())
      if (ended > 0) log.refresh()
    })
  }

  /** Takes nothing more of what this process still produces, and tells its producers: it is going away. */
  interrupt(): void {
    this.#closed = true
    this.#rest()
    for (const run of this.#open) run.interrupt()
  }

  /** Ends as interrupted what was open. */
  async close(): Promise<void> {
    const runs = this.#refs()
    this.#open.clear()
    if (runs.length === 0) return
    await this.#quietly(async () => {
      await this.#deps.store.endRuns('interrupted', { runs }, this.#now())
      this.#deps.log.refresh()
    })
  }

  /**
   * Tells the store of the runs that were stopped here. One that was interrupted and is fed again may be at events that are
   * stored already: what it said itself of its end is then none in the log.
   */
  async #sayStops(): Promise<void> {
    const { store, log, leaseMs } = this.#deps
    const runs = this.#unsaid
    if (runs.length === 0) return
    await store.leaseRuns(runs, leaseMs)
    const ended = await store.endRuns('stopped', { runs }, this.#now())
    if (ended > 0) log.refresh()
    this.#unsaid = this.#unsaid.filter((run) => !runs.includes(run))
  }

  async #renew(): Promise<void> {
    const { clock, leaseMs, store } = this.#deps
    this.#renewTimer = clock.setTimeout(() => void this.#renew(), leaseMs / 3)
    await this.#quietly(() => store.leaseRuns(this.#refs(), this.#deps.leaseMs))
  }

  /** Another process has written something, perhaps a stop. */
  #hear(sessionIds: ReadonlySet<string> | undefined): void {
    const isOurs = !sessionIds || this.#refs().some(({ sessionId }) => sessionIds.has(sessionId))
    if (isOurs) this.#lookWithin(LOOK_MS)
  }

  #lookWithin(ms: number): void {
    const { clock } = this.#deps
    const at = clock.now() + ms
    if (this.#closed || this.#open.size === 0 || at >= this.#lookAt) return
    clock.clearTimeout(this.#lookTimer)
    this.#lookAt = at
    this.#lookTimer = clock.setTimeout(() => void this.#look(), ms)
  }

  async #look(): Promise<void> {
    this.#lookAt = Infinity
    await this.#quietly(async () => {
      const asked = [...this.#open].flatMap((run) => run.refs)
      for (const { sessionId, runId } of await this.#deps.store.stoppedRuns(asked))
        this.wasStopped(sessionId, runId)
    })
    this.#lookWithin(LOOK_ANYWAY_MS)
  }

  #refs(): RunRef[] {
    return [...this.#open].map((run) => run.ref)
  }

  #restWhenIdle(): void {
    if (this.#open.size === 0) this.#rest()
  }

  #rest(): void {
    const { clock } = this.#deps
    clock.clearTimeout(this.#renewTimer)
    clock.clearTimeout(this.#lookTimer)
    this.#renewTimer = null
    this.#lookAt = Infinity
    this.#stopWatch?.()
    this.#stopWatch = null
  }

  #now(): string {
    return new Date(this.#deps.clock.now()).toISOString()
  }

  /** What fails here is tried again with the next renewal, look or sweep. */
  async #quietly(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      // Nobody could renew a lease just now: whoever holds one must have the time to do so first.
      const { clock, leaseMs, onError } = this.#deps
      this.#patientUntil = elapsedOf(clock) + leaseMs
      if (!(error instanceof LoomiError && error.code === 'closed')) onError(error)
    }
  }
}

function elapsedOf(clock: Clock): number {
  return clock.elapsed?.() ?? clock.now()
}

function driftOf(clock: Clock): number {
  return clock.now() - elapsedOf(clock)
}
