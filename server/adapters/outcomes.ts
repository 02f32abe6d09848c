/**
 * How an answer ended, out of the many words that providers have for it.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { Outcome } from './adapter.ts'
import { errorCode } from './shapes.ts'
import { fieldsOf } from './values.ts'

/** A failure, under the provider's own word for it. */
export function failed(code: unknown): Outcome {
  return { status: 'failed', code: errorCode(code) }
}

/** The failure that an `error` event tells. */
export function failedBy(error: Draft): Outcome {
  return failed(fieldsOf(error.event_data)['code'])
}

/**
 * How an answer went that ended for a reason. What grew too long is complete with what there is; what a filter took
 * away is not.
 */
export function outcomeOf(reason: unknown): Outcome | null {
  if (reason === 'content_filter' || reason === 'content-filter') return failed('content_filter')
  return reason === 'error' ? failed(reason) : null
}
