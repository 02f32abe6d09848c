/**
 * The store's methods over the SQL functions of `migrations/`, whichever way these are called.
 *
 * @module
 */
import { LoomiError } from '../errors.ts'
import type {
  AppendResult,
  LogPage,
  NewEvent,
  PresenceRow,
  Pruned,
  RunPlace,
  RunRef,
  SessionHead,
  SessionRef,
  Store,
} from '../store.ts'

/** Calls a function by its named arguments; resolves with its answer, JSON parsed, and rejects with a `LoomiError`. */
export type CallFunction = (name: string, args: Record<string, unknown>) => Promise<unknown>

interface Ended {
  readonly ended: number
  readonly more: boolean
}

interface Deleted {
  readonly sessions: readonly SessionRef[]
  readonly more: boolean
}

/**
 * All of a store but its wake-ups. Appends to one session are called one after the other, because two calls may overtake
 * each other on their way. `notify`: appends wake those who listen in the database; default true. `close` waits for what
 * was asked for, and what is asked later is rejected with `closed`.
 */
export function functionStore(
  call: CallFunction,
  { notify = true }: { readonly notify?: boolean } = {},
): Omit<Store, 'watch'> {
  const open = new Set<Promise<unknown>>()
  /** Of each session that is appended to, the append that the next one has to wait for. */
  const last = new Map<string, Promise<unknown>>()
  let isClosed = false

  async function during<T>(work: () => Promise<T>): Promise<T> {
    if (isClosed) throw new LoomiError('closed', 'The store is closed.')
    const answer = work()
    open.add(answer)
    try {
      return await answer
    } finally {
      open.delete(answer)
    }
  }

  const ask = <T>(name: string, args: Record<string, unknown>): Promise<T> =>
    during(() => call(name, args) as Promise<T>)

  async function inOrder<T>(sessionId: string, work: () => Promise<T>): Promise<T> {
    const answer = (last.get(sessionId) ?? Promise.resolve()).then(work, work)
    last.set(sessionId, answer)
    try {
      return await answer
    } finally {
      if (last.get(sessionId) === answer) last.delete(sessionId)
    }
  }

  return {
    append: (ref, events, leaseMs) =>
      during(() =>
        inOrder(
          ref.sessionId,
          () =>
            call('loomi_append', {
              ...idsOf(ref),
              p_events: events.map(toArgument),
              p_lease_ms: leaseMs === undefined ? null : Math.round(leaseMs),
              p_notify: notify,
            }) as Promise<AppendResult>,
        ),
      ),
    read: (ref, after, limit) =>
      ask<LogPage>('loomi_read', { ...idsOf(ref), p_after: after, p_limit: limit }),
    heads: (refs) => ask<(SessionHead | null)[]>('loomi_heads', { p_refs: refs.map(toRef) }),
    keys: async (ref, seqs) =>
      new Map(await ask<[number, string][]>('loomi_keys', { ...idsOf(ref), p_seqs: seqs })),
    runHigh: (ref, runId) => ask<RunPlace>('loomi_run_high', { ...idsOf(ref), p_run_id: runId }),
    leaseRuns: async (runs, leaseMs) => {
      await ask('loomi_lease_runs', { p_runs: runs.map(toRunRef), p_lease_ms: Math.round(leaseMs) })
    },
    releaseRuns: async (runs) => {
      await ask('loomi_release_runs', { p_runs: runs.map(toRunRef) })
    },
    stoppedRuns: (runs) => ask<RunRef[]>('loomi_stopped_runs', { p_runs: runs.map(toRunRef) }),
    endRuns: (status, choice, createdAt) =>
      during(async () => {
        const args = { p_status: status, p_choice: choice, p_created_at: createdAt }
        for (let ended = 0; ;) {
          const answer = (await call('loomi_end_runs', args)) as Ended
          ended += answer.ended
          if (!answer.more) return ended
        }
      }),
    transferSession: (sessionId, from, to) =>
      ask<boolean>('loomi_transfer', { p_session_id: sessionId, p_from: from, p_to: to }),
    loadPresence: (ref) => ask<PresenceRow | null>('loomi_presence', idsOf(ref)),
    savePresence: async (rows) => {
      await ask('loomi_touch', { p_rows: rows })
    },
    prune: (retention, limit, from = null) =>
      ask<Pruned>('loomi_prune', { p_retention: retention, p_limit: limit, p_from: from }),
    deleteSessions: (choice) =>
      during(async () => {
        const sessions: SessionRef[] = []
        for (;;) {
          const answer = (await call('loomi_delete_sessions', { p_choice: choice })) as Deleted
          sessions.push(...answer.sessions)
          if (!answer.more) return sessions
        }
      }),
    async close() {
      isClosed = true
      await Promise.allSettled(open)
    },
  }
}

/** What tells of appends, and hears of them. */
export interface WakeupChannel {
  appended(ref: SessionRef, head: SessionHead): void
  asking(
    refs: readonly SessionRef[],
    answer: Promise<readonly (SessionHead | null)[]>,
  ): Promise<readonly (SessionHead | null)[]>
  watch(changed: (sessionIds?: ReadonlySet<string>) => void): () => void
  close(): void | Promise<void>
}

/** The whole store: it tells of what it appends, and whoever watches hears of it. */
export function wakingStore(functions: Omit<Store, 'watch'>, wakeups: WakeupChannel): Store {
  return {
    ...functions,
    async append(ref, events, leaseMs) {
      const result = await functions.append(ref, events, leaseMs)
      if (result.ok && result.added.length > 0)
        wakeups.appended({ ...ref, userId: result.userId }, result.head)
      return result
    },
    heads: (refs) => wakeups.asking(refs, functions.heads(refs)),
    watch: (changed) => wakeups.watch(changed),
    async close() {
      await functions.close()
      await wakeups.close()
    },
  }
}

function idsOf({ sessionId, userId }: SessionRef): Record<string, unknown> {
  return { p_session_id: sessionId, p_user_id: userId }
}

function toRef({ sessionId, userId }: SessionRef): SessionRef {
  return { sessionId, userId }
}

function toRunRef({ sessionId, userId, runId }: RunRef): RunRef {
  return { sessionId, userId, runId }
}

/** JSON goes as text: as part of the arguments it would not arrive to the letter, and U+0000 not at all. */
function toArgument({ event_data, event_metadata, ...event }: NewEvent): Record<string, unknown> {
  return { ...event, event_data_json: event_data, event_metadata_json: event_metadata }
}
