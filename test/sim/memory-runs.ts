/** The runs of a log in plain objects: how far each is, whether it is open, and until when somebody answers for it. */
import { NOWHERE, type RunChoice, type RunPlace, type RunRef, type SessionRef } from '../../server/store.ts'

/** One run. */
export interface RunState {
  readonly ref: RunRef
  readonly place: RunPlace
  /** `open`, how it ended, or null as long as only the user has said something. */
  readonly status: string | null
  readonly leaseUntil: number | null
  readonly interruptions: number
}

/** The runs; see the module. States are replaced, never changed, so a copy of the map is a backup. */
export class MemoryRuns {
  #runs = new Map<string, RunState>()

  get(ref: SessionRef, runId: string): RunState {
    const run = this.#runs.get(nameOf(ref.sessionId, runId))
    if (run?.ref.userId === ref.userId) return run
    return { ref: { ...ref, runId }, place: NOWHERE, status: null, leaseUntil: null, interruptions: 0 }
  }

  put(run: RunState): void {
    this.#runs.set(nameOf(run.ref.sessionId, run.ref.runId), run)
  }

  delete({ sessionId, runId }: RunRef): void {
    this.#runs.delete(nameOf(sessionId, runId))
  }

  /** Leases runs, unless their session is somebody else's or they ended for good. `ownerFor`: whose session it is for a user who may append. */
  lease(runs: readonly RunRef[], leaseUntil: number, ownerFor: (ref: SessionRef) => string | null): void {
    for (const { sessionId, userId, runId } of runs) {
      const owner = ownerFor({ sessionId, userId })
      if (owner === null) continue
      const run = this.get({ sessionId, userId: owner }, runId)
      const isOver = run.status !== null && run.status !== 'open' && run.status !== 'interrupted'
      if (!isOver) this.put({ ...run, status: 'open', leaseUntil })
    }
  }

  release(runs: readonly RunRef[]): void {
    for (const ref of runs) {
      const run = this.#runs.get(nameOf(ref.sessionId, ref.runId))
      if (run?.status === 'open' && run.place.i === -1) this.delete(ref)
    }
  }

  stopped(runs: readonly RunRef[]): RunRef[] {
    return runs.filter((ref) => this.#runs.get(nameOf(ref.sessionId, ref.runId))?.status === 'stopped')
  }

  /** The open runs of a choice; `now` says which have lapsed. */
  open(choice: RunChoice, now: number): RunState[] {
    const all =
      'runs' in choice
        ? [...new Set(choice.runs.flatMap((ref) => this.#runs.get(nameOf(ref.sessionId, ref.runId)) ?? []))]
        : [...this.#runs.values()]
    return all.filter(({ ref, status, leaseUntil }) => {
      if (status !== 'open') return false
      if ('lapsed' in choice) return leaseUntil !== null && leaseUntil <= now
      if ('runs' in choice) return true
      if (!('sessionId' in choice)) return ref.userId === choice.userId
      return ref.sessionId === choice.sessionId && !choice.except?.some(({ runId }) => runId === ref.runId)
    })
  }

  /** Gives the runs of a session to another user. */
  give(sessionId: string, userId: string): void {
    for (const run of this.#runs.values())
      if (run.ref.sessionId === sessionId) this.put({ ...run, ref: { ...run.ref, userId } })
  }

  /** Forgets those of which the condition holds. */
  forget(holds: (ref: RunRef) => boolean): void {
    for (const [name, { ref }] of this.#runs) if (holds(ref)) this.#runs.delete(name)
  }

  backup(): ReadonlyMap<string, RunState> {
    return new Map(this.#runs)
  }

  restore(runs: ReadonlyMap<string, RunState>): void {
    this.#runs = new Map(runs)
  }
}

/** Ids hold no control characters, so this is one name for one pair. */
function nameOf(sessionId: string, runId: string): string {
  return `${sessionId}\u0000${runId}`
}
