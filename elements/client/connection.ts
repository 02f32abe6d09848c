/**
 * One request for the stream and the frames that it answers with.
 *
 * @module
 */
import { createParser } from 'eventsource-parser'
import { type ErrorAnswer, SILENCE_MS } from '../../server/protocol.ts'
import { retryAfterMs } from './backoff.ts'
import { abortable } from './clock.ts'
import type { RawFrame } from './frames.ts'
import type { Clock } from './types.ts'

/** Milliseconds from the request to its first byte; more means that something on the way holds the stream back. */
export const FIRST_BYTE_MS = 10_000
/** What is parsed in one go, in bytes. */
const PIECE_BYTES = 32 * 1024

/** Why a connection did not serve: `kind` says what can be done about it. */
export class ConnectionError extends Error {
  /** `unauthorized`: a new token may help; `refused`: nothing will; `silent`: no first byte; `broken`: try again. */
  readonly kind: 'unauthorized' | 'refused' | 'silent' | 'broken'
  /** The server's word for it, or `network`, `silent`, `not_a_stream`, `http_<status>`. */
  readonly code: string
  /** Milliseconds that the server asks to wait, 0 when it does not say. */
  readonly retryAfterMs: number

  constructor(
    kind: ConnectionError['kind'],
    code: string,
    message: string,
    options: ErrorOptions & { retryAfterMs?: number } = {},
  ) {
    super(message, options)
    this.kind = kind
    this.code = code
    this.retryAfterMs = options.retryAfterMs ?? 0
  }
}

/** What a connection needs. Everything that it holds is let go when `attempt` aborts. */
export interface Connection {
  readonly url: string
  readonly headers: { readonly [name: string]: string }
  readonly credentials: RequestCredentials
  readonly fetch: typeof fetch
  readonly clock: Clock
  readonly attempt: AbortController
  /** Called with each piece of the body, comments included. */
  readonly onBytes: () => void
  /** The server's `retry:`, in milliseconds. */
  readonly onRetry: (ms: number) => void
}

/**
 * Reads the stream: the frames of one network chunk at a time, the next chunk only when it is asked for, so a
 * slow taker slows the server down. Ends when the server ends the stream; an answer 204 (the session was
 * closed) reads as one `session_complete`. Throws a {@link ConnectionError}, or the abort's reason.
 */
export async function* readStream(connection: Connection): AsyncGenerator<readonly RawFrame[]> {
  const { attempt, clock } = connection
  const watchdog = new Watchdog(clock, attempt)
  watchdog.watch(
    FIRST_BYTE_MS,
    'silent',
    'No byte arrived within 10 s. A proxy that buffers event streams must be told not to.',
  )
  try {
    const response = await request(connection)
    if (response.status === 204) yield [{ id: null, data: '{"type":"session_complete"}' }]
    else if (response.ok) yield* chunks(response, connection, watchdog)
    else throw await refusal(response, clock.now(), attempt.signal)
  } finally {
    watchdog.rest()
  }
}

async function request({
  url,
  headers,
  credentials,
  fetch,
  attempt: { signal },
}: Connection): Promise<Response> {
  signal.throwIfAborted()
  let answer: Promise<Response> | null = null
  try {
    answer = fetch(url, { headers, credentials, cache: 'no-store', signal })
    return await abortable(answer, signal)
  } catch (cause) {
    // A fetch that does not heed its signal must not leave a stream open that nobody reads.
    if (signal.aborted) answer?.then((late) => late.body?.cancel()).catch(() => {})
    signal.throwIfAborted()
    throw new ConnectionError('broken', 'network', 'The server can not be reached.', { cause })
  }
}

async function* chunks(
  response: Response,
  { attempt, onBytes, onRetry }: Connection,
  watchdog: Watchdog,
): AsyncGenerator<readonly RawFrame[]> {
  const type = response.headers.get('content-type') ?? ''
  if (!response.body || !type.startsWith('text/event-stream')) {
    await response.body?.cancel().catch(() => {})
    const message = `The answer is ${type || 'of no type'}, not an event stream: is "base" the path of the loomi route?`
    throw new ConnectionError('broken', 'not_a_stream', message)
  }
  let frames: RawFrame[] = []
  const parser = createParser({ onEvent: ({ id, data }) => frames.push({ id: id ?? null, data }), onRetry })
  const decoder = new TextDecoder()
  const reader = response.body.getReader()
  try {
    for (;;) {
      const { done, value } = await abortable(reader.read(), attempt.signal)
      if (done) return
      watchdog.rest()
      onBytes()
      // A browser may hand over megabytes at once; whoever takes the frames breathes between two pieces.
      for (let at = 0; at < value.length; at += PIECE_BYTES) {
        parser.feed(decoder.decode(value.subarray(at, at + PIECE_BYTES), { stream: true }))
        const batch = frames
        frames = []
        if (batch.length > 0) yield batch
      }
      watchdog.watch(SILENCE_MS, 'broken', 'Not even a keep-alive arrived for 40 s.')
    }
  } catch (cause) {
    attempt.signal.throwIfAborted()
    throw new ConnectionError('broken', 'network', 'The connection broke off.', { cause })
  } finally {
    reader.cancel().catch(() => {})
  }
}

/** Aborts an attempt when nothing comes. Only waiting for the server counts, not what the taker needs. */
class Watchdog {
  readonly #clock: Clock
  readonly #attempt: AbortController
  #timer: unknown = null

  constructor(clock: Clock, attempt: AbortController) {
    this.#clock = clock
    this.#attempt = attempt
  }

  watch(ms: number, kind: 'silent' | 'broken', message: string): void {
    this.rest()
    this.#timer = this.#clock.setTimeout(
      () => this.#attempt.abort(new ConnectionError(kind, 'silent', message)),
      ms,
    )
  }

  rest(): void {
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer)
    this.#timer = null
  }
}

async function refusal(response: Response, now: number, signal: AbortSignal): Promise<ConnectionError> {
  const answer = await refusalAnswer(response, signal)
  signal.throwIfAborted()
  const { status } = response
  const code = answer?.error?.code ?? `http_${status}`
  const message = answer?.error?.message ?? `The server answered ${status}.`
  const asked = { retryAfterMs: retryAfterMs(response.headers.get('retry-after'), now) }
  if (status === 401) return new ConnectionError('unauthorized', code, message)
  const again = status === 408 || status === 425 || status === 429 || status >= 500
  return new ConnectionError(again ? 'broken' : 'refused', code, message, asked)
}

/** The server's words; a proxy's own error page has none that could be shown. */
async function refusalAnswer(response: Response, signal: AbortSignal): Promise<Partial<ErrorAnswer> | null> {
  if (response.headers.get('content-type')?.startsWith('application/json')) {
    return abortable(response.json() as Promise<Partial<ErrorAnswer>>, signal).catch(() => null)
  }
  response.body?.cancel().catch(() => {})
  return null
}
