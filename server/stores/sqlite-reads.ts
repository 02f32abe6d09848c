/**
 * What is read of the embedded store's log. Finds nothing for anybody but a session's owner.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { keyOf, type LogPage, type SessionHead, type SessionRef, type StoredEvent } from '../store.ts'

const PAGE_BYTES = 1 << 20
const SLICE_ROWS = 100

const SQL = {
  begin: 'begin',
  commit: 'commit',
  head: 'select epoch, head, head_key, closed_seq from loomi_sessions where session_id = ? and user_id = ?',
  rows: `select seq, run_id, n, i, event_type, content_type, agent_source, event_data, event_metadata, part_id, part_done,
    created_at from loomi_stream_events where session_id = ? and seq > ? order by seq limit ?`,
  keys: `select e.seq, e.run_id, e.n, e.i from loomi_sessions s join loomi_stream_events e on e.session_id = s.session_id
    where s.session_id = ? and s.user_id = ? and e.seq in (select value from json_each(?))`,
  pruned: 'select pruned_seq, pruned_key from loomi_sessions where session_id = ? and user_id = ?',
  heads: `select s.session_id, s.user_id, s.epoch, s.head, s.head_key, s.closed_seq
    from json_each(?) r join loomi_sessions s on s.session_id = r.value`,
} as const

/** The reads; see the module. */
export class SqliteReads {
  readonly #db: DatabaseSync
  readonly #sql: Record<keyof typeof SQL, StatementSync>

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#sql = Object.fromEntries(
      Object.entries(SQL).map(([name, text]) => [name, db.prepare(text)]),
    ) as Record<keyof typeof SQL, StatementSync>
  }

  page(ref: SessionRef, after: number, limit: number): LogPage {
    return this.#atOnce(() => {
      const row = this.#sql.head.get(ref.sessionId, ref.userId)
      if (!row) return { head: null, events: [] }
      return { head: toHead(row), events: this.#rows(ref.sessionId, after, limit) }
    })
  }

  heads(refs: readonly SessionRef[]): (SessionHead | null)[] {
    const found = new Map<string, Record<string, unknown>>()
    for (const row of this.#sql.heads.all(JSON.stringify(refs.map((ref) => ref.sessionId)))) {
      found.set(String(row['session_id']), row)
    }
    return refs.map(({ sessionId, userId }) => {
      const row = found.get(sessionId)
      return row && row['user_id'] === userId ? toHead(row) : null
    })
  }

  keys({ sessionId, userId }: SessionRef, seqs: readonly number[]): Map<number, string> {
    return this.#atOnce(() => {
      const rows = this.#sql.keys.all(sessionId, userId, JSON.stringify(seqs))
      const keys = new Map(rows.map((row) => [Number(row['seq']), keyOf(row as unknown as StoredEvent)]))
      const pruned = this.#sql.pruned.get(sessionId, userId)
      const seq = Number(pruned?.['pruned_seq'] ?? 0)
      return seq > 0 && seqs.includes(seq) ? keys.set(seq, String(pruned!['pruned_key'])) : keys
    })
  }

  #rows(sessionId: string, after: number, limit: number): StoredEvent[] {
    // In slices, because `all` is several times faster than `iterate` and a whole page of large events would not be small.
    const rows: StoredEvent[] = []
    for (let bytes = 0; rows.length < limit;) {
      const from = rows.at(-1)?.seq ?? after
      const slice = this.#sql.rows.all(sessionId, from, Math.min(SLICE_ROWS, limit - rows.length))
      for (const row of slice) {
        const event = toEvent(row)
        rows.push(event)
        bytes += event.event_data.length + (event.event_metadata?.length ?? 0)
        if (bytes >= PAGE_BYTES) return rows
      }
      if (slice.length < SLICE_ROWS) break
    }
    return rows
  }

  /** Several statements of one moment, whatever another process does between them. */
  #atOnce<T>(read: () => T): T {
    // Asked while a write waits for its commit, they are of that transaction.
    if (this.#db.isTransaction) return read()
    this.#sql.begin.run()
    try {
      const value = read()
      this.#sql.commit.run()
      return value
    } catch (error) {
      // A lost file ends the transaction by itself.
      if (this.#db.isTransaction) this.#db.exec('rollback')
      throw error
    }
  }
}

/** A row of `loomi_sessions` as the store's head. */
export function toHead(row: Record<string, unknown>): SessionHead {
  return {
    epoch: String(row['epoch']),
    head: Number(row['head']),
    headKey: String(row['head_key']),
    closedSeq: row['closed_seq'] === null ? null : Number(row['closed_seq']),
  }
}

function toEvent(row: Record<string, unknown>): StoredEvent {
  row['part_done'] = row['part_done'] === 1
  return row as unknown as StoredEvent
}
