import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { openSupabase } from '../../server/stores/supabase.ts'
import { supabaseError } from '../../server/stores/supabase-errors.ts'
import { failure } from './supabase-failure.ts'

describe('the environment of the Supabase store', () => {
  const url = 'https://abc.supabase.co'
  const jwt = (role: string): string => `h.${Buffer.from(JSON.stringify({ role })).toString('base64url')}.s`
  const wrong: readonly [string, Record<string, string>, RegExp][] = [
    ['no URL', { SUPABASE_SECRET_KEY: 'sb_secret_x' }, /SUPABASE_URL is not set/],
    [
      'the database’s URL',
      { SUPABASE_URL: 'postgres://x', SUPABASE_SECRET_KEY: 'sb_secret_x' },
      /https:\/\/<project>/,
    ],
    ['no URL at all', { SUPABASE_URL: 'abc', SUPABASE_SECRET_KEY: 'sb_secret_x' }, /https:\/\/<project>/],
    ['no key', { SUPABASE_URL: url }, /SUPABASE_SECRET_KEY is not set/],
    [
      'the publishable key',
      { SUPABASE_URL: url, SUPABASE_SECRET_KEY: 'sb_publishable_x' },
      /SUPABASE_SECRET_KEY holds a key for browsers/,
    ],
    [
      'the anon key of old',
      { SUPABASE_URL: url, SUPABASE_SERVICE_ROLE_KEY: jwt('anon') },
      /SUPABASE_SERVICE_ROLE_KEY holds a key for browsers/,
    ],
    [
      'a key that was broken while copying',
      { SUPABASE_URL: url, SUPABASE_SECRET_KEY: 'sb_secret_x\ny' },
      /Copy the key again/,
    ],
  ]
  for (const [what, env, message] of wrong)
    it(`is refused before anything is sent: ${what}`, async () => {
      const error = await failure(() => openSupabase({ env }), env['SUPABASE_SECRET_KEY'])
      assert.equal(error.code, 'store_misconfigured')
      assert.match(error.message, message)
    })
})

describe('the errors of Supabase', () => {
  const cases: readonly [code: string, status: number, kind: string][] = [
    ['40001', 500, 'store_busy'],
    ['40P01', 500, 'store_busy'],
    ['53300', 503, 'store_unavailable'],
    ['57014', 500, 'store_unavailable'],
    ['08006', 503, 'store_unavailable'],
    ['PGRST000', 503, 'store_unavailable'],
    ['PGRST003', 504, 'store_unavailable'],
    ['', 502, 'store_unavailable'],
    ['', 429, 'store_unavailable'],
    ['22P02', 400, 'store_refused'],
    ['22P05', 400, 'store_refused'],
    ['23514', 400, 'store_refused'],
    ['PGRST102', 400, 'store_refused'],
    ['', 413, 'store_refused'],
    ['42501', 403, 'store_misconfigured'],
    ['42501', 401, 'store_misconfigured'],
    ['42883', 404, 'store_misconfigured'],
    ['42P01', 404, 'store_misconfigured'],
    ['25006', 405, 'store_misconfigured'],
    ['PGRST202', 404, 'store_misconfigured'],
    ['PGRST106', 406, 'store_misconfigured'],
    ['PGRST301', 401, 'store_misconfigured'],
    ['PGRST303', 401, 'store_misconfigured'],
    ['', 401, 'store_misconfigured'],
    ['', 404, 'store_misconfigured'],
    ['', 200, 'store_misconfigured'],
    ['XX000', 500, 'store_failed'],
  ]
  for (const [code, status, kind] of cases)
    it(`say what to do of ${code || 'no code'} with ${status}`, () => {
      const error = supabaseError('loomi_read', { message: 'said', code }, status, [])
      assert.equal(error.code, kind)
      assert.match(error.message, /^loomi_read: .+\. \S.+\.$/s)
    })

  it('hold no key, wherever it was', () => {
    const error = supabaseError('f', { message: 'k-1', details: 'at k-1', code: 'XX000' }, 500, ['k-1'])
    assert.equal(inspect(error, { depth: 9 }).includes('k-1'), false)
  })
})
