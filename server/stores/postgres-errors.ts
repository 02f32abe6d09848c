/**
 * What an error of the driver or the database means for the log, and how to mend it. A password is in none of its words.
 *
 * @module
 */
import { LoomiError } from '../errors.ts'
import { behind } from './migrations.ts'
import { sortSqlState } from './sql-errors.ts'

/** A store's URL without its password. Throws `bad_option` for what is no URL. */
export function publicUrl(url: string): string {
  try {
    const { protocol, username, host, pathname } = new URL(url)
    return `${protocol}//${username && `${username}@`}${host}${pathname}`
  } catch {
    // Without the cause, which quotes all of it.
    throw new LoomiError(
      'bad_option',
      'The store’s URL can’t be read. Give postgres://USER:PASSWORD@HOST:PORT/DATABASE, with special characters of the password percent-encoded.',
    )
  }
}

/** Any error of a call as a {@link LoomiError}. `store`: the {@link publicUrl}. */
export function postgresError(error: unknown, store: string): LoomiError {
  if (error instanceof LoomiError) return error
  const { code: said = '', message = String(error), severity } = error as Partial<Record<string, string>>
  const cause = { cause: error }
  // Only what the database itself says has one; EPIPE looks like one of its codes.
  if (severity === undefined) return unreachable(said, message, store, cause)
  const code = said === '08P01' ? codeOfPooler(message) : said
  const kind = sortSqlState(code)
  const remedy = REMEDIES[code] ?? REMEDIES[code.slice(0, 2)]
  if (code === '42883' || code === '42P01' || code === '3F000')
    return new LoomiError(kind, `${behind(null, store)} (${message})`, cause)
  const words = kind === 'store_refused' ? 'The log can never take this' : `The database at ${store} answers`
  return new LoomiError(kind, `${words}: ${message} (${code}).${remedy ? ` ${remedy}` : ''}`, cause)
}

const REMEDIES: Readonly<Record<string, string>> = {
  '28': 'Give the right user and password in the store’s URL.',
  '3D000': 'Create the database (createdb), or give the right name in the store’s URL.',
  '42501':
    'Give the user that ran the migrations, or grant yours what it needs: execute on the functions loomi_*, and select, insert, update, delete on the tables loomi_*.',
  '25006':
    'It takes no changes: give the URL of the primary, not of a replica, or look who has set default_transaction_read_only.',
  '53100': 'Its disk is full: make room, or let old rows go with `retention`.',
  '53300': 'It has no connection left: raise max_connections, or run fewer processes.',
}

/** PgBouncer has this one code for all that it refuses. */
function codeOfPooler(message: string): string {
  if (/authentication failed|no such user/i.test(message)) return '28P01'
  return /no such database|does not exist/i.test(message) ? '3D000' : '08P01'
}

function unreachable(code: string, message: string, store: string, cause: ErrorOptions): LoomiError {
  // Of the driver itself: the server wants a password and the URL has none.
  if (message.startsWith('SASL'))
    return new LoomiError(
      'store_misconfigured',
      `The database at ${store} refuses the password. ${REMEDIES['28']}`,
      cause,
    )
  if (/certificate|ssl/i.test(message))
    return new LoomiError(
      'store_misconfigured',
      `No encrypted connection to the database at ${store}: ${message}. Give the right sslmode in the store’s URL: disable, require, or verify-full with sslrootcert.`,
      cause,
    )
  if (code !== '' || /connection|timeout|queryable|pool/i.test(message))
    return new LoomiError(
      'store_unavailable',
      `Nothing answers at ${store} (${message || code}). It is tried again; is Postgres running there, and is the URL right?`,
      cause,
    )
  return new LoomiError('store_failed', `The log could not be used: ${message}.`, cause)
}
