/**
 * Address and headers of a request for the stream.
 *
 * @module
 */
import type { Cursor } from '../../server/protocol.ts'
import { ConnectionError } from './connection.ts'
import type { ClientOptions, Clock } from './types.ts'

/** Milliseconds that the app has for a token. */
const TOKEN_MS = 10_000

/** What a request says about the view and the device. */
export interface Place {
  /** What the view has taken in; null before the first frame. */
  readonly position: Cursor | null
  /** Where the view wants to begin; null leaves it to the server. */
  readonly after: Cursor | null
  /** The displayed cursor. */
  readonly seen: Cursor | null
  /** Events are shown that are not stored: they are known by their keys, of which joined rows have one. */
  readonly unconfirmed: boolean
}

/** The address; `once` asks for what there is and no more. */
export function streamUrl(
  base: string,
  sessionId: string,
  userId: string | undefined,
  place: Place,
  once: boolean,
): string {
  const query = new URLSearchParams()
  if (once) query.set('follow', '0')
  // The place is in the address as well as in Last-Event-ID, which a proxy may strip.
  const after = place.position ?? place.after
  if (after !== null) query.set('after', after)
  if (place.seen !== null) query.set('seen', place.seen)
  if (userId !== undefined) query.set('user_id', userId)
  query.set('merge', place.unconfirmed ? '0' : '1')
  return `${base.replace(/\/+$/, '')}/stream/${encodeURIComponent(sessionId)}?${query}`
}

/** The headers; asks the app for a token. Throws a {@link ConnectionError} when it has trouble to get one. */
export async function streamHeaders(
  getToken: ClientOptions['getToken'],
  renew: boolean,
  lastEventId: Cursor | null,
  clock: Clock,
): Promise<{ [name: string]: string }> {
  const headers: { [name: string]: string } = { Accept: 'text/event-stream' }
  if (lastEventId !== null) headers['Last-Event-ID'] = lastEventId
  const token = getToken ? await tokenFrom(getToken, renew, clock) : null
  if (token) headers.Authorization = `Bearer ${token}`
  return headers
}

async function tokenFrom(
  getToken: NonNullable<ClientOptions['getToken']>,
  renew: boolean,
  clock: Clock,
): Promise<string | null | undefined> {
  let timer: unknown
  const tooLate = new Promise<never>((_, reject) => {
    timer = clock.setTimeout(() => reject(new Error('no answer within 10 s')), TOKEN_MS)
  })
  try {
    return await Promise.race([getToken(renew), tooLate])
  } catch (cause) {
    const message = `getToken failed (${cause instanceof Error ? cause.message : String(cause)}); it is asked again.`
    throw new ConnectionError('broken', 'token_failed', message, { cause })
  } finally {
    clock.clearTimeout(timer)
  }
}
