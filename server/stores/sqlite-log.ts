/**
 * What the embedded store writes inside a transaction: events, and the runs that they belong to.
 *
 * @module
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { LoomiError } from '../errors.ts'
import type { RunEnd } from '../protocol.ts'
import {
  type AppendResult,
  comesAfter,
  keyOf,
  type NewEvent,
  NOWHERE,
  opensRun,
  type RunChoice,
  type RunPlace,
  type RunRef,
  type SessionRef,
  type StoredEvent,
} from '../store.ts'
import { rising } from './batch.ts'
import { toHead } from './sqlite-reads.ts'

const SQL = {
  session: 'select user_id, epoch, head, head_key, closed_seq from loomi_sessions where session_id = ?',
  former: 'select 1 from loomi_former_owners where session_id = ? and user_id = ?',
  insertSession: `insert into loomi_sessions (session_id, user_id, epoch, head, head_key, closed_seq, created_at)
    values (?, ?, ?, 0, '', null, ?)`,
  updateSession: 'update loomi_sessions set head = ?, head_key = ?, closed_seq = ? where session_id = ?',
  insertEvent: `insert into loomi_stream_events (session_id, seq, run_id, n, i, event_type, content_type,
    agent_source, event_data, event_metadata, part_id, part_done, created_at, stored_at)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  run: 'select last_n, last_i, status from loomi_runs where session_id = ? and user_id = ? and run_id = ?',
  putRun: `insert into loomi_runs (session_id, run_id, user_id, last_n, last_i, status, lease_until)
    values (?, ?, ?, ?, ?, ?, ?)
    on conflict (session_id, run_id) do update set user_id = excluded.user_id, last_n = excluded.last_n,
    last_i = excluded.last_i, status = excluded.status,
    lease_until = iif(excluded.status = 'open', coalesce(excluded.lease_until, lease_until), null)`,
  leaseRuns: `insert into loomi_runs (session_id, run_id, user_id, last_n, last_i, status, lease_until)
    select r.value ->> 0, r.value ->> 1, coalesce(s.user_id, r.value ->> 2), 0, -1, 'open', ? from json_each(?) r
    left join loomi_sessions s on s.session_id = r.value ->> 0
    where s.session_id is null or s.user_id = r.value ->> 2 or exists (select 1 from loomi_former_owners f
      where f.session_id = s.session_id and f.user_id = r.value ->> 2)
    on conflict (session_id, run_id) do update set user_id = excluded.user_id, status = 'open',
    lease_until = excluded.lease_until
    where status is null or status in ('open', 'interrupted')`,
  forgetRun: 'delete from loomi_runs where session_id = ? and run_id = ?',
  releaseRuns: `delete from loomi_runs where status = 'open' and last_i = -1 and (session_id, run_id) in
    (select value ->> 0, value ->> 1 from json_each(?))`,
  stoppedRuns: `select r.session_id, r.run_id, a.value ->> 2 as user_id from json_each(?) a join loomi_runs r
    on r.session_id = a.value ->> 0 and r.run_id = a.value ->> 1 where r.status = 'stopped'`,
  endRun: `update loomi_runs set status = ?, last_i = ?, interruptions = ?, lease_until = null
    where session_id = ? and run_id = ?`,
  openOfSession: `select session_id, run_id, user_id, last_n, last_i, interruptions from loomi_runs
    where status = 'open' and session_id = ?`,
  openOfUser: `select session_id, run_id, user_id, last_n, last_i, interruptions from loomi_runs
    where status = 'open' and user_id = ?`,
  openAmong: `select distinct r.session_id, r.run_id, r.user_id, r.last_n, r.last_i, r.interruptions from json_each(?) a
    join loomi_runs r on r.session_id = a.value ->> 0 and r.run_id = a.value ->> 1 where r.status = 'open'`,
  openLapsed: `select session_id, run_id, user_id, last_n, last_i, interruptions from loomi_runs
    where status = 'open' and lease_until <= ? order by lease_until limit 100`,
} as const

interface OpenRun extends RunRef, RunPlace {
  readonly interruptions: number
}

/** The writes; see the module. The caller holds the transaction. */
export class SqliteLog {
  readonly #sql: Record<keyof typeof SQL, StatementSync>
  readonly #now: () => number

  /** `now`: milliseconds since 1970. */
  constructor(db: DatabaseSync, now: () => number) {
    this.#now = now
    this.#sql = Object.fromEntries(
      Object.entries(SQL).map(([name, text]) => [name, db.prepare(text)]),
    ) as Record<keyof typeof SQL, StatementSync>
  }

  append(ref: SessionRef, events: readonly NewEvent[], leaseMs: number | null): AppendResult {
    const { sessionId } = ref
    events.forEach(refuseBroken)
    const session = this.#sql.session.get(sessionId)
    const userId = String(session?.['user_id'] ?? ref.userId)
    if (userId !== ref.userId && !this.#sql.former.get(sessionId, ref.userId))
      return { ok: false, code: 'not_owner' }

    const runs = new Map<string, { place: RunPlace; status: string | null }>()
    for (const { run_id } of events)
      if (!runs.has(run_id)) runs.set(run_id, this.#run({ sessionId, userId }, run_id))
    const placeOf = (event: NewEvent): RunPlace => runs.get(event.run_id)!.place
    const overlap = events.find(
      (event) =>
        comesAfter(event, placeOf(event)) &&
        comesAfter(event, firstOf(event)) &&
        !comesAfter(firstOf(event), placeOf(event)),
    )
    if (overlap) return { ok: false, code: 'overlap', runId: overlap.run_id, high: placeOf(overlap) }
    const fresh = rising(events, placeOf)
    if (session && fresh.length === 0)
      return { ok: true, head: toHead(session), userId, added: [], before: '' }
    if (session && session['closed_seq'] !== null) return { ok: false, code: 'session_closed' }
    const stopped = fresh.find(({ run_id }) => runs.get(run_id)!.status === 'stopped')
    if (stopped) return { ok: false, code: 'run_stopped', runId: stopped.run_id }

    const epoch = session ? String(session['epoch']) : randomWord()
    if (!session) this.#sql.insertSession.run(sessionId, userId, epoch, fresh[0]?.created_at ?? '')
    let head = Number(session?.['head'] ?? 0)
    let closedSeq: number | null = null
    const storedAt = this.#now()
    const added = fresh.map(({ first_n: _, first_i: __, ...event }): StoredEvent => {
      const row = { seq: ++head, ...event }
      if (row.event_type === 'session_complete') closedSeq = row.seq
      this.#sql.insertEvent.run(sessionId, ...columnsOf(row), storedAt)
      const { status } = runs.get(row.run_id)!
      runs.set(row.run_id, { place: { n: row.n, i: row.i }, status: statusAfter(row, status) })
      return row
    })
    const last = added.at(-1)
    if (last) this.#sql.updateSession.run(head, keyOf(last), closedSeq, sessionId)
    for (const [runId, { place, status }] of runs) {
      const lease = status === 'open' && leaseMs !== null ? storedAt + leaseMs : null
      this.#sql.putRun.run(sessionId, runId, userId, place.n, place.i, status, lease)
    }
    const before = String(session?.['head_key'] ?? '')
    return {
      ok: true,
      head: { epoch, head, headKey: last ? keyOf(last) : '', closedSeq },
      userId,
      added,
      before,
    }
  }

  endRuns(status: RunEnd, choice: RunChoice, createdAt: string): number {
    const runs = this.openRuns(choice)
    for (const run of runs) this.#endRun(run, status, createdAt)
    return runs.length
  }

  /** The open runs of a choice; of the lapsed ones not all at once. */
  openRuns(choice: RunChoice): OpenRun[] {
    const except = 'sessionId' in choice ? (choice.except ?? []) : []
    const rows =
      'sessionId' in choice
        ? this.#sql.openOfSession.all(choice.sessionId)
        : 'userId' in choice
          ? this.#sql.openOfUser.all(choice.userId)
          : 'runs' in choice
            ? this.#sql.openAmong.all(namesOf(choice.runs))
            : this.#sql.openLapsed.all(this.#now())
    return rows
      .map((row) => ({
        ...toRun(row),
        n: Number(row['last_n']),
        i: Number(row['last_i']),
        interruptions: Number(row['interruptions']),
      }))
      .filter(({ runId }) => !except.some((run) => run.runId === runId))
  }

  place(ref: SessionRef, runId: string): RunPlace {
    return this.#run(ref, runId).place
  }

  lease(runs: readonly RunRef[], leaseMs: number): void {
    this.#sql.leaseRuns.run(this.#now() + leaseMs, namesOf(runs))
  }

  release(runs: readonly RunRef[]): void {
    this.#sql.releaseRuns.run(namesOf(runs))
  }

  stopped(runs: readonly RunRef[]): RunRef[] {
    return this.#sql.stoppedRuns.all(namesOf(runs)).map(toRun)
  }

  #run({ sessionId, userId }: SessionRef, runId: string): { place: RunPlace; status: string | null } {
    const row = this.#sql.run.get(sessionId, userId, runId)
    if (!row) return { place: NOWHERE, status: null }
    return {
      place: { n: Number(row['last_n']), i: Number(row['last_i']) },
      status: row['status'] as string | null,
    }
  }

  #endRun(run: OpenRun, status: RunEnd, createdAt: string): void {
    const { sessionId, userId, runId, n } = run
    const isInterrupted = status === 'interrupted'
    // Of an answer that never began there is nothing to say.
    if (isInterrupted && run.i === -1 && n === 0) {
      this.#sql.forgetRun.run(sessionId, runId)
      return
    }
    const session = this.#sql.session.get(sessionId)
    const interruptions = run.interruptions + (isInterrupted ? 1 : 0)
    const i = isInterrupted ? -interruptions : run.i + 1
    // A run that was leased before its session had an event, or whose session is closed, has nobody to tell.
    const isSaid = session?.['user_id'] === userId && session['closed_seq'] === null
    if (isSaid) {
      const row: StoredEvent = {
        seq: Number(session['head']) + 1,
        run_id: runId,
        n,
        i,
        event_type: 'run_end',
        content_type: status,
        agent_source: 'loomi',
        event_data: JSON.stringify({ status }),
        event_metadata: null,
        part_id: null,
        part_done: false,
        created_at: createdAt,
      }
      this.#sql.insertEvent.run(sessionId, ...columnsOf(row), this.#now())
      this.#sql.updateSession.run(row.seq, keyOf(row), null, sessionId)
    }
    this.#sql.endRun.run(status, isSaid && !isInterrupted ? i : run.i, interruptions, sessionId, runId)
  }
}

/** The status of a run after one more of its events. */
function statusAfter(row: StoredEvent, before: string | null): string | null {
  if (row.event_type === 'run_end') return row.content_type
  return opensRun(row.event_type) ? 'open' : before
}

/** SQLite would store another character for half a surrogate pair. */
function refuseBroken(event: NewEvent): void {
  for (const [name, value] of Object.entries(event))
    if (typeof value === 'string' && !value.isWellFormed())
      throw new LoomiError(
        'store_refused',
        `${name} holds half a surrogate pair, which the log can never take.`,
      )
}

function firstOf({ first_n, first_i }: NewEvent): RunPlace {
  return { n: first_n, i: first_i }
}

function namesOf(runs: readonly RunRef[]): string {
  return JSON.stringify(runs.map(({ sessionId, runId, userId }) => [sessionId, runId, userId]))
}

function toRun(row: Record<string, unknown>): RunRef {
  return {
    sessionId: String(row['session_id']),
    runId: String(row['run_id']),
    userId: String(row['user_id']),
  }
}

function columnsOf(row: StoredEvent): SQLInputValue[] {
  return [
    row.seq,
    row.run_id,
    row.n,
    row.i,
    row.event_type,
    row.content_type,
    row.agent_source,
    row.event_data,
    row.event_metadata,
    row.part_id,
    row.part_done ? 1 : 0,
    row.created_at,
  ]
}

function randomWord(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8))
  return Array.from(bytes, (byte) => (byte % 36).toString(36)).join('')
}
