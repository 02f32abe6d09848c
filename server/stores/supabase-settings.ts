/**
 * Where the Supabase project is and with which key: from the environment, checked before anything is sent.
 *
 * @module
 */
import { LoomiError } from '../errors.ts'

/** What the store needs to know of the project. */
export interface SupabaseSettings {
  readonly url: string
  /** Bypasses row-level security; never to be logged. */
  readonly key: string
}

const WHERE_TO_FIND = 'The dashboard shows it under Project Settings, API Keys.'

/**
 * The settings from `SUPABASE_URL` and `SUPABASE_SECRET_KEY` (or `SUPABASE_SERVICE_ROLE_KEY`, the older kind). Throws
 * `store_misconfigured` when one is missing or can't be right.
 */
export function supabaseSettings(env: Readonly<Record<string, string | undefined>>): SupabaseSettings {
  const url = env['SUPABASE_URL']?.trim() ?? ''
  const name = env['SUPABASE_SECRET_KEY']?.trim() ? 'SUPABASE_SECRET_KEY' : 'SUPABASE_SERVICE_ROLE_KEY'
  const key = env[name]?.trim() ?? ''
  if (url === '')
    throw misconfigured('SUPABASE_URL is not set. Give the project’s URL: https://<project>.supabase.co.')
  if (hasCredentials(url))
    throw misconfigured(
      'SUPABASE_URL has a user or a password in it. Give https://<project>.supabase.co; the key belongs into SUPABASE_SECRET_KEY.',
    )
  if (!/^https?:$/.test(protocolOf(url)))
    throw misconfigured(
      'SUPABASE_URL is not the project’s URL. Give https://<project>.supabase.co; a database’s URL belongs into DATABASE_URL.',
    )
  if (key === '')
    throw misconfigured(`SUPABASE_SECRET_KEY is not set. Give the secret key (sb_secret_…). ${WHERE_TO_FIND}`)
  // A header can't carry anything else, and what refuses it would quote it.
  if (!/^[\x21-\x7e]+$/.test(key))
    throw misconfigured(
      `${name} has spaces, line breaks or quotes in it. Copy the key again. ${WHERE_TO_FIND}`,
    )
  if (!isSecret(key))
    throw misconfigured(
      `${name} holds a key for browsers, which may not write. Give the secret one (sb_secret_…). ${WHERE_TO_FIND}`,
    )
  return { url, key }
}

/** Not whether the key is right: that is for the server to say. */
function isSecret(key: string): boolean {
  if (key.startsWith('sb_publishable_')) return false
  const claims = key.split('.')[1]
  if (claims === undefined) return true
  try {
    const { role } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { role?: unknown }
    return role !== 'anon' && role !== 'authenticated'
  } catch {
    return true
  }
}

function hasCredentials(url: string): boolean {
  try {
    const { username, password } = new URL(url)
    return username !== '' || password !== ''
  } catch {
    return false
  }
}

function protocolOf(url: string): string {
  try {
    return new URL(url).protocol
  } catch {
    return ''
  }
}

function misconfigured(message: string): LoomiError {
  return new LoomiError('store_misconfigured', message)
}
