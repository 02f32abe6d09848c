/**
 * The cursors of what was displayed on this device, kept in IndexedDB: the only file that knows it.
 *
 * @module
 */
import { openDB, type DBSchema, type IDBPDatabase } from 'idb'
import { parseCursor, type Cursor } from '../server/protocol.ts'

/** Keeps one displayed cursor per user and session. Page, heartbeat worker and service worker share the same data. */
export interface CursorStore {
  /** The cursor, null when there is none. */
  get(userId: string, sessionId: string): Promise<Cursor | null>
  /**
   * Keeps a cursor. Within an epoch it only moves forward; a cursor of another epoch replaces it, and so does one that
   * `restarts`, of a log that was replaced by an older copy of itself. What is no cursor, or only the beginning (`0`), is
   * ignored.
   */
  put(userId: string, sessionId: string, cursor: Cursor, restarts?: boolean): Promise<void>
  /** Drops all cursors of a user. */
  forget(userId: string): Promise<void>
  /** Lets go of the database; the next call opens it again. */
  close(): void
}

export interface CursorStoreOptions {
  /** Name of the database. Default `loomi-recovery`. */
  readonly name?: string
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** Sessions whose cursors are kept; the longest untouched go first. */
export const MAX_SESSIONS = 500

/** Milliseconds that an untouched cursor is kept: 30 days. */
export const MAX_AGE_MS = 30 * 24 * 3_600_000

interface Schema extends DBSchema {
  displayed: {
    key: [userId: string, sessionId: string]
    value: { user_id: string; session_id: string; cursor: Cursor; updated_at: number }
    indexes: { updated_at: number }
  }
}

/** A store that opens its database when first asked. Each method rejects when the browser has no IndexedDB to give. */
export function createCursorStore(options: CursorStoreOptions = {}): CursorStore {
  const { name = 'loomi-recovery', now = Date.now } = options
  let opened: Promise<IDBPDatabase<Schema>> | null = null

  const open = (): Promise<IDBPDatabase<Schema>> => {
    if (opened) return opened
    const opening = openDB<Schema>(name, 1, {
      upgrade(db, oldVersion) {
        if (oldVersion < 1) {
          const store = db.createObjectStore('displayed', { keyPath: ['user_id', 'session_id'] })
          store.createIndex('updated_at', 'updated_at')
        }
      },
      // A newer release in another tab waits for us to let go.
      blocking: () => close(),
      terminated: () => close(),
    })
    opened = opening
    opening.catch(() => {
      if (opened === opening) opened = null
    })
    return opening
  }

  const close = (): void => {
    opened?.then(
      (db) => db.close(),
      () => {},
    )
    opened = null
  }

  return {
    async get(userId, sessionId) {
      const db = await open()
      return (await db.get('displayed', [userId, sessionId]))?.cursor ?? null
    },

    async put(userId, sessionId, cursor, restarts = false) {
      if (parseCursor(cursor)?.epoch == null) return
      const tx = (await open()).transaction('displayed', 'readwrite', { durability: 'relaxed' })
      const kept = await tx.store.get([userId, sessionId])
      if (!kept || restarts || isAhead(cursor, kept.cursor)) {
        await tx.store.put({ user_id: userId, session_id: sessionId, cursor, updated_at: now() })
      }
      if (!kept) {
        let surplus = (await tx.store.count()) - MAX_SESSIONS
        let oldest = await tx.store.index('updated_at').openCursor()
        while (oldest && (surplus > 0 || oldest.value.updated_at < now() - MAX_AGE_MS)) {
          surplus--
          await oldest.delete()
          oldest = await oldest.continue()
        }
      }
      await tx.done
    },

    async forget(userId) {
      const tx = (await open()).transaction('displayed', 'readwrite', { durability: 'relaxed' })
      // In IndexedDB an array sorts after every string, so this spans all sessions of the user and nobody else's.
      await tx.store.delete(IDBKeyRange.bound([userId], [userId, []]))
      await tx.done
    },

    close,
  }
}

function isAhead(cursor: Cursor, kept: Cursor): boolean {
  const next = parseCursor(cursor)
  const last = parseCursor(kept)
  return next !== null && (last === null || next.epoch !== last.epoch || next.seq > last.seq)
}
