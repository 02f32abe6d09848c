/** The store of one process: a way to the log that lies outside it. What comes of each request, the gate decides. */
import { LoomiError } from '../../server/errors.ts'
import type {
  AppendResult,
  LogPage,
  NewEvent,
  PresenceRow,
  Pruned,
  Retention,
  RunChoice,
  RunPlace,
  RunRef,
  SessionChoice,
  SessionHead,
  SessionRef,
  Store,
} from '../../server/store.ts'
import type { MemoryLog } from './memory-log.ts'

/** What lies between a process and its log. */
export interface Gate {
  /** Lets a request through, or does not, and answers sooner or later. */
  pass<T>(name: string, work: () => T): Promise<T>
  /** Another process has committed something. */
  hint(tell: () => void): void
}

/** Lets everything through at once. */
export const OPEN_GATE: Gate = {
  pass: async (_, work) => work(),
  hint: (tell) => queueMicrotask(tell),
}

/** A log and the processes that are connected to it. */
export interface SharedLog {
  readonly log: MemoryLog
  readonly stores: Set<MemoryStore>
}

/** See the module. */
export class MemoryStore implements Store {
  readonly #shared: SharedLog
  readonly #gate: Gate
  readonly #watchers = new Set<(sessionIds?: ReadonlySet<string>) => void>()
  #closed = false

  constructor(shared: SharedLog, gate: Gate = OPEN_GATE) {
    this.#shared = shared
    this.#gate = gate
    shared.stores.add(this)
  }

  /** How many watch. */
  get watchers(): number {
    return this.#watchers.size
  }

  append(ref: SessionRef, events: readonly NewEvent[], leaseMs?: number): Promise<AppendResult> {
    return this.#write('append', [ref.sessionId], (log) => {
      if (events.some(({ event_data }) => typeof event_data !== 'string'))
        throw new LoomiError('store_refused', 'An event without data can never be stored.')
      return log.append(ref, events, leaseMs ?? null)
    })
  }

  read(ref: SessionRef, after: number, limit: number): Promise<LogPage> {
    return this.#ask('read', (log) => log.read(ref, after, limit))
  }

  heads(refs: readonly SessionRef[]): Promise<readonly (SessionHead | null)[]> {
    return this.#ask('heads', (log) => refs.map((ref) => log.head(ref)))
  }

  keys(ref: SessionRef, seqs: readonly number[]): Promise<ReadonlyMap<number, string>> {
    return this.#ask('keys', (log) => log.keys(ref, seqs))
  }

  runHigh(ref: SessionRef, runId: string): Promise<RunPlace> {
    return this.#ask('runHigh', (log) => log.runs.get(ref, runId).place)
  }

  leaseRuns(runs: readonly RunRef[], leaseMs: number): Promise<void> {
    return this.#ask('leaseRuns', (log) => log.lease(runs, leaseMs))
  }

  releaseRuns(runs: readonly RunRef[]): Promise<void> {
    return this.#ask('releaseRuns', (log) => log.runs.release(runs))
  }

  stoppedRuns(runs: readonly RunRef[]): Promise<readonly RunRef[]> {
    return this.#ask('stoppedRuns', (log) => log.runs.stopped(runs))
  }

  endRuns(status: 'stopped' | 'interrupted', choice: RunChoice, createdAt: string): Promise<number> {
    return this.#write('endRuns', null, (log) => log.endRuns(status, choice, createdAt))
  }

  loadPresence(ref: SessionRef): Promise<PresenceRow | null> {
    return this.#ask('loadPresence', (log) => log.loadPresence(ref))
  }

  savePresence(rows: readonly PresenceRow[]): Promise<void> {
    return this.#ask('savePresence', (log) => log.savePresence(rows))
  }

  prune(retention: Retention, limit: number, from: string | null = null): Promise<Pruned> {
    return this.#ask('prune', (log) => log.prune(retention, limit, from))
  }

  deleteSessions(choice: SessionChoice): Promise<readonly SessionRef[]> {
    return this.#write('deleteSessions', null, (log) => log.deleteSessions(choice))
  }

  transferSession(sessionId: string, from: string, to: string): Promise<boolean> {
    return this.#write('transferSession', [sessionId], (log) => log.transfer(sessionId, from, to))
  }

  watch(changed: (sessionIds?: ReadonlySet<string>) => void): () => void {
    this.#watchers.add(changed)
    return () => void this.#watchers.delete(changed)
  }

  async close(): Promise<void> {
    this.disconnect()
  }

  /** The process is gone. */
  disconnect(): void {
    this.#closed = true
    this.#watchers.clear()
    this.#shared.stores.delete(this)
  }

  /** `sessionIds`: which it is about, null when that is not known. */
  #write<T>(name: string, sessionIds: readonly string[] | null, work: (log: MemoryLog) => T): Promise<T> {
    return this.#ask(name, (log) => {
      const value = work(log)
      for (const store of this.#shared.stores) if (store !== this) store.#hear(sessionIds)
      return value
    })
  }

  #hear(sessionIds: readonly string[] | null): void {
    if (this.#watchers.size > 0)
      this.#gate.hint(() => {
        for (const changed of this.#watchers) changed(sessionIds ? new Set(sessionIds) : undefined)
      })
  }

  async #ask<T>(name: string, work: (log: MemoryLog) => T): Promise<T> {
    if (this.#closed) throw new LoomiError('closed', 'The store is closed.')
    return this.#gate.pass(name, () => work(this.#shared.log))
  }
}
