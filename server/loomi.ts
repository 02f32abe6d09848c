/**
 * `createLoomi`: store, log, presence, streams and route put together.
 *
 * @module
 */
import { Hono } from 'hono'
import { assetReader } from './assets.ts'
import type { Authorize } from './authorize.ts'
import { type Clock, systemClock } from './clock.ts'
import { closeInOrder } from './closing.ts'
import { LoomiError } from './errors.ts'
import { deleteSessions, type HousekeepingDeps, transferSession } from './housekeeping.ts'
import { Log } from './log.ts'
import { checkNumbers, MAX_MS } from './option-checks.ts'
import { type Presence, PresenceBook } from './presence.ts'
import {
  DEFAULT_BASE,
  DEFAULT_DISCONNECT_THRESHOLD_MS,
  DEFAULT_HEARTBEAT_MS,
  DEFAULT_PILE_UP,
  isId,
} from './protocol.ts'
import { RateLimit } from './rate-limit.ts'
import { checkRetention, Pruner } from './retention.ts'
import { loomiRoutes } from './routes.ts'
import { sparingly } from './reports.ts'
import { RunBook } from './runs.ts'
import { Session } from './session.ts'
import { type Retention, type SessionChoice, type SessionRef, type Store } from './store.ts'
import { lazyStore } from './stores/lazy.ts'
import { Streams } from './streams.ts'
import { Writers } from './writers.ts'

/** Where the build puts the page's files, seen from the compiled module and from its source. */
const BROWSER_FILES = new URL(
  import.meta.url.endsWith('.ts') ? '../dist/browser/' : '../browser/',
  import.meta.url,
)

const DEFAULT_LEASE_MS = 30_000
/** Leases are renewed three times as often, each time with a write. */
const MIN_LEASE_MS = 1000
/** Shorter, and readers would do nothing but come back. */
const MIN_STREAM_MS = 1000
const DEFAULT_STORE_TIMEOUT_MS = 1000
const DEFAULT_MAX_PENDING_BYTES = 64 * 1024 * 1024

/** What a client can send or hold. */
export interface Limits {
  /** Open streams of one user in one session; beyond it the oldest ends as `superseded`. Default 16. */
  readonly streamsPerSession: number
  /** Open streams of this process; beyond it 503 with Retry-After. Default 20 000. */
  readonly streams: number
  /** Heartbeats a second of one user in one session; beyond a burst of four times as many, 429. In all sessions
   *  together a user may send ten times as many. Default 5. */
  readonly beatsPerSecond: number
}

/** Something the operator may want to know. */
export interface Report {
  readonly type: 'error'
  readonly error: LoomiError
}

/** How a Loomi is made. */
export interface LoomiOptions {
  /** A store, or where one is: a file's path, `sqlite:PATH`, `:memory:`. Opened with first use. */
  readonly store: string | Store
  /** Says whose a request is. Without it only this machine is answered. */
  readonly authorize?: Authorize
  /** Milliseconds without a beat after which the next one counts as a return. Default 10 000. */
  readonly disconnectThresholdMs?: number
  /** More unseen rows than this are replayed to a client without a cursor even when it was not away. Default 10. */
  readonly pileUp?: number
  /** Milliseconds between beats that clients are asked for at least. Default 5000. */
  readonly heartbeatMs?: number
  /** Milliseconds after which the runs of a producer that is not heard of any more are ended as `interrupted`; 1000 or more. Default 30 000. */
  readonly leaseMs?: number
  /** Milliseconds that viewers wait for the store; then they get events as provisional until it has them. Default 1000. */
  readonly storeTimeoutMs?: number
  /** Bytes of events that may wait in this process for a store that is slow or fails; past it they are dropped, which the log will say. Default 64 MiB. */
  readonly maxPendingBytes?: number
  /** What may be deleted of old rows, and is, once a minute. Default: nothing ever. */
  readonly retention?: Retention
  /** Milliseconds over which `close()` ends the open streams, so that their readers do not all come back at once. Default 0. */
  readonly drainMs?: number
  /**
   * Milliseconds after which a stream is ended, within a second, for hosts that would cut it off themselves; its reader comes
   * back by itself and goes on from where it is. 1000 or more; a stream should live for many beats. Default: it is never ended.
   */
  readonly maxStreamMs?: number
  /** Where `fetch` expects the route. Default `/api/loomi`. */
  readonly base?: string
  readonly limits?: Partial<Limits>
  /**
   * Called with what went wrong out of anybody's sight; what a store that is away says to all streams in the same words, once
   * in ten seconds. Default: one line on the console for each.
   */
  readonly onEvent?: (report: Report) => void
  readonly clock?: Clock
}

/** The server side of recovery. */
export interface Loomi {
  /** The route with the two endpoints: `app.route('/api/loomi', loomi.routes)`. */
  readonly routes: Hono
  /** The route by itself at `base`, for any web-standard runtime. */
  fetch(request: Request): Response | Promise<Response>
  /**
   * The producer's handle on a session. With `runId` its first run is that one, and what was stored of it before
   * adds nothing. Throws `bad_id`.
   */
  session(ref: { readonly sessionId: string; readonly userId: string; readonly runId?: string }): Session
  /**
   * Stops whatever is being answered in a session, in this process or another: the producers' `session.signal` fires within
   * a second, the runs end as `stopped`, and every page shows it. Does nothing when nothing is being answered. Throws
   * `bad_id`; rejects when the store can't be told, and then runs of other processes go on.
   */
  stop(sessionId: string): Promise<void>
  /** When a user was last heard of in a session, null when never. */
  presence(ref: SessionRef): Promise<Presence | null>
  /**
   * Gives a session to another user, for one from an anonymous user to the same one who has signed in: its events, its runs,
   * and what was displayed. What is being answered goes on, in whatever process, and `to`'s pages show it. Pages of `from`
   * are told that the log is gone. Resolves with whether it is `to`'s now; false: there is no such session of `from`'s in
   * the store. Throws `bad_id`; rejects when the store fails, and may be called again.
   */
  transfer(sessionId: string, from: string, to: string): Promise<boolean>
  /**
   * Deletes all of a session: its events, its runs, and who was present. What is being answered is stopped first; pages that
   * show it are told that the log is gone. Does nothing when there is no such session. Throws `bad_id`; rejects when the
   * store fails, and may be called again. A page that stays open goes on to say that it is there.
   */
  deleteSession(sessionId: string): Promise<void>
  /** Deletes all sessions of a user, as {@link Loomi.deleteSession} does, and what else is kept under the user's name. */
  deleteUser(userId: string): Promise<void>
  /**
   * Takes no new stream (503 with Retry-After), stores what is pending, ends the runs that are still open here as
   * `interrupted`, ends every stream, spread over `drainMs`, and lets go of the store when it was given as a URL. A store that
   * fails is waited for no longer than 5 s, or the drain. Beats are answered to the end.
   */
  close(): Promise<void>
}

/** Makes a Loomi. Throws `bad_option`; a store that can't be opened is reported with first use and tried again. */
export function createLoomi(options: LoomiOptions): Loomi {
  const {
    authorize,
    disconnectThresholdMs = DEFAULT_DISCONNECT_THRESHOLD_MS,
    pileUp = DEFAULT_PILE_UP,
    heartbeatMs = DEFAULT_HEARTBEAT_MS,
    base = DEFAULT_BASE,
    leaseMs = DEFAULT_LEASE_MS,
    storeTimeoutMs = DEFAULT_STORE_TIMEOUT_MS,
    maxPendingBytes = DEFAULT_MAX_PENDING_BYTES,
    drainMs = 0,
    maxStreamMs = Infinity,
    clock = systemClock,
    onEvent = reportToConsole,
  } = options
  checkNumbers({ disconnectThresholdMs, heartbeatMs, storeTimeoutMs, drainMs }, 0, MAX_MS)
  checkNumbers({ pileUp, maxPendingBytes }, 0)
  checkNumbers({ leaseMs }, MIN_LEASE_MS, MAX_MS)
  checkNumbers({ maxStreamMs }, MIN_STREAM_MS)
  const retention = checkRetention(options.retention)
  const limits: Limits = { streamsPerSession: 16, streams: 20_000, beatsPerSecond: 5, ...options.limits }
  const { streams: openStreams, ...others } = limits
  checkNumbers({ streams: openStreams }, 0)
  checkNumbers(others, 1)
  const onError = sparingly(clock, (error) => {
    const report: Report = { type: 'error', error }
    try {
      onEvent(report)
    } catch {
      // A reporter that fails must not stop what it reports on.
      reportToConsole(report)
    }
  })
  const store = typeof options.store === 'string' ? lazyStore(options.store) : options.store
  const log = new Log(store, clock, onError, {
    onPoll: () => void runs.sweep(),
    feederOf: (ref) => writers.find(ref),
  })
  const runs = new RunBook({ store, log, clock, leaseMs, onError })
  const budget = { used: 0, max: maxPendingBytes }
  const presence = new PresenceBook(store, clock, disconnectThresholdMs, onError)
  const streams = new Streams(clock, limits, maxStreamMs)
  const pruner = retention && new Pruner(retention, { store, clock, onError })
  let isClosing = false
  const writers = new Writers({
    log,
    store,
    clock,
    budget,
    storeTimeoutMs,
    onError,
    leaseMs,
    isClosed: () => isClosing,
    runStopped: (sessionId, runId) => runs.wasStopped(sessionId, runId),
  })
  const house: HousekeepingDeps = { store, log, runs, writers, presence, streams, clock, storeTimeoutMs }
  const routes = loomiRoutes({
    store,
    log,
    presence,
    streams,
    runs,
    clock,
    authorize,
    pileUp,
    storeTimeoutMs,
    onError,
    intervalMs: heartbeatMs,
    boot: crypto.randomUUID().slice(0, 8),
    random: Math.random,
    rateLimit: new RateLimit(clock, limits.beatsPerSecond),
    readAsset: assetReader(BROWSER_FILES),
  })
  const app = new Hono().route(base, routes)

  const loomi: Loomi = {
    routes,
    fetch: (request) => app.fetch(request),
    session({ sessionId, userId, runId }) {
      checkIds({ sessionId, userId, ...(runId !== undefined && { runId }) })
      const ref = { sessionId, userId }
      const handle = writers.handle(ref)
      const deps = {
        log,
        store,
        clock,
        runs,
        get writer() {
          return handle.writer
        },
      }
      return new Session(ref, deps, runId)
    },
    async stop(sessionId) {
      checkIds({ sessionId })
      await runs.stop({ sessionId }, () => writers.flush({ sessionId }))
    },
    presence: (ref) => presence.get(ref),
    async transfer(sessionId, from, to) {
      checkIds({ sessionId, from, to })
      return transferSession(sessionId, from, to, house)
    },
    deleteSession: (sessionId) => deleteAll({ sessionId }),
    deleteUser: (userId) => deleteAll({ userId }),
    async close() {
      isClosing = true
      pruner?.close()
      await closeInOrder({
        flush: () => writers.flush(),
        runs,
        streams,
        log,
        presence,
        clock,
        drainMs,
        storeTimeoutMs,
        closeStore: async () => (typeof options.store === 'string' ? store.close() : undefined),
      })
    },
  }
  return loomi

  async function deleteAll(choice: SessionChoice): Promise<void> {
    checkIds(choice)
    await deleteSessions(choice, house)
  }
}

function checkIds(ids: { readonly [name: string]: string }): void {
  for (const [name, id] of Object.entries(ids))
    if (!isId(id)) throw new LoomiError('bad_id', `${name} is a text of 1 to 128 characters.`)
}

function reportToConsole({ error }: Report): void {
  console.error(`loomi-recovery: ${error.code}: ${error.message}`)
}
