/**
 * The body of a beat, from bytes to checked fields.
 *
 * @module
 */
import { LoomiError } from './errors.ts'
import { type HeartbeatBody, isId, MAX_HEARTBEAT_BYTES } from './protocol.ts'

const EXAMPLE = '{"user_id":"ada","session_id":"s-42"}'

/** Reads and checks a beat; throws an error that says what to send instead. Unknown fields are left alone. */
export async function readHeartbeat(request: Request): Promise<HeartbeatBody> {
  const type = request.headers.get('content-type') ?? ''
  // A form or text/plain could be posted by any page without asking; JSON needs the browser's preflight.
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new LoomiError('unsupported_media_type', 'Send the heartbeat with Content-Type: application/json.')
  }
  const text = await readText(request)
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (error) {
    throw new LoomiError('bad_request', `The heartbeat is not JSON. Send for example ${EXAMPLE}.`, {
      cause: error,
    })
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new LoomiError('bad_request', `The heartbeat is a JSON object, for example ${EXAMPLE}.`)
  }
  const fields = body as Record<string, unknown>
  for (const name of ['user_id', 'session_id'] as const) {
    if (!isId(fields[name]))
      throw new LoomiError('bad_id', `${name} is a text of 1 to 128 characters, for example ${EXAMPLE}.`)
  }
  refuseUnless('client_id', fields['client_id'], isId(fields['client_id']), 'a text of 1 to 128 characters')
  refuseUnless(
    'last_event_id',
    fields['last_event_id'],
    isId(fields['last_event_id']),
    'the cursor of the last displayed event',
  )
  refuseUnless(
    'rung',
    fields['rung'],
    ['sw', 'worker', 'page'].includes(fields['rung'] as string),
    'sw, worker or page',
  )
  refuseUnless(
    'state',
    fields['state'],
    ['visible', 'hidden', 'paused'].includes(fields['state'] as string),
    'visible, hidden or paused',
  )
  return body as HeartbeatBody
}

function refuseUnless(name: string, value: unknown, fine: boolean, what: string): void {
  if (value === undefined || value === null || fine) return
  throw new LoomiError('bad_request', `${name} is ${what}, or left out.`)
}

/** The body's text, given up as soon as it is longer than a beat may be. */
async function readText(request: Request): Promise<string> {
  const tooLarge = new LoomiError('too_large', `A heartbeat has at most ${MAX_HEARTBEAT_BYTES} bytes.`)
  if (Number(request.headers.get('content-length')) > MAX_HEARTBEAT_BYTES) throw tooLarge
  const pieces: string[] = []
  const decoder = new TextDecoder()
  const reader = request.body?.getReader()
  for (let size = 0; reader;) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      throw new LoomiError('bad_request', 'The heartbeat broke off. Send it again.', { cause })
    })
    if (done) break
    size += value.length
    if (size > MAX_HEARTBEAT_BYTES) {
      await reader.cancel()
      throw tooLarge
    }
    pieces.push(decoder.decode(value, { stream: true }))
  }
  return pieces.join('') + decoder.decode()
}
