/**
 * The embedded store: one SQLite file, any number of processes on one machine.
 *
 * WAL with `synchronous=FULL`, so a commit survives a power cut. All appends of one tick, whatever their
 * session, are one commit. `busy_timeout` is 0 because SQLite's own wait would freeze every stream of the
 * process; a busy file is tried again from a timer instead, also while it is opened (`openStore`).
 *
 * @module
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { LoomiError } from '../errors.ts'
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
} from '../store.ts'
import { SqliteCommits } from './sqlite-commits.ts'
import { isBusy, toOpeningError, toStoreError } from './sqlite-errors.ts'
import { SqliteLog } from './sqlite-log.ts'
import { SqliteReads } from './sqlite-reads.ts'
import { SqliteRemoval } from './sqlite-removal.ts'
import { prepareSchema } from './sqlite-schema.ts'
import { SqliteUsers } from './sqlite-users.ts'

const POLL_MS = 50

/**
 * Opens a SQLite log. `path` is a file (its folder is made) or `:memory:`; `now` says how old rows are and when leases lapse,
 * in milliseconds since 1970. Throws `store_unavailable` when it can't, `store_misconfigured` when it may not write to it,
 * `store_busy` when another process holds it, `store_failed` when it is damaged or of a newer version.
 */
export function openSqlite(path: string, now: () => number = Date.now): Store {
  return new SqliteStore(path, now)
}

class SqliteStore implements Store {
  readonly #db: DatabaseSync
  readonly #commits: SqliteCommits
  readonly #log: SqliteLog
  readonly #reads: SqliteReads
  readonly #users: SqliteUsers
  readonly #removal: SqliteRemoval
  readonly #askVersion: StatementSync
  readonly #watchers = new Set<() => void>()
  #poll: ReturnType<typeof setInterval> | null = null
  #dataVersion = 0
  #closed = false

  constructor(path: string, now: () => number) {
    let db: DatabaseSync | null = null
    try {
      if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true })
      this.#db = db = new DatabaseSync(path)
      this.#db.exec(
        'pragma busy_timeout = 0; pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on',
      )
      prepareSchema(this.#db, now())
      checkWritable(this.#db)
      this.#commits = new SqliteCommits(this.#db)
      this.#log = new SqliteLog(this.#db, now)
      this.#reads = new SqliteReads(this.#db)
      this.#users = new SqliteUsers(this.#db)
      this.#removal = new SqliteRemoval(this.#db, now)
      this.#askVersion = this.#db.prepare('pragma data_version')
    } catch (error) {
      db?.close()
      throw toOpeningError(error, path)
    }
  }

  append(ref: SessionRef, events: readonly NewEvent[], leaseMs: number | null = null): Promise<AppendResult> {
    return this.#write(() => this.#log.append(ref, events, leaseMs))
  }

  async leaseRuns(runs: readonly RunRef[], leaseMs: number): Promise<void> {
    await this.#write(() => this.#log.lease(runs, leaseMs))
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
      const more = await this.#write(() => this.#log.endRuns(status, choice, createdAt))
      if (more === 0) break
      ended += more
    }
    return ended
  }

  async transferSession(sessionId: string, from: string, to: string): Promise<boolean> {
    return this.#write(() => this.#users.transfer(sessionId, from, to))
  }

  async savePresence(rows: readonly PresenceRow[]): Promise<void> {
    await this.#write(() => this.#users.savePresence(rows))
  }

  async loadPresence(ref: SessionRef): Promise<PresenceRow | null> {
    return this.#ask(() => this.#users.loadPresence(ref))
  }

  async read(ref: SessionRef, after: number, limit: number): Promise<LogPage> {
    return this.#ask(() => this.#reads.page(ref, after, limit))
  }

  async heads(refs: readonly SessionRef[]): Promise<readonly (SessionHead | null)[]> {
    return this.#ask(() => this.#reads.heads(refs))
  }

  async keys(ref: SessionRef, seqs: readonly number[]): Promise<ReadonlyMap<number, string>> {
    return this.#ask(() => this.#reads.keys(ref, seqs))
  }

  async runHigh(ref: SessionRef, runId: string): Promise<RunPlace> {
    return this.#ask(() => this.#log.place(ref, runId))
  }

  async prune(retention: Retention, limit: number, from: string | null = null): Promise<Pruned> {
    // Looked for first, because most sessions have nothing to lose and a write lock for that would disturb the writers.
    const { cuts, next } = this.#ask(() => this.#removal.cuts(retention, limit, from))
    if (cuts.length === 0) return { removed: 0, next }
    const removed = await this.#write(() => this.#removal.prune(cuts))
    return { removed, next }
  }

  async deleteSessions(choice: SessionChoice): Promise<readonly SessionRef[]> {
    const all: SessionRef[] = []
    for (const { sessionId } of this.#ask(() => this.#removal.sessions(choice)))
      for (let isOver = false; !isOver;) {
        const { isDone, deleted } = await this.#write(() => this.#removal.deleteSome(sessionId, choice))
        if (deleted) all.push(deleted)
        isOver = isDone
      }
    await this.#write(() => this.#removal.forget(choice))
    return all
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
    await this.#commits.end()
    this.#closed = true
    if (this.#poll) clearInterval(this.#poll)
    this.#watchers.clear()
    this.#db.close()
  }

  #write<T>(work: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new LoomiError('closed', 'The store is closed.'))
    return this.#commits.write(work)
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
    return Number(this.#askVersion.get()?.['data_version'] ?? 0)
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

/** SQLite opens a file that it may not write to all the same, and then never writes to it, whatever it may later. */
function checkWritable(db: DatabaseSync): void {
  try {
    db.exec('delete from loomi_runs where false')
  } catch (error) {
    // Somebody is writing to it just now.
    if (!isBusy(error)) throw error
  }
}
