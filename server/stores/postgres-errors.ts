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
    const { protocol, username, host, pathname, search, hash } = new URL(url)
    // A `/`, `?` or `#` of a password ends the part that it belongs to, and the rest of it would be taken for a name.
    if (pathname.includes('@') || hash !== '' || search.split('=')[0]!.includes('@')) throw new TypeError()
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
  const { code = '', message = String(error), severity } = error as Partial<Record<string, string>>
  const cause = { cause: error }
  // Only what the database itself says has one; EPIPE looks like one of its codes.
  if (severity === undefined) return unreachable(code, message, store, cause)
  if (WANTS_SSL.test(message)) return unencrypted(message, store, cause)
  const refusal = POOLERS.find((one) => one.code === code && one.words.test(message))
  if (refusal)
    return new LoomiError(
      refusal.kind,
      `The pooler at ${store} answers: ${message} (${code}). ${refusal.remedy}`,
      cause,
    )
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
    'Give the user that ran the migrations, or make yours a member of it: grant OWNER to YOU. Row-level security lets nobody else.',
  '25006':
    'It takes no changes: give the URL of the primary, not of a replica, or look who has set default_transaction_read_only.',
  '53100': 'Its disk is full: make room, or let old rows go with `retention`.',
  '53300': 'It has no connection left: raise max_connections, or run fewer processes.',
}

/** What poolers refuse: PgBouncer has one code for all of it, and Supabase's own pooler another. */
const POOLERS: readonly {
  readonly code: string
  readonly words: RegExp
  readonly kind: 'store_misconfigured' | 'store_unavailable'
  readonly remedy: string
}[] = [
  {
    code: '08P01',
    words: /authentication failed|no such user|role .* does not exist/i,
    kind: 'store_misconfigured',
    remedy: REMEDIES['28']!,
  },
  {
    code: '08P01',
    words: /no such database|does not exist/i,
    kind: 'store_misconfigured',
    remedy: REMEDIES['3D000']!,
  },
  {
    code: '08P01',
    words: /unsupported startup parameter/i,
    kind: 'store_misconfigured',
    remedy: 'Take the parameter out of the store’s URL, or add it to PgBouncer’s ignore_startup_parameters.',
  },
  {
    code: '08P01',
    words: /no more connections/i,
    kind: 'store_unavailable',
    remedy: 'Raise max_client_conn, or run fewer processes.',
  },
  {
    code: 'XX000',
    words: /tenant.*not found|no tenant identifier/i,
    kind: 'store_misconfigured',
    remedy:
      'Through Supabase’s pooler the user is postgres.PROJECT: copy the URL from the project’s settings.',
  },
  {
    code: 'XX000',
    words: /authentication (?:error|failed)/i,
    kind: 'store_misconfigured',
    remedy: REMEDIES['28']!,
  },
  {
    code: 'XX000',
    words: /max ?client/i,
    kind: 'store_unavailable',
    remedy: 'Raise the pool size in the project’s settings, or run fewer processes.',
  },
]

/** What Postgres (pg_hba.conf), poolers and providers say to who comes without encryption. */
const WANTS_SSL = /ssl (?:connection )?is required|ssl required|pg_hba\.conf .*(?:no encryption|ssl off)/i

function unencrypted(message: string, store: string, cause: ErrorOptions): LoomiError {
  return new LoomiError(
    'store_misconfigured',
    `No encrypted connection to the database at ${store}: ${message}. Give the right sslmode in the store’s URL: disable, require, or verify-full with sslrootcert.`,
    cause,
  )
}

function unreachable(code: string, message: string, store: string, cause: ErrorOptions): LoomiError {
  // Of the driver itself: the server wants a password and the URL has none.
  if (message.startsWith('SASL'))
    return new LoomiError(
      'store_misconfigured',
      `The database at ${store} refuses the password. ${REMEDIES['28']}`,
      cause,
    )
  // Of a certificate or a key that the URL names.
  if (/^E(?:NOENT|ACCES):.*, open /.test(message))
    return new LoomiError(
      'store_misconfigured',
      `A file that the store’s URL names can’t be read (${code}): look at sslrootcert, sslcert and sslkey.`,
      cause,
    )
  if (/certificate|ssl/i.test(message)) return unencrypted(message, store, cause)
  if (code !== '' || /connection|timeout|queryable|pool/i.test(message))
    return new LoomiError(
      'store_unavailable',
      `Nothing answers at ${store} (${message || code}). It is tried again; is Postgres running there, and is the URL right?`,
      cause,
    )
  return new LoomiError('store_failed', `The log could not be used: ${message}.`, cause)
}
