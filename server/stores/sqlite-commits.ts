/**
 * The embedded store's writes: what is asked for in one tick, whatever its session, is one commit.
 *
 * @module
 */
import type { DatabaseSync } from 'node:sqlite'
import { whenFree } from './sqlite-busy.ts'
import { toStoreError } from './sqlite-errors.ts'

const BUSY_GIVE_UP_MS = 5000

interface Pending {
  readonly work: () => unknown
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/** The commits; see the module. */
export class SqliteCommits {
  readonly #db: DatabaseSync
  #queue: Pending[] = []
  #flushing: Promise<void> | null = null

  constructor(db: DatabaseSync) {
    this.#db = db
  }

  /** Does work in a transaction; resolves with what it gives when that is committed. */
  write<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ work, resolve, reject })
      this.#flushing ??= this.#flush()
    })
  }

  /** Resolves when everything that was asked for is done. */
  async end(): Promise<void> {
    while (this.#flushing) await this.#flushing
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
  #begin(): Promise<void> {
    return whenFree(() => {
      this.#rollBack()
      this.#db.exec('begin immediate')
    }, BUSY_GIVE_UP_MS)
  }

  /** Does each piece of work under a savepoint, so that one that fails takes nothing else with it. */
  #runAll(batch: readonly Pending[]): (() => void)[] {
    return batch.map(({ work, resolve, reject }) => {
      this.#db.exec('savepoint work')
      try {
        const value = work()
        this.#db.exec('release work')
        return () => resolve(value as never)
      } catch (error) {
        // A full disk or a lost file ends the transaction by itself: then the whole batch failed.
        if (!this.#db.isTransaction) throw error
        this.#db.exec('rollback to work; release work')
        return () => reject(toStoreError(error))
      }
    })
  }
}
