/**
 * What the embedded store keeps of users: who was present where, and whose a session is after it was given away.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { PresenceRow, SessionRef } from '../store.ts'

/** The later beat wins. `displayed` goes by itself: within an epoch the further one, else the later beat's. */
const MERGED = `last_beat_at = max(excluded.last_beat_at, h.last_beat_at),
  head_seq = iif(excluded.last_beat_at >= h.last_beat_at, excluded.head_seq, h.head_seq),
  pending_seq = iif(excluded.last_beat_at >= h.last_beat_at, excluded.pending_seq, h.pending_seq),
  epoch = iif(excluded.last_beat_at >= h.last_beat_at, excluded.epoch, h.epoch),
  displayed = case
    when ${epochOf('excluded.displayed')} = ${epochOf('h.displayed')}
      then iif(${seqOf('excluded.displayed')} >= ${seqOf('h.displayed')}, excluded.displayed, h.displayed)
    when excluded.last_beat_at >= h.last_beat_at then coalesce(excluded.displayed, h.displayed)
    else coalesce(h.displayed, excluded.displayed) end`

const SQL = {
  loadPresence: `select last_beat_at, head_seq, pending_seq, epoch, displayed from loomi_heartbeats
    where user_id = ? and session_id = ?`,
  savePresence: `insert into loomi_heartbeats as h (user_id, session_id, last_beat_at, head_seq, pending_seq, epoch, displayed)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6 from json_each(?) where true
    on conflict (user_id, session_id) do update set ${MERGED}`,
  movePresence: `insert into loomi_heartbeats as h (user_id, session_id, last_beat_at, head_seq, pending_seq, epoch, displayed)
    select ?, session_id, last_beat_at, head_seq, pending_seq, epoch, displayed from loomi_heartbeats
    where session_id = ? and user_id = ?
    on conflict (user_id, session_id) do update set ${MERGED}`,
  dropPresence: 'delete from loomi_heartbeats where session_id = ? and user_id = ?',
  ownerOf: 'select user_id from loomi_sessions where session_id = ?',
  giveSession: 'update loomi_sessions set user_id = ? where session_id = ?',
  giveRuns: 'update loomi_runs set user_id = ? where session_id = ?',
  addFormer: 'insert into loomi_former_owners (session_id, user_id) values (?, ?) on conflict do nothing',
  dropFormer: 'delete from loomi_former_owners where session_id = ? and user_id = ?',
} as const

/** Presence and transfers; see the module. For what it writes the caller holds a transaction. */
export class SqliteUsers {
  readonly #sql: Record<keyof typeof SQL, StatementSync>

  constructor(db: DatabaseSync) {
    this.#sql = Object.fromEntries(
      Object.entries(SQL).map(([name, text]) => [name, db.prepare(text)]),
    ) as Record<keyof typeof SQL, StatementSync>
  }

  loadPresence({ userId, sessionId }: SessionRef): PresenceRow | null {
    const row = this.#sql.loadPresence.get(userId, sessionId)
    if (!row) return null
    return {
      userId,
      sessionId,
      lastBeatAt: Number(row['last_beat_at']),
      headSeq: Number(row['head_seq']),
      pendingSeq: row['pending_seq'] === null ? null : Number(row['pending_seq']),
      epoch: row['epoch'] as string | null,
      displayed: row['displayed'] as string | null,
    }
  }

  savePresence(rows: readonly PresenceRow[]): void {
    const values = rows.map((r) => [
      r.userId,
      r.sessionId,
      r.lastBeatAt,
      r.headSeq,
      r.pendingSeq,
      r.epoch,
      r.displayed,
    ])
    this.#sql.savePresence.run(JSON.stringify(values))
  }

  /** Gives a session with its runs and its presence to another user; whether it was the first one's, or is the other's already. */
  transfer(sessionId: string, from: string, to: string): boolean {
    const owner = this.#sql.ownerOf.get(sessionId)?.['user_id']
    if (owner === to) return true
    if (owner !== from) return false
    this.#sql.giveSession.run(to, sessionId)
    this.#sql.giveRuns.run(to, sessionId)
    this.#sql.dropFormer.run(sessionId, to)
    this.#sql.addFormer.run(sessionId, from)
    this.#sql.movePresence.run(to, sessionId, from)
    this.#sql.dropPresence.run(sessionId, from)
    return true
  }
}

/** The epoch of a cursor, `<epoch>-<seq>-<tag>`. */
function epochOf(cursor: string): string {
  return `substr(${cursor}, 1, instr(${cursor}, '-') - 1)`
}

function seqOf(cursor: string): string {
  return `cast(substr(${cursor}, instr(${cursor}, '-') + 1) as integer)`
}
