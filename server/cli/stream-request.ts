/**
 * One request for a session's stream, and what it brings.
 *
 * @module
 */
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { Clock } from '../clock.ts'
import { SILENCE_MS } from '../protocol.ts'
import { harmlessLine } from './harmless.ts'

const MESSAGE_CHARS = 500

/** The connection did not hold or the server can't serve just now: to be tried again. */
export class Broken extends Error {
  override readonly name = 'Broken'
  /** Milliseconds that the server asks to wait, 0 when it does not say. */
  readonly askedMs: number

  constructor(message: string, { askedMs = 0, cause }: { askedMs?: number; cause?: unknown } = {}) {
    super(message, { cause })
    this.askedMs = askedMs
  }
}

/** Trying again would bring the same. */
export class Refused extends Error {
  override readonly name = 'Refused'
  /** The HTTP status, or what else was in the way. */
  readonly why: number | 'not_a_stream' | 'superseded'

  constructor(why: Refused['why'], message: string) {
    super(message)
    this.why = why
  }
}

/** What a request needs. */
export interface StreamRequest {
  readonly url: URL
  readonly headers: { readonly [name: string]: string }
  readonly fetch: typeof fetch
  readonly clock: Clock
  readonly signal: AbortSignal
  /** The server's `retry:`, in milliseconds. */
  readonly onRetry: (ms: number) => void
  /** A comment came: the stream is quiet and alive. */
  readonly onAlive: () => void
}

/**
 * Asks, and gives the messages as they come; reads on only when asked for more, so that a slow taker slows the server down.
 * Ends when the server ends the stream. Status 204, the session is closed, reads as a `session_complete` without a place.
 * Throws {@link Broken} (also after 40 s without a byte), {@link Refused}, or the signal's reason.
 */
export async function* readStream(request: StreamRequest): AsyncGenerator<EventSourceMessage> {
  const { clock, fetch, headers, signal, url } = request
  const silence = new AbortController()
  const either = AbortSignal.any([signal, silence.signal])
  // Only waiting for the server counts, not what the taker needs.
  const patiently = async <T>(work: Promise<T>, otherwise: string): Promise<T> => {
    const timer = clock.setTimeout(() => silence.abort(), SILENCE_MS)
    try {
      return await work
    } catch (cause) {
      signal.throwIfAborted()
      if (silence.signal.aborted) throw new Broken(`Nothing came for ${SILENCE_MS / 1000} s.`)
      throw new Broken(`${otherwise}${codeOf(cause)}.`, { cause })
    } finally {
      clock.clearTimeout(timer)
    }
  }

  signal.throwIfAborted()
  const response = await patiently(
    fetch(url, { headers, cache: 'no-store', signal: either }),
    'The server can not be reached',
  )
  if (response.status === 204) {
    yield { id: undefined, event: undefined, data: '{"type":"session_complete"}' }
    return
  }
  if (!response.ok) throw await patiently(refusal(response, clock.now()), 'The connection broke off')
  const type = response.headers.get('content-type') ?? ''
  if (!response.body || !type.startsWith('text/event-stream')) {
    await response.body?.cancel().catch(() => undefined)
    const shown = harmlessLine(type, 100) || 'of no type'
    throw new Refused('not_a_stream', `The answer is ${shown}, not an event stream.`)
  }

  let messages: EventSourceMessage[] = []
  const parser = createParser({
    onEvent: (message) => messages.push(message),
    onRetry: request.onRetry,
    onComment: request.onAlive,
  })
  const decoder = new TextDecoder()
  const reader = response.body.getReader()
  try {
    for (;;) {
      const { done, value } = await patiently(reader.read(), 'The connection broke off')
      if (done) return
      parser.feed(decoder.decode(value, { stream: true }))
      const batch = messages
      messages = []
      yield* batch
    }
  } finally {
    reader.cancel().catch(() => undefined)
  }
}

async function refusal(response: Response, now: number): Promise<Broken | Refused> {
  const { headers, status } = response
  const said = await messageOf(response)
  const again = status === 408 || status === 425 || status === 429 || status >= 500
  if (!again) return new Refused(status, said || `The server answered ${status}.`)
  const askedMs = retryAfterMs(headers.get('retry-after'), now)
  return new Broken(`The server answered ${status}${said && `: ${said}`}`, { askedMs })
}

/** The server's own words; a proxy's error page has none that could be shown. */
async function messageOf(response: Response): Promise<string> {
  if (!response.headers.get('content-type')?.startsWith('application/json')) {
    await response.body?.cancel().catch(() => undefined)
    return ''
  }
  const answer = (await response.json().catch(() => null)) as { error?: { message?: unknown } } | null
  const message = answer?.error?.message
  return typeof message === 'string' ? harmlessLine(message, MESSAGE_CHARS) : ''
}

/** Milliseconds that a `Retry-After` header asks for (seconds or a date); 0 when it is absent or senseless. */
function retryAfterMs(header: string | null, now: number): number {
  if (header === null) return 0
  const seconds = Number(header)
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - now
  return ms > 0 ? ms : 0
}

/** The system's word for what went wrong, in brackets; fetch itself says only that it failed. */
function codeOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: unknown } }
  return typeof cause?.code === 'string' ? ` (${harmlessLine(cause.code, 40)})` : ''
}
