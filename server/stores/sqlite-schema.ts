/**
 * The tables of the embedded store, and the one place that makes or checks them.
 *
 * @module
 */
import type { DatabaseSync } from 'node:sqlite'
import { LoomiError } from '../errors.ts'

/** What each version added, from an empty file on. `$now` is the time at which the step is taken. */
export const STEPS: readonly string[] = [
  `
create table loomi_sessions (
  session_id text primary key,
  user_id text not null,
  epoch text not null,
  head integer not null,
  head_key text not null,
  closed_seq integer,
  created_at text not null
) without rowid;
create table loomi_stream_events (
  session_id text not null,
  seq integer not null,
  run_id text not null,
  n integer not null,
  i integer not null,
  event_type text not null,
  content_type text not null,
  agent_source text not null,
  event_data text not null,
  event_metadata text,
  part_id text,
  part_done integer not null,
  created_at text not null,
  primary key (session_id, seq)
) without rowid;
create table loomi_runs (
  session_id text not null,
  run_id text not null,
  last_n integer not null,
  primary key (session_id, run_id)
) without rowid;
create table loomi_heartbeats (
  user_id text not null,
  session_id text not null,
  last_beat_at integer not null,
  head_seq integer not null,
  pending_seq integer,
  epoch text,
  displayed text,
  primary key (user_id, session_id)
) without rowid;
`,
  // Runs know how they ended, and until when their producer is taken to be alive.
  `
alter table loomi_runs add column user_id text not null default '';
alter table loomi_runs add column last_i integer not null default 0;
alter table loomi_runs add column status text;
alter table loomi_runs add column lease_until integer;
update loomi_runs set user_id = (select user_id from loomi_sessions s where s.session_id = loomi_runs.session_id),
  last_i = coalesce((select max(i) from loomi_stream_events e
    where e.session_id = loomi_runs.session_id and e.run_id = loomi_runs.run_id and e.n = loomi_runs.last_n), 0);
create index loomi_open_runs on loomi_runs (lease_until) where status = 'open';
`,
  // Rows know when the store took them, in milliseconds since 1970; those of before count from now on, because all that is
  // known of them is their producers' word.
  // Runs know how often they were interrupted.
  `
alter table loomi_stream_events add column stored_at integer not null default $now;
alter table loomi_runs add column interruptions integer not null default 0;
`,
  // A session knows the newest row that was pruned, and whose it was before it was given away.
  `
alter table loomi_sessions add column pruned_seq integer;
alter table loomi_sessions add column pruned_key text;
create table loomi_former_owners (
  session_id text not null,
  user_id text not null,
  primary key (session_id, user_id)
) without rowid;
create index loomi_sessions_user on loomi_sessions (user_id);
`,
]

const VERSION = STEPS.length

/** Makes the tables in a new file, brings an older one up to date, refuses a file that a newer version wrote. Several processes may start at once. */
export function prepareSchema(db: DatabaseSync, now: number): void {
  if (versionOf(db) === VERSION) return
  db.exec('begin immediate')
  try {
    // Asked again under the lock: another process may have been first.
    const version = versionOf(db)
    if (version > VERSION) {
      throw new LoomiError(
        'store_failed',
        `This log was written by a newer loomi-recovery (schema ${version}, this one knows ${VERSION}). Update the package.`,
      )
    }
    for (const step of STEPS.slice(version)) db.exec(step.replace('$now', String(now)))
    db.exec(`pragma user_version = ${VERSION}`)
    db.exec('commit')
  } catch (error) {
    rollBack(db)
    throw error
  }
}

/** A full disk ends a transaction by itself; and what failed first is what is to be told. */
function rollBack(db: DatabaseSync): void {
  try {
    if (db.isTransaction) db.exec('rollback')
  } catch {}
}

function versionOf(db: DatabaseSync): number {
  return Number(db.prepare('pragma user_version').get()?.['user_version'] ?? 0)
}
