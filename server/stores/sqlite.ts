/**
 * The embedded store: one SQLite file, any number of processes on one machine.
 *
 * WAL with `synchronous=FULL`, so a commit survives a power cut. All appends of one tick, whatever their
 * session, are one commit. `busy_timeout` is 0 because SQLite's own wait would freeze every stream of the
 * process; a busy file is tried again from a timer instead.
 *
 * @module
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { LoomiError, toLoomiError } from '../errors.ts'
import {
  type AppendResult,
  keyOf,
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
  type Store,
  type StoredEvent,
} from '../store.ts'
import { SqliteLog, toHead } from './sqlite-log.ts'
import { SqliteRemoval } from './sqlite-removal.ts'
import { prepareSchema } from './sqlite-schema.ts'

const POLL_MS = 50
const BUSY_GIVE_UP_MS = 5000
const PAGE_BYTES = 1 << 20
const SLICE_ROWS = 100

const SQL = {
  read: `select e.seq, e.run_id, e.n, e.i, e.event_type, e.content_type, e.agent_source, e.event_data,
    e.event_metadata, e.part_id, e.part_done, e.created_at
    from loomi_sessions s join loomi_stream_events e on e.session_id = s.session_id
    where s.session_id = ? and s.user_id = ? and e.seq > ? order by e.seq limit ?`,
  keys: `select e.seq, e.run_id, e.n, e.i from loomi_sessions s join loomi_stream_events e on e.session_id = s.session_id
    where s.session_id = ? and s.user_id = ? and e.seq in (select value from json_each(?))`,
  heads: `select s.session_id, s.user_id, s.epoch, s.head, s.head_key, s.closed_seq
    from json_each(?) r join loomi_sessions s on s.session_id = r.value`,
  loadPresence: `select last_beat_at, head_seq, pending_seq, epoch, displayed from loomi_heartbeats
    where user_id = ? and session_id = ?`,
  savePresence: `insert into loomi_heartbeats (user_id, session_id, last_beat_at, head_seq, pending_seq, epoch, displayed)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6 from json_each(?) where true
    on conflict (user_id, session_id) do update set last_beat_at = excluded.last_beat_at,
    head_seq = excluded.head_seq, pending_seq = excluded.pending_seq, epoch = excluded.epoch, displayed = excluded.displayed`,
  dataVersion: 'pragma data_version',
} as const

interface Pending {
  readonly work: () => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/**
 * Opens a SQLite log. `path` is a file (its folder is made) or `:memory:`; `now` says how old rows are, in milliseconds since
 * 1970. Throws `store_unavailable` when it can't.
 */
export function openSqlite(path: string, now: () => number = Date.now): Store {
  return new SqliteStore(path, now)
}

class SqliteStore implements Store {
  readonly #db: DatabaseSync
  readonly #sql: Record<keyof typeof SQL, StatementSync>
  readonly #log: SqliteLog
  readonly #removal: SqliteRemoval
  readonly #watchers = new Set<() => void>()
  #queue: Pending[] = []
  #flushing: Promise<void> | null = null
  #poll: ReturnType<typeof setInterval> | null = null
  #dataVersion = 0
  #closed = false

  constructor(path: string, now: () => number) {
    let db: DatabaseSync | null = null
    try {
      if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true })
      this.#db = db = new DatabaseSync(path)
      // A short wait while opening is harmless: no stream is running yet.
      this.#db.exec(
        'pragma busy_timeout = 2000; pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on',
      )
      prepareSchema(this.#db, now())
      this.#db.exec('pragma busy_timeout = 0')
      this.#sql = Object.fromEntries(
        Object.entries(SQL).map(([name, text]) => [name, this.#db.prepare(text)]),
      ) as Record<keyof typeof SQL, StatementSync>
      this.#log = new SqliteLog(this.#db, now)
      this.#removal = new SqliteRemoval(this.#db, now)
    } catch (error) {
      db?.close()
      throw toLoomiError(
        error,
        'store_unavailable',
        `Cannot open the log at ${path}: ${messageOf(error)}. Give a path in a folder that this process may write to.`,
      )
    }
  }

  append(
    ref: SessionRef,
    events: readonly NewEvent[],
    leaseUntil: number | null = null,
  ): Promise<AppendResult> {
    return this.#write(() => this.#log.append(ref, events, leaseUntil)) as Promise<AppendResult>
  }

  async leaseRuns(runs: readonly RunRef[], leaseUntil: number): Promise<void> {
    await this.#write(() => this.#log.lease(runs, leaseUntil))
  }

  async releaseRuns(runs: readonly RunRef[]): Promise<void> {
    await this.#write(() => this.#log.release(runs))
  }

  async stoppedRuns(runs: readonly RunRef[]): Promise<readonly RunRef[]> {
    return this.#ask(() => this.#log.stopped(runs))
  }

  async endRuns(status: 'stopped' | 'interrupted', choice: RunChoice, createdAt: string): Promise<number> {
    let ended = 0
    // Looked for first, because most sweeps find nothing and a write lock for that would disturb the writers.
    while (this.#ask(() => this.#log.openRuns(choice)).length > 0) {
      const more = (await this.#write(() => this.#log.endRuns(status, choice, createdAt))) as number
      if (more === 0) break
      ended += more
    }
    return ended
  }

  async savePresence(rows: readonly PresenceRow[]): Promise<void> {
    const values = rows.map((r) => [
      r.userId,
      r.sessionId,
      r.lastBeatAt,
      r.headSeq,
      r.pendingSeq,
      r.epoch,
      r.displayed,
    ])
    await this.#write(() => this.#sql.savePresence.run(JSON.stringify(values)))
  }

  async read(ref: SessionRef, after: number, limit: number): Promise<readonly StoredEvent[]> {
    return this.#ask(() => {
      // In slices, because `all` is several times faster than `iterate` and a whole page of large events would not be small.
      const rows: StoredEvent[] = []
      for (let bytes = 0; rows.length < limit;) {
        const from = rows.at(-1)?.seq ?? after
        const slice = this.#sql.read.all(
          ref.sessionId,
          ref.userId,
          from,
          Math.min(SLICE_ROWS, limit - rows.length),
        )
        for (const row of slice) {
          const event = toEvent(row)
          rows.push(event)
          bytes += event.event_data.length + (event.event_metadata?.length ?? 0)
          if (bytes >= PAGE_BYTES) return rows
        }
        if (slice.length < SLICE_ROWS) break
      }
      return rows
    })
  }

  async heads(refs: readonly SessionRef[]): Promise<readonly (SessionHead | null)[]> {
    return this.#ask(() => {
      const found = new Map<string, Record<string, unknown>>()
      for (const row of this.#sql.heads.all(JSON.stringify(refs.map((ref) => ref.sessionId)))) {
        found.set(String(row['session_id']), row)
      }
      return refs.map(({ sessionId, userId }) => {
        const row = found.get(sessionId)
        return row && row['user_id'] === userId ? toHead(row) : null
      })
    })
  }

  async keys(ref: SessionRef, seqs: readonly number[]): Promise<ReadonlyMap<number, string>> {
    return this.#ask(() => {
      const rows = this.#sql.keys.all(ref.sessionId, ref.userId, JSON.stringify(seqs))
      return new Map(rows.map((row) => [Number(row['seq']), keyOf(row as unknown as StoredEvent)]))
    })
  }

  async runHigh(ref: SessionRef, runId: string): Promise<RunPlace> {
    return this.#ask(() => this.#log.place(ref, runId))
  }

  async loadPresence(ref: SessionRef): Promise<PresenceRow | null> {
    return this.#ask(() => {
      const row = this.#sql.loadPresence.get(ref.userId, ref.sessionId)
      if (!row) return null
      return {
        userId: ref.userId,
        sessionId: ref.sessionId,
        lastBeatAt: Number(row['last_beat_at']),
        headSeq: Number(row['head_seq']),
        pendingSeq: row['pending_seq'] === null ? null : Number(row['pending_seq']),
        epoch: row['epoch'] as string | null,
        displayed: row['displayed'] as string | null,
      }
    })
  }

  async prune(retention: Retention, limit: number, from: string | null = null): Promise<Pruned> {
    // Looked for first, because most sessions have nothing to lose and a write lock for that would disturb the writers.
    const { cuts, next } = this.#ask(() => this.#removal.cuts(retention, limit, from))
    if (cuts.length === 0) return { removed: 0, next }
    const removed = (await this.#write(() => this.#removal.prune(cuts))) as number
    return { removed, next }
  }

  async deleteSessions(choice: SessionChoice): Promise<readonly SessionRef[]> {
    const sessions = this.#ask(() => this.#removal.sessions(choice))
    for (const { sessionId } of sessions)
      while (!(await this.#write(() => this.#removal.deleteSome(sessionId))));
    await this.#write(() => this.#removal.forget(choice))
    return sessions
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed)
    if (!this.#poll) {
      this.#dataVersion = this.#readDataVersion()
      // `data_version` moves when another connection has committed; asking costs a few microseconds.
      this.#poll = setInterval(() => this.#checkDataVersion(), POLL_MS)
      this.#poll.unref()
    }
    return () => {
      this.#watchers.delete(changed)
      if (this.#watchers.size > 0 || !this.#poll) return
      clearInterval(this.#poll)
      this.#poll = null
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    while (this.#flushing) await this.#flushing
    this.#closed = true
    if (this.#poll) clearInterval(this.#poll)
    this.#watchers.clear()
    this.#db.close()
  }

  #write(work: () => unknown): Promise<unknown> {
    if (this.#closed) return Promise.reject(new LoomiError('closed', 'The store is closed.'))
    return new Promise((resolve, reject) => {
      this.#queue.push({ work, resolve, reject })
      this.#flushing ??= this.#flush()
    })
  }

  async #flush(): Promise<void> {
    // One turn of the loop gathers the whole tick's appends for one commit.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#queue.length > 0) {
      const batch = this.#queue
      this.#queue = []
      try {
        await this.#begin()
        const results = this.#runAll(batch)
        this.#db.exec('commit')
        for (const settle of results) settle()
      } catch (error) {
        for (const { reject } of batch) reject(toStoreError(error))
        this.#rollBack()
      }
    }
    // In the same step as the last look at the queue: what is asked for later must start a flush of its own.
    this.#flushing = null
  }

  /** A rollback that fails too is tried again before the next transaction. */
  #rollBack(): void {
    try {
      if (this.#db.isTransaction) this.#db.exec('rollback')
    } catch {}
  }

  /** Takes the write lock without ever blocking the process. */
  async #begin(): Promise<void> {
    const giveUpAt = Date.now() + BUSY_GIVE_UP_MS
    for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 20)) {
      this.#rollBack()
      try {
        this.#db.exec('begin immediate')
        return
      } catch (error) {
        if (!isBusy(error) || Date.now() > giveUpAt) throw error
        await new Promise((resolve) => setTimeout(resolve, waitMs * (0.5 + Math.random())))
      }
    }
  }

  /** Does each piece of work under a savepoint, so that one that fails takes nothing else with it. */
  #runAll(batch: readonly Pending[]): (() => void)[] {
    return batch.map(({ work, resolve, reject }) => {
      this.#db.exec('savepoint work')
      try {
        const value = work()
        this.#db.exec('release work')
        return () => resolve(value)
      } catch (error) {
        // A full disk or a lost file ends the transaction by itself: then the whole batch failed.
        if (!this.#db.isTransaction) throw error
        this.#db.exec('rollback to work; release work')
        return () => reject(toStoreError(error))
      }
    })
  }

  #ask<T>(work: () => T): T {
    if (this.#closed) throw new LoomiError('closed', 'The store is closed.')
    try {
      return work()
    } catch (error) {
      throw toStoreError(error)
    }
  }

  #readDataVersion(): number {
    return Number(this.#sql.dataVersion.get()?.['data_version'] ?? 0)
  }

  #checkDataVersion(): void {
    let version: number
    try {
      version = this.#readDataVersion()
    } catch {
      // A hint that could not be had is only late: the slow poll reads anyway.
      return
    }
    if (version === this.#dataVersion) return
    this.#dataVersion = version
    for (const changed of this.#watchers) changed()
  }
}

function toEvent(row: Record<string, unknown>): StoredEvent {
  row['part_done'] = row['part_done'] === 1
  return row as unknown as StoredEvent
}

function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode
  // SQLITE_BUSY and SQLITE_LOCKED, extended codes included (https://sqlite.org/rescode.html).
  return code !== undefined && ((code & 0xff) === 5 || (code & 0xff) === 6)
}

function isRefusal(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode
  // SQLITE_TOOBIG, SQLITE_CONSTRAINT and SQLITE_MISMATCH: the same value fails every time.
  return code !== undefined && [18, 19, 20].includes(code & 0xff)
}

function toStoreError(error: unknown): LoomiError {
  if (isBusy(error))
    return new LoomiError('store_busy', 'Another process holds the log’s write lock. It is tried again.', {
      cause: error,
    })
  if (isRefusal(error))
    return new LoomiError('store_refused', `The log can never take this: ${messageOf(error)}.`, {
      cause: error,
    })
  return toLoomiError(error, 'store_failed', `The log could not be used: ${messageOf(error)}.`)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
