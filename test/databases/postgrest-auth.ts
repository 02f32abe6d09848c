/** Who asks: from the gateway's API key and the bearer token to the role and the claims. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Refusal } from './postgrest-errors.ts'

/** What a token says. */
export interface Claims {
  readonly role: string
  readonly [claim: string]: unknown
}

/** The keys of one project, made anew for each server. */
export class ProjectKeys {
  readonly #secret = randomBytes(32)
  readonly publishable = `sb_publishable_${randomBytes(18).toString('base64url')}`
  readonly secret = `sb_secret_${randomBytes(18).toString('base64url')}`
  /** The keys as they were before: tokens that never lapse. */
  readonly legacyAnon = this.sign({ role: 'anon', iss: 'supabase' })
  readonly legacyServiceRole = this.sign({ role: 'service_role', iss: 'supabase' })

  /** A token with these claims; `exp` is in seconds since 1970. */
  sign(claims: Claims): string {
    const parts = [{ alg: 'HS256', typ: 'JWT' }, claims].map((part) =>
      Buffer.from(JSON.stringify(part)).toString('base64url'),
    )
    return `${parts.join('.')}.${this.#seal(parts.join('.'))}`
  }

  /** The token of a signed-in user. */
  user(sub: string): string {
    return this.sign({
      role: 'authenticated',
      aud: 'authenticated',
      sub,
      exp: Math.floor(Date.now() / 1000) + 3600,
    })
  }

  /** Whose request it is. Throws a {@link Refusal} as the gateway or PostgREST would. */
  claimsOf(headers: IncomingHttpHeaders): Claims {
    const key = headers['apikey']
    if (typeof key !== 'string') throw new Refusal(401, null, 'No API key found in request')
    const isLegacy = key === this.legacyAnon || key === this.legacyServiceRole
    if (!isLegacy && key !== this.publishable && key !== this.secret) {
      const hint = 'Double check your Supabase `anon` or `service_role` API key.'
      throw new Refusal(401, null, 'Invalid API key', { hint })
    }
    const bearer = /^Bearer (.*)$/i.exec(headers.authorization ?? '')?.[1] ?? key
    if (bearer !== key || isLegacy) return this.#verify(bearer)
    return { role: key === this.secret ? 'service_role' : 'anon' }
  }

  #verify(token: string): Claims {
    const parts = token.split('.')
    if (parts.length !== 3) throw new Refusal(401, 'PGRST301', `Expected 3 parts in JWT; got ${parts.length}`)
    const expected = Buffer.from(this.#seal(`${parts[0]}.${parts[1]}`))
    const actual = Buffer.from(parts[2]!)
    const { alg } = decode(parts[0]!) as { alg: string }
    if (alg !== 'HS256' || actual.length !== expected.length || !timingSafeEqual(actual, expected))
      throw new Refusal(401, 'PGRST301', 'JWT cryptographic operation failed')
    const claims = decode(parts[1]!) as Claims
    if (typeof claims['exp'] === 'number' && claims['exp'] < Date.now() / 1000)
      throw new Refusal(401, 'PGRST303', 'JWT expired')
    return { ...claims, role: claims.role ?? 'anon' }
  }

  #seal(text: string): string {
    return createHmac('sha256', this.#secret).update(text).digest('base64url')
  }
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString()) as unknown
  } catch {
    throw new Refusal(401, 'PGRST301', "JWT couldn't be decoded")
  }
}
