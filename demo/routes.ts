/**
 * The endpoints behind the demo's buttons.
 *
 * @module
 */
import { type Context, Hono } from 'hono'
import { LoomiError } from '../server/errors.ts'
import type { Loomi } from '../server/loomi.ts'
import { isId, parseCursor } from '../server/protocol.ts'
import type { AgentClient } from './agent-client.ts'
import type { Faults } from './faults.ts'
import { MAX_QUESTION_LENGTH, VISITOR } from './messages.ts'
import { plainStream } from './plain-stream.ts'

const MAX_BODY_BYTES = 4096
const MAX_OFFLINE_MS = 30_000
/** The answer to the button gets out before the process is gone. */
const LAST_WORDS_MS = 20

/** What the endpoints work with. */
export interface DemoDeps {
  readonly loomi: Loomi
  readonly faults: Faults
  readonly agent: AgentClient
}

/** The endpoints, to be mounted at `/demo`. */
export function demoRoutes({ loomi, faults, agent }: DemoDeps): Hono {
  const app = new Hono()

  app.post('/open', async (c) => {
    await agent({ session: sessionOf(await bodyOf(c)), question: null })
    return c.body(null, 204)
  })

  app.post('/ask', async (c) => {
    const body = await bodyOf(c)
    const question = typeof body['question'] === 'string' ? body['question'].trim() : ''
    if (question === '' || question.length > MAX_QUESTION_LENGTH) {
      throw new LoomiError('bad_request', `question is a text of 1 to ${MAX_QUESTION_LENGTH} characters.`)
    }
    await agent({ session: sessionOf(body), question })
    return c.body(null, 204)
  })

  app.post('/stop', async (c) => {
    // The agent is another process: the stop reaches it through the log.
    await loomi.stop(sessionOf(await bodyOf(c)))
    return c.body(null, 204)
  })

  app.post('/cut', async (c) => {
    faults.cut(sessionOf(await bodyOf(c)))
    return c.body(null, 204)
  })

  app.post('/offline', async (c) => {
    const body = await bodyOf(c)
    const ms = body['ms']
    if (typeof ms !== 'number' || !Number.isInteger(ms) || ms < 1 || ms > MAX_OFFLINE_MS) {
      throw new LoomiError('bad_request', `ms is a whole number of milliseconds from 1 to ${MAX_OFFLINE_MS}.`)
    }
    faults.offline(sessionOf(body), ms)
    return c.body(null, 204)
  })

  app.post('/kill', async (c) => {
    await bodyOf(c)
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), LAST_WORDS_MS)
    return c.body(null, 204)
  })

  app.get('/status/:session', async (c) => {
    const session = sessionOf({ session: c.req.param('session') })
    const cursor = await loomi.session({ sessionId: session, userId: VISITOR }).cursor()
    return c.json({ events: parseCursor(cursor)?.seq ?? 0, server: process.pid }, 200, {
      'Cache-Control': 'no-store',
    })
  })

  app.get('/plain/:session', (c) => plainStream(c, loomi, sessionOf({ session: c.req.param('session') })))

  return app
}

type Body = Readonly<Record<string, unknown>>

/** JSON only: another site's page cannot send that here without being asked who it is. */
async function bodyOf(c: Context): Promise<Body> {
  if (!/^application\/json\b/i.test(c.req.header('content-type') ?? '')) {
    throw new LoomiError('unsupported_media_type', 'Send JSON, with Content-Type: application/json.')
  }
  if (!(Number(c.req.header('content-length') ?? NaN) <= MAX_BODY_BYTES)) {
    throw new LoomiError('too_large', `The body has at most ${MAX_BODY_BYTES} bytes, and says how many.`)
  }
  const body = await c.req.json<unknown>().catch(() => null)
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new LoomiError('bad_request', 'The body is a JSON object.')
  }
  return body as Body
}

function sessionOf(body: Body): string {
  const session = body['session']
  if (!isId(session)) throw new LoomiError('bad_id', 'session is a text of 1 to 128 characters.')
  return session
}
