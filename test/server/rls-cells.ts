/** The matrix of who may do what: every table, every function, and something for each to be tried with. */
import { newEvent } from './support.ts'

export const USERS = {
  A: '11111111-1111-4111-8111-111111111111',
  B: '22222222-2222-4222-8222-222222222222',
} as const
export const ROLES = ['anon', 'A', 'B', 'service_role'] as const
export type Role = (typeof ROLES)[number]
export type Cells = readonly [anon: string, a: string, b: string, service: string]

/** Rows that only the server needs. */
const SERVER_ONLY: Cells = ['denied', 'denied', 'denied', 'all']
/** Whose rows a select shows, by the user that they are about. */
const OWN: Cells = ['denied', 'A', 'B', 'all']
export const SELECT: Readonly<Record<string, Cells>> = {
  loomi_sessions: OWN,
  loomi_stream_events: OWN,
  loomi_runs: OWN,
  loomi_heartbeats: OWN,
  loomi_former_owners: SERVER_ONLY,
  loomi_migrations: SERVER_ONLY,
}
/** Who may change a table or call a function, unless it is one of those that not even the server may. */
export const WRITE: Cells = ['denied', 'denied', 'denied', 'done']
export const NOBODY: Cells = ['denied', 'denied', 'denied', 'denied']
export const NOT_EVEN_THE_SERVER = new Set(['loomi_migrations', 'loomi_schedule_cleanup'])

/** A new row of each table, and the column that finds it again. */
export const ROWS: Readonly<Record<string, { row: (id: string) => Record<string, unknown>; key: string }>> = {
  loomi_sessions: {
    key: 'session_id',
    row: (id) => ({ session_id: id, user_id: USERS.A, epoch: 'e', head: 0, head_key: '' }),
  },
  loomi_stream_events: {
    key: 'run_id',
    row: (id) => ({
      session_id: 'of A',
      seq: 99,
      run_id: id,
      n: 99,
      i: 0,
      event_type: 'note',
      content_type: 'note',
      agent_source: 'agent',
      event_data: {},
      bytes: 2,
      created_at: '2026-11-23T00:00:00Z',
    }),
  },
  loomi_runs: { key: 'run_id', row: (id) => ({ session_id: 'of A', run_id: id, user_id: USERS.A }) },
  loomi_heartbeats: {
    key: 'session_id',
    row: (id) => ({ user_id: USERS.A, session_id: id, last_beat_at: '2026-11-23T00:00:00Z', head_seq: 0 }),
  },
  loomi_former_owners: { key: 'user_id', row: (id) => ({ session_id: 'of A', user_id: id }) },
  loomi_migrations: { key: 'version', row: (id) => ({ version: id, name: 'none' }) },
}

const REFS = { p_session_id: 'of A', p_user_id: USERS.A }
const RUN = { sessionId: 'of A', userId: USERS.A, runId: 'run-1' }
/** Arguments with which each function does something. */
export const CALLS: Readonly<Record<string, Record<string, unknown>>> = {
  loomi_version: {},
  loomi_append: { ...REFS, p_events: [newEvent(2)] },
  loomi_read: { ...REFS, p_after: 0, p_limit: 10 },
  loomi_heads: { p_refs: [{ sessionId: 'of A', userId: USERS.A }] },
  loomi_keys: { ...REFS, p_seqs: [1] },
  loomi_run_high: { ...REFS, p_run_id: 'run-1' },
  loomi_lease_runs: { p_runs: [RUN], p_lease_ms: 30_000 },
  loomi_release_runs: { p_runs: [{ ...RUN, runId: 'none' }] },
  loomi_stopped_runs: { p_runs: [RUN] },
  loomi_end_runs: { p_status: 'stopped', p_choice: { runs: [] } },
  loomi_stop: { p_session_id: 'none' },
  loomi_transfer: { p_session_id: 'none', p_from: USERS.A, p_to: USERS.B },
  loomi_touch: { p_rows: [] },
  loomi_presence: REFS,
  loomi_prune: { p_retention: {}, p_limit: 10 },
  loomi_delete_sessions: { p_choice: { sessionId: 'none' } },
  loomi_cleanup: { p_max_age: '1 year' },
  loomi_schedule_cleanup: { p_max_age: '1 year' },
  // These help the others.
  loomi_lock: { p_session_id: 'none' },
  loomi_try_lock: { p_session_id: 'none' },
  loomi_wake: { p_session_ids: ['none'] },
  loomi_forget: { p_session_id: 'none', p_user_id: 'none' },
}
