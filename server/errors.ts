/**
 * The one error of the package.
 *
 * @module
 */

/** What went wrong, in a word to switch on. */
export type LoomiErrorCode =
  | 'bad_id'
  | 'bad_event'
  | 'event_too_large'
  | 'bad_option'
  | 'bad_request'
  | 'unauthorized'
  | 'forbidden'
  | 'not_loopback'
  | 'too_large'
  | 'unsupported_media_type'
  | 'rate_limited'
  | 'too_many_streams'
  | 'draining'
  | 'not_owner'
  | 'session_closed'
  | 'stopped'
  | 'overlap'
  | 'pending_full'
  | 'store_busy'
  | 'store_unavailable'
  | 'store_failed'
  | 'store_refused'
  | 'store_misconfigured'
  | 'closed'
  | 'internal'

/** An error with a `code` to switch on and a message that tells how to mend it; `cause` keeps what lay below. */
export class LoomiError extends Error {
  readonly code: LoomiErrorCode

  constructor(code: LoomiErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'LoomiError'
    this.code = code
  }
}

/** Any thrown value as a {@link LoomiError}; what is not one already becomes `fallback` with the value as cause. */
export function toLoomiError(error: unknown, fallback: LoomiErrorCode, message: string): LoomiError {
  return error instanceof LoomiError ? error : new LoomiError(fallback, message, { cause: error })
}
