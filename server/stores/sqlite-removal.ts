/**
 * What leaves the embedded store: old rows, and whole sessions.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import {
  keyOf,
  type Pruned,
  type Retention,
  type RunPlace,
  type SessionChoice,
  type SessionRef,
} from '../store.ts'

/** Looking at a session takes some microseconds, and everything else waits meanwhile. */
const SESSIONS_AT_ONCE = 500
const ROWS_AT_ONCE = 500

const SQL = {
  sessions: `select s.session_id, s.epoch, s.head, e.seq, e.stored_at from loomi_sessions s
    left join loomi_stream_events e on e.session_id = s.session_id
    and e.seq = (select min(seq) from loomi_stream_events where session_id = s.session_id)
    where s.session_id > ? order by s.session_id limit ?`,
  oldest: `select seq, stored_at from loomi_stream_events where session_id = ? order by seq limit ?`,
  prune: 'delete from loomi_stream_events where session_id = ? and seq <= ?',
  sessionsOf: 'select session_id, user_id from loomi_sessions where user_id = ?',
  session: 'select session_id, user_id from loomi_sessions where session_id = ?',
  keepKey: `select e.run_id, e.n, e.i from loomi_stream_events e join loomi_sessions s on s.session_id = e.session_id
    where e.session_id = ? and e.seq = ? and s.epoch = ?`,
  pruned: 'update loomi_sessions set pruned_seq = ?, pruned_key = ? where session_id = ?',
  oldestBut: `select s.epoch, s.head, e.seq from loomi_sessions s join loomi_stream_events e
    on e.session_id = s.session_id where s.session_id = ? order by e.seq limit 1 offset ?`,
  deleteSession: 'delete from loomi_sessions where session_id = ?',
  deleteRuns: 'delete from loomi_runs where session_id = ?',
  deleteHeartbeats: 'delete from loomi_heartbeats where session_id = ?',
  deleteFormerOwners: 'delete from loomi_former_owners where session_id = ?',
  deleteRunsOf: `delete from loomi_runs where user_id = ?1
    and session_id not in (select session_id from loomi_sessions where user_id = ?1)`,
  deleteHeartbeatsOf: 'delete from loomi_heartbeats where user_id = ?',
  deleteFormerOwner: 'delete from loomi_former_owners where user_id = ?',
} as const

type MayGo = (row: Record<string, unknown>, head: number) => boolean

/** Rows of one session that may go. */
export interface Cut {
  readonly sessionId: string
  readonly epoch: string
  /** The last of them. */
  readonly seq: number
}

/** Looks for what may go, and takes it out; see the module. For what it takes out the caller holds a transaction. */
export class SqliteRemoval {
  readonly #sql: Record<keyof typeof SQL, StatementSync>
  readonly #now: () => number

  constructor(db: DatabaseSync, now: () => number) {
    this.#now = now
    this.#sql = Object.fromEntries(
      Object.entries(SQL).map(([name, text]) => [name, db.prepare(text)]),
    ) as Record<keyof typeof SQL, StatementSync>
  }

  /** What retention lets go of in the next sessions after `from`, at most `limit` rows, and where to go on. */
  cuts(
    retention: Retention,
    limit: number,
    from: string | null,
  ): { readonly cuts: readonly Cut[]; readonly next: Pruned['next'] } {
    const cuts: Cut[] = []
    let left = limit
    let looked = from ?? ''
    const sessions = this.#sql.sessions.all(looked, SESSIONS_AT_ONCE)
    const mayGo = this.#test(retention)
    for (const row of sessions) {
      const [sessionId, epoch, head] = [String(row['session_id']), String(row['epoch']), Number(row['head'])]
      // Most sessions have nothing to lose, which their oldest row tells.
      if (row['seq'] !== null && mayGo(row, head)) {
        const rows = this.#oldRows(sessionId, head, mayGo, left)
        if (rows.length > 0) cuts.push({ sessionId, epoch, seq: rows.at(-1)! })
        left -= rows.length
        // This one may have more to lose: it comes again.
        if (left === 0) return { cuts, next: looked }
      }
      looked = sessionId
    }
    return { cuts, next: sessions.length < SESSIONS_AT_ONCE ? null : looked }
  }

  /** Takes rows out; resolves with their number. */
  prune(cuts: readonly Cut[]): number {
    return cuts.reduce((sum, cut) => sum + this.#prune(cut), 0)
  }

  /** The sessions of a choice. */
  sessions(choice: SessionChoice): SessionRef[] {
    const rows =
      'userId' in choice ? this.#sql.sessionsOf.all(choice.userId) : this.#sql.session.all(choice.sessionId)
    return rows.map((row) => ({ sessionId: String(row['session_id']), userId: String(row['user_id']) }))
  }

  /**
   * Takes out a session's oldest rows, and with the last of them all else that is known of it. `deleted` says whose it was
   * when this call took the last of it; nothing is left to do when it is gone, or is no longer of the choice.
   */
  deleteSome(
    sessionId: string,
    choice: SessionChoice,
  ): { readonly isDone: boolean; readonly deleted: SessionRef | null } {
    const [session] = this.sessions({ sessionId })
    if (!session || ('userId' in choice && session.userId !== choice.userId))
      return { isDone: true, deleted: null }
    // The rest may be given away before it is deleted: then these rows were pruned.
    const row = this.#sql.oldestBut.get(sessionId, ROWS_AT_ONCE - 1)
    if (row && Number(row['seq']) < Number(row['head'])) {
      this.#prune({ sessionId, epoch: String(row['epoch']), seq: Number(row['seq']) })
      return { isDone: false, deleted: null }
    }
    this.#sql.prune.run(sessionId, Number.MAX_SAFE_INTEGER)
    this.#sql.deleteSession.run(sessionId)
    this.#sql.deleteFormerOwners.run(sessionId)
    this.#forget(sessionId)
    return { isDone: true, deleted: session }
  }

  /** Takes out what is known of a choice without a log: presence, and runs that never had an event. */
  forget(choice: SessionChoice): void {
    if ('sessionId' in choice) {
      // It may have been begun anew meanwhile.
      if (this.sessions(choice).length === 0) this.#forget(choice.sessionId)
      return
    }
    this.#sql.deleteRunsOf.run(choice.userId)
    this.#sql.deleteHeartbeatsOf.run(choice.userId)
    this.#sql.deleteFormerOwner.run(choice.userId)
  }

  #prune({ sessionId, epoch, seq }: Cut): number {
    // Another process may have pruned as far, or begun the session anew.
    const row = this.#sql.keepKey.get(sessionId, seq, epoch)
    if (!row) return 0
    this.#sql.pruned.run(seq, keyOf(row as unknown as RunPlace & { readonly run_id: string }), sessionId)
    return Number(this.#sql.prune.run(sessionId, seq).changes)
  }

  #forget(sessionId: string): void {
    this.#sql.deleteRuns.run(sessionId)
    this.#sql.deleteHeartbeats.run(sessionId)
  }

  /** Whether a row may go when no older one stays. */
  #test({ maxAgeMs = Infinity, maxEventsPerSession = Infinity }: Retention): MayGo {
    const oldEnough = this.#now() - maxAgeMs
    return ({ seq, stored_at }, head) =>
      Number(seq) < head && (Number(seq) <= head - maxEventsPerSession || Number(stored_at) <= oldEnough)
  }

  /** The seqs of a session's oldest rows that may go, at most `limit`. */
  #oldRows(sessionId: string, head: number, mayGo: MayGo, limit: number): number[] {
    const seqs: number[] = []
    for (const row of this.#sql.oldest.iterate(sessionId, limit)) {
      if (!mayGo(row, head)) break
      seqs.push(Number(row['seq']))
    }
    return seqs
  }
}
