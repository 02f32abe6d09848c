/**
 * Tickets: short-lived credentials that the app's server hands to its page, checked without a look-up.
 *
 * `<payload>.<signature>`, both base64url: the payload is JSON `[userId, sessionId, expiresAt]`, the signature
 * its HMAC-SHA-256 (RFC 2104) with the app's secret.
 *
 * @module
 */
import type { Authorize, Claim, Identity } from './authorize.ts'
import { LoomiError } from './errors.ts'
import { isId } from './protocol.ts'

/** A ticket lives at most this long. */
const MAX_TTL_MS = 10 * 60_000

const MIN_SECRET_LENGTH = 16

/** An {@link Authorize} that knows its own tickets. */
export interface Tickets extends Authorize {
  /**
   * A ticket for one user in one session, good for `ttlMs` milliseconds (default and at most 10 minutes) and
   * for any number of requests until then. Throws `bad_id` for ids that are not 1 to 128 characters.
   */
  issue(ref: { userId: string; sessionId: string; ttlMs?: number }): Promise<string>
}

/**
 * Authorises by tickets signed with `secret` (at least 16 characters; the same on every server). The page sends one
 * as `Authorization: Bearer …`, or a same-origin cookie `loomi_ticket` carries it for a plain `EventSource`.
 * Throws `bad_option` for a missing or short secret.
 */
export function tickets(
  secret: string | undefined,
  { now = Date.now }: { now?: () => number } = {},
): Tickets {
  if (typeof secret !== 'string' || secret.length < MIN_SECRET_LENGTH) {
    throw new LoomiError(
      'bad_option',
      `tickets(secret) needs a secret of at least ${MIN_SECRET_LENGTH} characters. Set LOOMI_SECRET, for example to the output of: openssl rand -hex 32`,
    )
  }
  const key = crypto.subtle.importKey('raw', utf8(secret), { name: 'HMAC', hash: 'SHA-256' }, false, [
    'sign',
    'verify',
  ])

  return Object.assign(authorizeByTicket, { issue })

  async function authorizeByTicket(request: Request, claim: Claim): Promise<Identity | null> {
    const [payload, signature, more] = ticketOf(request)?.split('.') ?? []
    if (!payload || !signature || more !== undefined) return null
    const signed = fromBase64Url(signature)
    if (!signed || !(await crypto.subtle.verify('HMAC', await key, signed, utf8(payload)))) return null
    const [userId, sessionId, expiresAt] = JSON.parse(new TextDecoder().decode(fromBase64Url(payload)!)) as [
      string,
      string,
      number,
    ]
    if (sessionId !== claim.sessionId || now() >= expiresAt) return null
    return { userId, expiresAt }
  }

  async function issue({
    userId,
    sessionId,
    ttlMs = MAX_TTL_MS,
  }: {
    userId: string
    sessionId: string
    ttlMs?: number
  }): Promise<string> {
    if (!isId(userId) || !isId(sessionId)) {
      throw new LoomiError('bad_id', 'A ticket needs a userId and a sessionId of 1 to 128 characters.')
    }
    const expiresAt = now() + Math.min(Math.max(0, ttlMs), MAX_TTL_MS)
    const payload = toBase64Url(utf8(JSON.stringify([userId, sessionId, expiresAt])))
    const signature = await crypto.subtle.sign('HMAC', await key, utf8(payload))
    return `${payload}.${toBase64Url(new Uint8Array(signature))}`
  }
}

function ticketOf(request: Request): string | undefined {
  const bearer = /^Bearer ([\w.-]+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
  return bearer ?? /(?:^|;\s*)loomi_ticket=([\w.-]+)/.exec(request.headers.get('cookie') ?? '')?.[1]
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text)
}

function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (c) =>
    c === '+' ? '-' : c === '/' ? '_' : '',
  )
}

function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0))
  } catch {
    return null
  }
}
