/**
 * The log in a Supabase project, through supabase-js with the secret key: the functions of the migrations, called by
 * `.rpc()`, and nothing else.
 *
 * @module
 */
import { createClient, type SupabaseClient } from '@supabase/supabase-js'
import { type Clock, sleep, systemClock } from '../clock.ts'
import type { LoomiError } from '../errors.ts'
import type { Store } from '../store.ts'
import { checkVersion } from './migrations.ts'
import { Wakeups } from './polled-wakeups.ts'
import { type CallFunction, functionStore, wakingStore } from './sql-functions.ts'
import { supabaseError } from './supabase-errors.ts'
import { listeningWakeups } from './supabase-listen.ts'
import { type SupabaseSettings, supabaseSettings } from './supabase-settings.ts'

/** Supabase itself ends a statement after 8 s. */
const TIMEOUT_MS = 10_000
const RETRY_AFTER_MS = 100

/**
 * What may be done twice and is worth a second try at once: a gateway closes idle connections, and the first request then
 * meets a dead one. The log's writers try appends again by themselves, in their order.
 */
const REPEATABLE: ReadonlySet<string> = new Set([
  'loomi_version',
  'loomi_read',
  'loomi_heads',
  'loomi_keys',
  'loomi_run_high',
  'loomi_stopped_runs',
  'loomi_lease_runs',
  'loomi_transfer',
  'loomi_touch',
  'loomi_presence',
])

/** What a Supabase store is made with; everything has a default. */
export interface SupabaseOptions {
  /**
   * Holds SUPABASE_URL and SUPABASE_SECRET_KEY (or SUPABASE_SERVICE_ROLE_KEY), and where wake-ups are to come at once,
   * DATABASE_URL. Default: the process's own.
   */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly clock?: Clock
  /** How long one call may take, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number
}

/**
 * Opens the log in the project that the environment names. Throws `store_misconfigured` when the environment, the key, the
 * grants or the migrations are not right, with what to do; `store_unavailable` when the project does not answer.
 */
export async function openSupabase(options: SupabaseOptions = {}): Promise<Store> {
  const { env = process.env, clock = systemClock, timeoutMs = TIMEOUT_MS } = options
  const calls = new Calls(supabaseSettings(env), timeoutMs, clock)
  checkVersion((await calls.call('loomi_version', {})) as string | null, 'supabase:')
  const call: CallFunction = (name, args) => calls.call(name, args)
  const listening = await listeningWakeups(env['DATABASE_URL'], call, clock)
  const wakeups = listening ?? new Wakeups(clock)
  // Whoever listens tells by itself, once for all appends of a tick.
  const functions = functionStore(call, { notify: listening === null })
  return wakingStore(functions, wakeups)
}

/** Calls functions; what may be called twice is, before it fails. */
class Calls {
  readonly #client: SupabaseClient
  readonly #secrets: readonly string[]
  readonly #timeoutMs: number
  readonly #clock: Clock

  constructor({ url, key }: SupabaseSettings, timeoutMs: number, clock: Clock) {
    this.#client = createClient(url, key, {
      auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
      db: { retry: false },
      global: { fetch: fetchHonestly },
    })
    this.#secrets = [key]
    this.#timeoutMs = timeoutMs
    this.#clock = clock
  }

  async call(name: string, args: Record<string, unknown>): Promise<unknown> {
    try {
      return await this.#ask(name, args)
    } catch (error) {
      const isPassing = ['store_unavailable', 'store_busy'].includes((error as LoomiError).code)
      if (!isPassing || !REPEATABLE.has(name)) throw error
      await sleep(this.#clock, RETRY_AFTER_MS * (0.5 + Math.random()))
      return this.#ask(name, args)
    }
  }

  async #ask(name: string, args: Record<string, unknown>): Promise<unknown> {
    // supabase-js's own limit ends with the headers; a body may hang as well.
    const signal = AbortSignal.timeout(this.#timeoutMs)
    const { data, error, status } = await this.#client.rpc(name, args).abortSignal(signal)
    if (error) throw supabaseError(name, error, status, this.#secrets)
    return data as unknown
  }
}

/** supabase-js takes a 404 without a body for an empty success: whatever answered so was no PostgREST. */
const fetchHonestly: typeof fetch = async (input, init) => {
  const response = await fetch(input, init)
  if (response.status !== 404) return response
  const body = await response.text()
  return new Response(body.startsWith('{') ? body : 'Not found', { status: 404 })
}
