/**
 * The route: the two endpoints and the files of the page.
 *
 * @module
 */
import { type Context, Hono } from 'hono'
import { type Authorize, type Identity, loopbackOnly } from './authorize.ts'
import type { Asset } from './assets.ts'
import { within } from './clock.ts'
import { answerError } from './error-answers.ts'
import { LoomiError } from './errors.ts'
import { readHeartbeat } from './heartbeat-body.ts'
import { ALREADY_SENT_HEADER, nodeResponseOf, nodeSink, remoteAddressOf } from './node-sink.ts'
import { formatCursor, type HeartbeatAnswer, isId } from './protocol.ts'
import type { RateLimit } from './rate-limit.ts'
import type { RunBook } from './runs.ts'
import { type Sink, STREAM_HEADERS, webSink } from './sinks.ts'
import type { SessionHead, SessionRef } from './store.ts'
import { cursorIncludesAll } from './opening.ts'
import { serveStream, type StreamDeps, type StreamQuery } from './stream.ts'
import type { Streams } from './streams.ts'

const MAX_PACE_MS = 5000
/** Longer texts are no cursor; they are answered like any other malformed one. */
const MAX_CURSOR_LENGTH = 128

const REFUSALS = {
  draining: 'This server is going away, and another one takes its place. Try again after Retry-After.',
  too_many_streams: 'This server holds as many streams as it may. Try again after Retry-After.',
} as const

/** What the route works with. */
export interface RouteDeps extends StreamDeps {
  readonly authorize: Authorize | undefined
  readonly streams: Streams
  readonly runs: RunBook
  readonly rateLimit: RateLimit
  readonly intervalMs: number
  readonly readAsset: (path: string) => Promise<Asset | null>
}

/** The route, to be mounted with `app.route('/api/loomi', …)`. */
export function loomiRoutes(deps: RouteDeps): Hono {
  const app = new Hono()
  app.onError((error, c) => answerError(c, error, deps.onError))
  app.post('/heartbeat', (c) => heartbeat(c, deps))
  app.get('/stream/:session_id', (c) => stream(c, deps))
  app.get('/:file{.+}', (c) => file(c, deps))
  return app
}

async function heartbeat(c: Context, deps: RouteDeps): Promise<Response> {
  const body = await readHeartbeat(c.req.raw)
  const claim = { sessionId: body.session_id, userId: body.user_id }
  const { userId } = await identify(c, deps, claim)
  if (userId !== body.user_id) {
    throw new LoomiError(
      'forbidden',
      'user_id is not the user of the credential. Send the user that the ticket was issued for.',
    )
  }
  const ref = { sessionId: body.session_id, userId }
  deps.rateLimit.take(ref)
  const head = await knownHead(ref, deps)
  await deps.presence.beat(ref, head, {
    ...(body.rung && { rung: body.rung }),
    ...(body.state && { state: body.state }),
    ...(body.last_event_id && { displayed: body.last_event_id }),
  })
  const answer: HeartbeatAnswer = {
    success: true,
    timestamp: new Date(deps.clock.now()).toISOString(),
    latest_event_id: head && formatCursor(head.epoch, head.head, head.headKey),
    interval_ms: deps.intervalMs,
  }
  return c.json(answer, 200, { 'Cache-Control': 'no-store' })
}

/** The head for a beat. A store that does not answer takes nothing from the beat but the place. */
async function knownHead(
  ref: SessionRef,
  { log, clock, storeTimeoutMs, onError }: RouteDeps,
): Promise<SessionHead | null> {
  try {
    return await within(clock, storeTimeoutMs, log.knownHead(ref))
  } catch (error) {
    onError(error)
    return null
  }
}

async function stream(c: Context, deps: RouteDeps): Promise<Response> {
  const sessionId = c.req.param('session_id') ?? ''
  if (!isId(sessionId))
    throw new LoomiError('bad_id', 'The session’s id is 1 to 128 characters, percent-encoded in the path.')
  const claimed = c.req.query('user_id')
  const identity = await identify(c, deps, { sessionId, userId: isId(claimed) ? claimed : null })
  const ref: SessionRef = { sessionId, userId: identity.userId }
  const query = readQuery(c)
  const head = await presentHead(ref, deps)
  if (head && query.cursor !== null && cursorIncludesAll(query.cursor, head)) {
    return c.body(null, 204, { 'Cache-Control': 'no-store' })
  }
  if (c.req.method === 'HEAD') return c.body(null, 200, STREAM_HEADERS)
  const { refusal } = deps.streams
  if (refusal) throw new LoomiError(refusal, REFUSALS[refusal])
  const outgoing = nodeResponseOf(c.env)
  // What middleware has set so far, a CORS header for one, belongs on the stream too.
  const headers = { ...Object.fromEntries(c.res.headers), ...STREAM_HEADERS }
  const begin = (sink: Sink): void => {
    const open = deps.streams.open(ref, sink, identity.expiresAt)
    serveStream(open, ref, query, deps, head).catch(deps.onError)
  }
  if (outgoing) {
    begin(nodeSink(outgoing, headers))
    return new Response(null, { headers: { [ALREADY_SENT_HEADER]: 'true' } })
  }
  const { sink, body } = webSink()
  c.req.raw.signal.addEventListener('abort', sink.destroy, { once: true })
  begin(sink)
  return new Response(body, { headers })
}

/** The head as the store has it; a store that does not answer now is asked again inside the stream. */
async function presentHead(
  ref: SessionRef,
  { log, runs, clock, storeTimeoutMs, onError }: RouteDeps,
): Promise<SessionHead | null> {
  try {
    // Who comes to read shall not find an answer that goes on for ever.
    const asked = runs.sweep().then(() => log.head(ref))
    return await within(clock, storeTimeoutMs, asked)
  } catch (error) {
    onError(error)
    return null
  }
}

function readQuery(c: Context): StreamQuery {
  // An EventSource repeats its URL on every reconnect, so the header is newer than the parameter.
  const cursor = c.req.header('last-event-id') || c.req.query('after') || null
  const pace = Number(c.req.query('pace') ?? 0)
  if (!Number.isInteger(pace) || pace < 0 || pace > MAX_PACE_MS) {
    throw new LoomiError('bad_request', `pace is a whole number of milliseconds from 0 to ${MAX_PACE_MS}.`)
  }
  const follow = c.req.query('follow') !== '0'
  return {
    cursor: cursor && cursor.slice(0, MAX_CURSOR_LENGTH),
    seen: c.req.query('seen')?.slice(0, MAX_CURSOR_LENGTH) || null,
    merge: c.req.query('merge') === '1',
    follow,
    paceMs: follow ? 0 : pace,
  }
}

async function identify(
  c: Context,
  deps: RouteDeps,
  claim: { sessionId: string; userId: string | null },
): Promise<Identity> {
  if (!deps.authorize) return loopbackOnly(c.req.raw, claim, remoteAddressOf(c.env))
  const identity = await deps.authorize(c.req.raw, claim)
  if (!identity || !isId(identity.userId)) {
    throw new LoomiError(
      'unauthorized',
      'The credential is missing, forged, expired or for another session. Get a new one and try again.',
    )
  }
  return identity
}

async function file(c: Context, deps: RouteDeps): Promise<Response> {
  const asset = await deps.readAsset(c.req.param('file') ?? '')
  if (!asset)
    return c.json({ success: false, error: { code: 'not_found', message: 'No such file here.' } }, 404)
  if (c.req.header('if-none-match') === asset.etag) return c.body(null, 304, { ETag: asset.etag })
  return c.body(asset.bytes, 200, {
    'Content-Type': asset.type,
    'Cache-Control': asset.immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
    ETag: asset.etag,
    'X-Content-Type-Options': 'nosniff',
  })
}
