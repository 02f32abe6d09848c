/**
 * Errors on the wire: a code and a message that tells how to mend the request, never an internal text.
 *
 * @module
 */
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { LoomiError, type LoomiErrorCode } from './errors.ts'
import type { ErrorAnswer } from './protocol.ts'

const STATUS: Partial<Record<LoomiErrorCode, ContentfulStatusCode>> = {
  bad_id: 400,
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_loopback: 403,
  too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  too_many_streams: 503,
  draining: 503,
}

/** Answers an error that a request brought up. What is not the request's own fault is reported and answered as `internal`. */
export function answerError(c: Context, error: unknown, onError: (error: unknown) => void): Response {
  const status = error instanceof LoomiError ? STATUS[error.code] : undefined
  if (!(error instanceof LoomiError) || status === undefined) {
    onError(error)
    const answer: ErrorAnswer = {
      success: false,
      error: {
        code: 'internal',
        message: 'The server could not do this just now. Try again; its log says why.',
      },
    }
    return c.json(answer, 500, { 'Cache-Control': 'no-store' })
  }
  if (status === 401) c.header('WWW-Authenticate', 'Bearer')
  if (status === 429 || status === 503) c.header('Retry-After', String(1 + Math.floor(Math.random() * 5)))
  c.header('Cache-Control', 'no-store')
  return c.json(
    { success: false, error: { code: error.code, message: error.message } } satisfies ErrorAnswer,
    status,
  )
}
