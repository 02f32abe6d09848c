/**
 * Who may ask: the `authorize` seam and what stands in for it on a developer's own machine.
 *
 * @module
 */
import { LoomiError } from './errors.ts'

/** What a request claims to be about. `userId` is null when it names no user. */
export interface Claim {
  readonly sessionId: string
  readonly userId: string | null
}

/** A request that was recognised. */
export interface Identity {
  readonly userId: string
  /** Milliseconds since 1970; an open stream ends then and comes back with a new credential. */
  readonly expiresAt?: number
}

/** Says whose a request is, or null when it does not know. Asked on every request, also on each reconnect. */
export type Authorize = (request: Request, claim: Claim) => Identity | null | Promise<Identity | null>

/** What a proxy adds. One that adds nothing at all is told by the page that a request comes from. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via', 'cf-connecting-ip'] as const

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\]|.+\.localhost)$/

/** Whether a host name means this machine. Takes what `URL.hostname` gives, and bare `::1`. */
export function isLoopbackHost(hostname: string): boolean {
  return LOOPBACK.test(hostname) || hostname === '::1'
}

/**
 * Stands in for a missing `authorize`: believes the claimed user, and answers nobody but this machine. Also
 * refuses what a proxy forwarded, and pages of other hosts (a page may make a browser send requests to localhost).
 */
export function loopbackOnly(request: Request, claim: Claim, remoteAddress: string | undefined): Identity {
  const { headers } = request
  const local =
    isLoopbackHost(new URL(request.url).hostname) &&
    (remoteAddress === undefined || isLoopbackAddress(remoteAddress)) &&
    !FORWARDED.some((name) => headers.has(name)) &&
    [headers.get('origin'), headers.get('referer')].every(
      (url) => url === null || isLoopbackHost(hostOf(url)),
    )
  if (!local) {
    throw new LoomiError(
      'not_loopback',
      'Without `authorize` only this machine is answered. Give createLoomi an `authorize`, for example tickets(secret).',
    )
  }
  if (claim.userId === null) {
    throw new LoomiError(
      'bad_request',
      'Without `authorize` the request names its user: add ?user_id=… (1 to 128 characters).',
    )
  }
  return { userId: claim.userId }
}

function isLoopbackAddress(address: string): boolean {
  return isLoopbackHost(address.replace(/^::ffff:/, ''))
}

function hostOf(origin: string): string {
  try {
    return new URL(origin).hostname
  } catch {
    return ''
  }
}
