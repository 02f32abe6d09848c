/** A log in plain objects, with all that server/store.ts promises of it. It lives outside the processes and survives them. */
import type { RunEnd } from '../../server/protocol.ts'
import {
  type AppendResult,
  comesAfter,
  keyOf,
  type LogPage,
  nameOf,
  type NewEvent,
  type PresenceRow,
  type Pruned,
  type Retention,
  type RunChoice,
  type RunPlace,
  type RunRef,
  type SessionChoice,
  type SessionHead,
  type SessionRef,
  type StoredEvent,
} from '../../server/store.ts'
import { rising } from '../../server/stores/batch.ts'
import { bySession, endOf, headOf, mergePresence, statusAfter } from './memory-rows.ts'
import { MemoryRuns, type RunState } from './memory-runs.ts'

interface Row extends StoredEvent {
  readonly storedAt: number
}

interface SessionState extends SessionHead, SessionRef {
  /** Rows up to this seq are gone; 0 when none is. */
  readonly prunedTo: number
  /** Key of the newest row that is gone. */
  readonly prunedKey: string
  /** Who had the session before it was given away. */
  readonly formerOwners: readonly string[]
  readonly rows: readonly Row[]
}

/** All that the log holds. Nothing in it is ever changed, only replaced, so a copy of the maps is a backup. */
export interface Holdings {
  readonly sessions: ReadonlyMap<string, SessionState>
  readonly runs: ReadonlyMap<string, RunState>
  readonly presence: ReadonlyMap<string, PresenceRow>
}

/** What the log is made with, and whom it tells in the moment of a commit. */
export interface LogDeps {
  readonly newEpoch: () => string
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly onRow?: (ref: SessionRef, epoch: string, row: StoredEvent) => void
  readonly onPruned?: (ref: SessionRef, prunedTo: number) => void
  readonly onDeleted?: (ref: SessionRef) => void
  readonly onTransferred?: (ref: SessionRef, to: string) => void
}

const PAGE_CHARS = 1 << 20

/** The log; see the module. */
export class MemoryLog {
  readonly runs: MemoryRuns = new MemoryRuns()
  #sessions = new Map<string, SessionState>()
  #presence = new Map<string, PresenceRow>()
  readonly #deps: LogDeps

  constructor(deps: LogDeps) {
    this.#deps = deps
  }

  append(asked: SessionRef, events: readonly NewEvent[], leaseMs: number | null): AppendResult {
    const session = this.#sessions.get(asked.sessionId)
    const userId = this.#ownerFor(asked)
    if (userId === null) return { ok: false, code: 'not_owner' }
    const ref = { ...asked, userId }
    const runs = new Map(events.map(({ run_id }) => [run_id, this.runs.get(ref, run_id)]))
    const placeOf = (event: NewEvent): RunPlace => runs.get(event.run_id)!.place
    for (const event of events) {
      const first = { n: event.first_n, i: event.first_i }
      const high = placeOf(event)
      if (comesAfter(event, high) && comesAfter(event, first) && !comesAfter(first, high))
        return { ok: false, code: 'overlap', runId: event.run_id, high }
    }
    const fresh = rising(events, placeOf)
    if (session && fresh.length === 0)
      return { ok: true, head: headOf(session), userId, added: [], before: '' }
    if (session && session.closedSeq !== null) return { ok: false, code: 'session_closed' }
    const stopped = fresh.find(({ run_id }) => runs.get(run_id)!.status === 'stopped')
    if (stopped) return { ok: false, code: 'run_stopped', runId: stopped.run_id }

    let head = session?.head ?? 0
    const added = fresh.map(({ first_n: _, first_i: __, ...event }): StoredEvent => {
      const row = { seq: ++head, ...event }
      const run = runs.get(row.run_id)!
      runs.set(row.run_id, { ...run, place: { n: row.n, i: row.i }, status: statusAfter(row, run.status) })
      return row
    })
    const next = this.#commit(ref, added)
    for (const run of runs.values()) {
      const leaseUntil = leaseMs === null ? run.leaseUntil : this.#deps.now() + leaseMs
      this.runs.put({ ...run, leaseUntil: run.status === 'open' ? leaseUntil : null })
    }
    return { ok: true, head: headOf(next), userId, added, before: session?.headKey ?? '' }
  }

  read(ref: SessionRef, after: number, limit: number): LogPage {
    const session = this.#of(ref)
    const events: StoredEvent[] = []
    if (!session) return { head: null, events }
    let chars = 0
    for (let at = Math.max(0, after - session.prunedTo); at < session.rows.length; at++) {
      if (events.length === limit || chars >= PAGE_CHARS) break
      const { storedAt: _, ...row } = session.rows[at]!
      chars += row.event_data.length + (row.event_metadata?.length ?? 0)
      events.push(row)
    }
    return { head: headOf(session), events }
  }

  head(ref: SessionRef): SessionHead | null {
    const session = this.#of(ref)
    return session ? headOf(session) : null
  }

  keys(ref: SessionRef, seqs: readonly number[]): Map<number, string> {
    const session = this.#of(ref)
    const rows = session ? seqs.map((seq) => session.rows[seq - session.prunedTo - 1]) : []
    const keys = new Map(rows.flatMap((row) => (row ? [[row.seq, keyOf(row)]] : [])))
    const isAsked = session && session.prunedTo > 0 && seqs.includes(session.prunedTo)
    return isAsked ? keys.set(session.prunedTo, session.prunedKey) : keys
  }

  lease(runs: readonly RunRef[], leaseMs: number): void {
    this.runs.lease(runs, this.#deps.now() + leaseMs, (ref) => this.#ownerFor(ref))
  }

  transfer(sessionId: string, from: string, to: string): boolean {
    const session = this.#sessions.get(sessionId)
    if (session?.userId === to) return true
    if (session?.userId !== from) return false
    const formerOwners = [...session.formerOwners.filter((userId) => userId !== to), from]
    this.#sessions.set(sessionId, { ...session, userId: to, formerOwners })
    this.runs.give(sessionId, to)
    const presence = this.loadPresence({ sessionId, userId: from })
    if (presence) this.savePresence([{ ...presence, userId: to }])
    this.#presence.delete(nameOf({ sessionId, userId: from }))
    this.#deps.onTransferred?.(session, to)
    return true
  }

  endRuns(status: RunEnd, choice: RunChoice, createdAt: string): number {
    const open = this.runs.open(choice, this.#deps.now())
    for (const run of open) this.#endRun(run, status, createdAt)
    return open.length
  }

  loadPresence(ref: SessionRef): PresenceRow | null {
    return this.#presence.get(nameOf(ref)) ?? null
  }

  savePresence(rows: readonly PresenceRow[]): void {
    for (const row of rows) this.#presence.set(nameOf(row), mergePresence(this.loadPresence(row), row))
  }

  prune(retention: Retention, limit: number, from: string | null): Pruned {
    let left = limit
    let looked = from ?? ''
    for (const session of [...this.#sessions.values()].toSorted(bySession)) {
      if (session.sessionId <= looked) continue
      const old = this.#oldRows(session, retention)
      const count = Math.min(left, old)
      this.pruneTo(session.sessionId, session.prunedTo + count)
      left -= count
      if (left === 0) return { removed: limit, next: looked }
      looked = session.sessionId
    }
    return { removed: limit - left, next: null }
  }

  /** Forgets the rows of a session up to a seq, but never the newest. */
  pruneTo(sessionId: string, seq: number): void {
    const session = this.#sessions.get(sessionId)
    const prunedTo = Math.min(seq, (session?.head ?? 0) - 1)
    if (!session || prunedTo <= session.prunedTo) return
    this.#sessions.set(sessionId, {
      ...session,
      prunedTo,
      prunedKey: keyOf(session.rows[prunedTo - session.prunedTo - 1]!),
      rows: session.rows.slice(prunedTo - session.prunedTo),
    })
    this.#deps.onPruned?.(session, prunedTo)
  }

  deleteSessions(choice: SessionChoice): SessionRef[] {
    const isMeant = (ref: SessionRef): boolean =>
      'userId' in choice ? ref.userId === choice.userId : ref.sessionId === choice.sessionId
    const meant = [...this.#sessions.values()].filter(isMeant)
    for (const ref of meant) {
      this.#sessions.delete(ref.sessionId)
      this.#deps.onDeleted?.(ref)
    }
    for (const session of this.#sessions.values())
      if ('userId' in choice && session.formerOwners.includes(choice.userId)) {
        const formerOwners = session.formerOwners.filter((userId) => userId !== choice.userId)
        this.#sessions.set(session.sessionId, { ...session, formerOwners })
      }
    for (const [name, row] of this.#presence) if (isMeant(row)) this.#presence.delete(name)
    this.runs.forget(isMeant)
    return meant.map(({ sessionId, userId }) => ({ sessionId, userId }))
  }

  backup(): Holdings {
    return {
      sessions: new Map(this.#sessions),
      runs: this.runs.backup(),
      presence: new Map(this.#presence),
    }
  }

  restore({ sessions, runs, presence }: Holdings): void {
    this.#sessions = new Map(sessions)
    this.runs.restore(runs)
    this.#presence = new Map(presence)
  }

  /** Everything is lost. */
  lose(): void {
    this.restore({ sessions: new Map(), runs: new Map(), presence: new Map() })
  }

  #of(ref: SessionRef): SessionState | null {
    const session = this.#sessions.get(ref.sessionId)
    return session?.userId === ref.userId ? session : null
  }

  /** Whose session it is, for a user who may append to it: theirs, one that they had, or none yet; else null. */
  #ownerFor({ sessionId, userId }: SessionRef): string | null {
    const session = this.#sessions.get(sessionId)
    if (!session || session.userId === userId) return userId
    return session.formerOwners.includes(userId) ? session.userId : null
  }

  #commit({ sessionId, userId }: SessionRef, added: readonly StoredEvent[]): SessionState {
    const before = this.#sessions.get(sessionId) ?? {
      sessionId,
      userId,
      epoch: this.#deps.newEpoch(),
      head: 0,
      headKey: '',
      closedSeq: null,
      prunedTo: 0,
      prunedKey: '',
      formerOwners: [],
      rows: [],
    }
    const last = added.at(-1)
    const storedAt = this.#deps.now()
    const next: SessionState = {
      ...before,
      head: last?.seq ?? before.head,
      headKey: last ? keyOf(last) : before.headKey,
      closedSeq: added.find(({ event_type }) => event_type === 'session_complete')?.seq ?? before.closedSeq,
      rows: [...before.rows, ...added.map((row) => ({ ...row, storedAt }))],
    }
    this.#sessions.set(sessionId, next)
    for (const row of added) this.#deps.onRow?.(next, next.epoch, row)
    return next
  }

  #endRun(run: RunState, status: RunEnd, createdAt: string): void {
    const { ref, place } = run
    const isInterrupted = status === 'interrupted'
    // Of an answer that never began there is nothing to say.
    if (isInterrupted && place.i === -1 && place.n === 0) return this.runs.delete(ref)
    const interruptions = run.interruptions + (isInterrupted ? 1 : 0)
    const end = { n: place.n, i: isInterrupted ? -interruptions : place.i + 1 }
    const session = this.#of(ref)
    const isSaid = session?.closedSeq === null
    if (isSaid) this.#commit(ref, [endOf(ref.runId, session.head + 1, end, status, createdAt)])
    this.runs.put({
      ref,
      status,
      interruptions,
      place: isSaid && !isInterrupted ? end : place,
      leaseUntil: null,
    })
  }

  #oldRows(
    { head, rows }: SessionState,
    { maxAgeMs = Infinity, maxEventsPerSession = Infinity }: Retention,
  ): number {
    const oldEnough = this.#deps.now() - maxAgeMs
    const isOld = ({ seq, storedAt }: Row): boolean =>
      seq < head && (seq <= head - maxEventsPerSession || storedAt <= oldEnough)
    const kept = rows.findIndex((row) => !isOld(row))
    return Math.max(0, kept)
  }
}
