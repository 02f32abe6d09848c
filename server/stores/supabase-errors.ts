/**
 * What an answer of Supabase's means for the log: worth trying again, refused for good, or set up wrongly, and then how to
 * mend it.
 *
 * @module
 */
import { LoomiError, type LoomiErrorCode } from '../errors.ts'
import { sortSqlState } from './sql-errors.ts'

/** An error as supabase-js gives it; the gateway in front of the database leaves out most. */
export interface SupabaseFailure {
  readonly message: string
  readonly code?: string | null
  readonly details?: string | null
  readonly hint?: string | null
}

const MIGRATE =
  'Run: supabase db push (with the files of node_modules/loomi-recovery/migrations in supabase/migrations). If that is ' +
  "done, the API has not seen it yet: run notify pgrst, 'reload schema' in the SQL editor."

const KEY =
  'Give this project’s secret key as SUPABASE_SECRET_KEY (Project Settings, API Keys), and its URL as SUPABASE_URL.'

const REMEDIES: Readonly<Record<string, string>> = {
  '42501':
    'The key’s role lacks a grant. Give the secret key of this project, and apply the migrations (supabase db push): they ' +
    'grant service_role what it needs.',
  '25006':
    'The database takes no changes: Supabase does so when its disk is full. Look at Database, Reports in the dashboard.',
  '53100': 'The database’s disk is full. Prune with `retention`, or give it a larger disk.',
  PGRST106: 'The schema public is not exposed. Add it under Project Settings, Data API.',
}

/**
 * The error for a failed call. `status` is HTTP's, 0 when there was no answer; `secrets` are cut out of everything that it
 * says.
 */
export function supabaseError(
  name: string,
  failure: SupabaseFailure,
  status: number,
  secrets: readonly string[],
): LoomiError {
  const { code: kind, what, remedy } = sorted(failure, status)
  const scrub = (text: string): string => scrubbed(text, secrets)
  // Where supabase-js was at that moment is of no use to anybody.
  const details = failure.details?.split('\n    at ')[0]
  const cause = new Error(scrub([failure.message, details].filter(Boolean).join(': ')))
  return new LoomiError(kind, scrub(`${name}: ${what}. ${remedy}`), { cause })
}

interface Sorted {
  readonly code: LoomiErrorCode
  readonly what: string
  readonly remedy: string
}

function sorted(failure: SupabaseFailure, status: number): Sorted {
  const state = failure.code ?? ''
  // A gateway may answer with a whole page.
  const said = failure.message.slice(0, 300).replaceAll(/\s+/g, ' ')
  const what = `Supabase answered ${[status, state, said].filter(Boolean).join(' ')}`
  if (status === 0) return unanswered(failure)
  if (status === 401 && state !== '42501') return wrongKey(what)
  if (state.startsWith('PGRST')) return { ...ofPostgrest(state), what }
  if (/^[0-9A-Z]{5}$/.test(state)) {
    const code = sortSqlState(state)
    const remedy = REMEDIES[state] ?? (code === 'store_misconfigured' ? MIGRATE : again(code))
    return { code, what, remedy }
  }
  if (status === 403) return wrongKey(what)
  // Whoever answers without a code is no PostgREST.
  if (status === 404 || status < 400)
    return {
      code: 'store_misconfigured',
      what: `what answers at SUPABASE_URL is no Supabase (${status})`,
      remedy: 'Give the project’s own URL: https://<project>.supabase.co.',
    }
  const code = status >= 500 || status === 408 || status === 429 ? 'store_unavailable' : 'store_refused'
  return { code, what, remedy: again(code) }
}

function ofPostgrest(state: string): { readonly code: LoomiErrorCode; readonly remedy: string } {
  const remedy = REMEDIES[state]
  if (remedy !== undefined) return { code: 'store_misconfigured', remedy }
  switch (state.slice(0, 6)) {
    case 'PGRST0':
      return { code: 'store_unavailable', remedy: again('store_unavailable') }
    case 'PGRST1':
      return { code: 'store_refused', remedy: again('store_refused') }
    case 'PGRST2':
      return { code: 'store_misconfigured', remedy: MIGRATE }
    case 'PGRST3':
      return { code: 'store_misconfigured', remedy: KEY }
    default:
      return { code: 'store_failed', remedy: again('store_failed') }
  }
}

function wrongKey(what: string): Sorted {
  return { code: 'store_misconfigured', what, remedy: KEY }
}

function unanswered({ message, details }: SupabaseFailure): Sorted {
  const isLate = /Abort|Timeout/.test(message)
  const reason = /\(([A-Z0-9_]+)\)/.exec(details ?? '')?.[1] ?? message
  const remedy =
    'It is asked again. When that goes on: is SUPABASE_URL right, and is the project running and not paused?'
  return {
    code: 'store_unavailable',
    what: isLate ? 'Supabase has not answered in time' : `Supabase can’t be reached (${reason})`,
    remedy,
  }
}

function again(code: LoomiErrorCode): string {
  return code === 'store_refused' ? 'The same would be refused again.' : 'It is asked again.'
}

function scrubbed(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, '(the key)'), text)
}
