/**
 * What SQLite's errors mean for the log (https://sqlite.org/rescode.html), and how to mend it.
 *
 * @module
 */
import { LoomiError, type LoomiErrorCode, toLoomiError } from '../errors.ts'

/** Whether another connection holds the lock. */
export function isBusy(error: unknown): boolean {
  if (error instanceof LoomiError) return error.code === 'store_busy'
  const code = resultOf(error)
  // SQLITE_BUSY and SQLITE_LOCKED.
  return code === 5 || code === 6
}

/** An error of SQLite as the store's. */
export function toStoreError(error: unknown): LoomiError {
  if (isBusy(error))
    return new LoomiError('store_busy', 'Another process holds the log’s write lock. It is tried again.', {
      cause: error,
    })
  if (isRefusal(error))
    return new LoomiError('store_refused', `The log can never take this: ${messageOf(error)}.`, {
      cause: error,
    })
  const { code, remedy } = MEANINGS[resultOf(error) ?? 0] ?? { code: 'store_failed', remedy: '' }
  return toLoomiError(error, code, `The log could not be used: ${messageOf(error)}.${remedy && ` ${remedy}`}`)
}

/** Why a log can't be opened. */
export function toOpeningError(error: unknown, path: string): LoomiError {
  const result = resultOf(error) ?? 0
  const { code, remedy } = OPENING.has(result) ? MEANINGS[result]! : ELSEWHERE
  return toLoomiError(error, code, `Cannot open the log at ${path}: ${messageOf(error)}. ${remedy}`)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

interface Meaning {
  readonly code: LoomiErrorCode
  readonly remedy: string
}

const DAMAGED: Meaning = {
  code: 'store_failed',
  remedy: 'Its file is damaged: restore a backup, or what can be saved with: sqlite3 FILE .recover',
}

const MEANINGS: Readonly<Record<number, Meaning>> = {
  // SQLITE_BUSY, while it is opened: what was open already has waited for its turn.
  5: {
    code: 'store_busy',
    remedy: 'Another process is preparing it, or holds its lock. It is tried again.',
  },
  // SQLITE_READONLY: the file was opened by somebody who may not write to it.
  8: {
    code: 'store_misconfigured',
    remedy: 'Let this process write to the log’s file and to its folder.',
  },
  // SQLITE_IOERR, also for a file system that has become read-only under the log, or has no room for the files beside it.
  10: {
    code: 'store_unavailable',
    remedy: 'It is tried again; is its disk full, broken, gone, or mounted read-only?',
  },
  // SQLITE_CORRUPT
  11: DAMAGED,
  // SQLITE_FULL
  13: {
    code: 'store_unavailable',
    remedy: 'Its disk is full: make room, or let old rows go with `retention`. It is tried again.',
  },
  // SQLITE_CANTOPEN, while it is used: of the files beside the log's own.
  14: {
    code: 'store_unavailable',
    remedy:
      'It is tried again; is its folder there, may this process write to it, and open more files (ulimit -n)?',
  },
  // SQLITE_NOTADB
  26: DAMAGED,
}

/** What also an opening may find: a file that is held or damaged or takes no changes, a disk that is full or takes none. */
const OPENING: ReadonlySet<number> = new Set([5, 8, 10, 11, 13, 26])

const ELSEWHERE: Meaning = {
  code: 'store_unavailable',
  remedy: 'Give a path in a folder that this process may write to.',
}

function isRefusal(error: unknown): boolean {
  // SQLITE_TOOBIG, SQLITE_CONSTRAINT and SQLITE_MISMATCH: the same value fails every time.
  return [18, 19, 20].includes(resultOf(error) ?? 0)
}

/** SQLite's result code without what extends it. */
function resultOf(error: unknown): number | undefined {
  const { errcode } = error as { errcode?: number }
  return errcode === undefined ? undefined : errcode & 0xff
}
