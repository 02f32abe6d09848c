/**
 * What SQLite's errors mean: worth another try, refused for good, or broken.
 *
 * @module
 */
import { LoomiError, toLoomiError } from '../errors.ts'

/** Whether another connection holds the lock. */
export function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode
  // SQLITE_BUSY and SQLITE_LOCKED, extended codes included (https://sqlite.org/rescode.html).
  return code !== undefined && ((code & 0xff) === 5 || (code & 0xff) === 6)
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
  return toLoomiError(error, 'store_failed', `The log could not be used: ${messageOf(error)}.`)
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function isRefusal(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode
  // SQLITE_TOOBIG, SQLITE_CONSTRAINT and SQLITE_MISMATCH: the same value fails every time.
  return code !== undefined && [18, 19, 20].includes(code & 0xff)
}
