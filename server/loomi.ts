/**
 * `createLoomi`: store, log, presence, streams and route put together.
 *
 * @module
 */
import { Hono } from 'hono'
import { assetReader } from './assets.ts'
import type { Authorize } from './authorize.ts'
import { type Clock, sleep, systemClock } from './clock.ts'
import { LoomiError, toLoomiError } from './errors.ts'
import { Log, nameOf } from './log.ts'
import { type Presence, PresenceBook } from './presence.ts'
import {
  DEFAULT_BASE,
  DEFAULT_DISCONNECT_THRESHOLD_MS,
  DEFAULT_HEARTBEAT_MS,
  DEFAULT_PILE_UP,
  isId,
} from './protocol.ts'
import { RateLimit } from './rate-limit.ts'
import { loomiRoutes } from './routes.ts'
import { RunBook } from './runs.ts'
import { Session } from './session.ts'
import { SessionWriter } from './session-writer.ts'
import type { SessionRef, Store } from './store.ts'
import { lazyStore } from './stores/lazy.ts'
import { Streams } from './streams.ts'

/** Where the build puts the page's files, seen from the compiled module and from its source. */
const BROWSER_FILES = new URL(
  import.meta.url.endsWith('.ts') ? '../dist/browser/' : '../browser/',
  import.meta.url,
)

const CLOSE_MS = 5000
const DEFAULT_LEASE_MS = 30_000
const DEFAULT_MAX_PENDING_BYTES = 64 * 1024 * 1024

/** What a client can send or hold. */
export interface Limits {
  /** Open streams of one user in one session; beyond it the oldest ends as `superseded`. Default 16. */
  readonly streamsPerSession: number
  /** Open streams of this process; beyond it 503 with Retry-After. Default 20 000. */
  readonly streams: number
  /** Heartbeats a second of one user in one session; beyond a burst of four times as many, 429. Default 5. */
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
  /** Milliseconds after which the runs of a producer that is not heard of any more are ended as `interrupted`. Default 30 000. */
  readonly leaseMs?: number
  /** Bytes of events that may wait in this process for a store that is slow or fails; past it they are dropped, which the log will say. Default 64 MiB. */
  readonly maxPendingBytes?: number
  /** Where `fetch` expects the route. Default `/api/loomi`. */
  readonly base?: string
  readonly limits?: Partial<Limits>
  /** Called with what went wrong out of anybody's sight. Default: one line on the console for each. */
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
   * Stores what is pending, ends the runs that are still open here as `interrupted`, ends every stream, and lets go of the
   * store when it was given as a URL. A store that fails is waited for no longer than 5 s.
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
    maxPendingBytes = DEFAULT_MAX_PENDING_BYTES,
    clock = systemClock,
    onEvent = reportToConsole,
  } = options
  const numbers = { disconnectThresholdMs, pileUp, heartbeatMs, leaseMs, maxPendingBytes }
  for (const [name, value] of Object.entries(numbers)) {
    if (!(value >= 0)) throw new LoomiError('bad_option', `${name} is a number from 0 up.`)
  }
  const limits: Limits = { streamsPerSession: 16, streams: 20_000, beatsPerSecond: 5, ...options.limits }
  const onError = (error: unknown): void => {
    const report: Report = { type: 'error', error: toLoomiError(error, 'internal', describe(error)) }
    try {
      onEvent(report)
    } catch {
      // A reporter that fails must not stop what it reports on.
      reportToConsole(report)
    }
  }
  const store = typeof options.store === 'string' ? lazyStore(options.store) : options.store
  const log = new Log(store, clock, onError, () => void runs.sweep())
  const runs = new RunBook({ store, log, clock, leaseMs, onError })
  const budget = { used: 0, max: maxPendingBytes }
  const presence = new PresenceBook(store, clock, disconnectThresholdMs, onError)
  const streams = new Streams(clock, limits)
  const writers = new Map<string, SessionWriter>()
  const routes = loomiRoutes({
    store,
    log,
    presence,
    streams,
    runs,
    clock,
    authorize,
    pileUp,
    onError,
    intervalMs: heartbeatMs,
    boot: crypto.randomUUID().slice(0, 8),
    random: Math.random,
    rateLimit: new RateLimit(clock, limits.beatsPerSecond, limits.beatsPerSecond * 4),
    readAsset: assetReader(BROWSER_FILES),
  })
  const app = new Hono().route(base, routes)

  return {
    routes,
    fetch: (request) => app.fetch(request),
    session({ sessionId, userId, runId }) {
      for (const [name, id] of Object.entries({ sessionId, userId, ...(runId !== undefined && { runId }) })) {
        if (!isId(id)) throw new LoomiError('bad_id', `${name} is a text of 1 to 128 characters.`)
      }
      const ref = { sessionId, userId }
      return new Session(ref, { writer: writerOf(ref), log, store, clock, runs }, runId)
    },
    async stop(sessionId) {
      if (!isId(sessionId)) throw new LoomiError('bad_id', 'sessionId is a text of 1 to 128 characters.')
      await runs.stop(sessionId, () => Promise.all([...writersOf(sessionId)].map((writer) => writer.flush())))
    },
    presence: (ref) => presence.get(ref),
    async close() {
      const flushed = Promise.all([...writers.values()].map((writer) => writer.flush())).then(() =>
        runs.close(),
      )
      // A store that fails must not keep a process from ending.
      const enough = new AbortController()
      await Promise.race([flushed, sleep(clock, CLOSE_MS, enough.signal)])
      enough.abort()
      streams.close()
      log.close()
      await presence.flush()
      if (typeof options.store === 'string') await store.close()
    },
  }

  /** One writer for all handles of a session, so that their events keep the order in which they were emitted. */
  function writerOf(ref: SessionRef): SessionWriter {
    const name = nameOf(ref)
    let writer = writers.get(name)
    if (!writer) {
      for (const [other, { idle }] of writers) if (idle && writers.size > 1000) writers.delete(other)
      writer = new SessionWriter(ref, {
        log,
        store,
        clock,
        budget,
        onError,
        leaseUntil: () => runs.leaseUntil(),
        runStopped: (sessionId, runId) => runs.wasStopped(sessionId, runId),
      })
      writers.set(name, writer)
    }
    return writer
  }

  function* writersOf(sessionId: string): Generator<SessionWriter> {
    for (const [name, writer] of writers) if (name.endsWith(`\u0000${sessionId}`)) yield writer
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function reportToConsole({ error }: Report): void {
  console.error(`loomi-recovery: ${error.code}: ${error.message}`)
}
