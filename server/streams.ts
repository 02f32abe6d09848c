/**
 * The open streams of this process: limits, keep-alives, deadlines and expiry, all from one timer.
 *
 * @module
 */
import type { Clock } from './clock.ts'
import { encodeFrame, KEEP_ALIVE } from './frames.ts'
import { nameOf } from './log.ts'
import { KEEP_ALIVE_MS } from './protocol.ts'
import type { Sink } from './sinks.ts'
import type { SessionRef } from './store.ts'

const TICK_MS = 1000
/** A write that a reader leaves blocked for this long closes the connection; the client resumes. */
const BLOCKED_MS = 10_000

/** One open stream. */
export interface OpenStream {
  readonly sink: Sink
  /** Writes bytes and waits while the reader is behind. */
  write(bytes: Uint8Array): Promise<void> | void
}

interface Entry {
  readonly sink: Sink
  readonly expiresAt: number
  lastWriteAt: number
  blockedSince: number | null
}

/** The open streams; see the module. */
export class Streams {
  readonly #clock: Clock
  readonly #perSession: number
  readonly #max: number
  readonly #bySession = new Map<string, Set<Entry>>()
  #count = 0
  #timer: unknown = null
  #closed = false

  constructor(clock: Clock, limits: { readonly streamsPerSession: number; readonly streams: number }) {
    this.#clock = clock
    this.#perSession = limits.streamsPerSession
    this.#max = limits.streams
  }

  /** Whether one more stream may open. */
  get full(): boolean {
    return this.#count >= this.#max || this.#closed
  }

  /** Takes a stream in. Beyond the limit of its user and session the oldest one is ended with `superseded`. */
  open(ref: SessionRef, sink: Sink, expiresAt = Infinity): OpenStream {
    const entry: Entry = { sink, expiresAt, lastWriteAt: this.#clock.now(), blockedSince: null }
    const name = nameOf(ref)
    const streams = this.#bySession.get(name) ?? new Set()
    this.#bySession.set(name, streams.add(entry))
    this.#count++
    sink.closed.addEventListener('abort', () => this.#forget(name, entry), { once: true })
    if (sink.closed.aborted) this.#forget(name, entry)
    if (streams.size > this.#perSession) {
      const [oldest] = streams
      streams.delete(oldest!)
      oldest!.sink.write(encodeFrame({ type: 'superseded', reason: 'too_many_streams' }, null))
      finish(oldest!)
    }
    this.#timer ??= this.#clock.setTimeout(this.#tick, TICK_MS)
    return {
      sink,
      write: (bytes) => {
        entry.lastWriteAt = this.#clock.now()
        if (sink.write(bytes)) return
        entry.blockedSince = entry.lastWriteAt
        return sink.drained().then(() => {
          entry.blockedSince = null
        })
      },
    }
  }

  /** Ends every stream and takes no more. */
  close(): void {
    this.#closed = true
    this.#clock.clearTimeout(this.#timer)
    for (const streams of this.#bySession.values()) for (const entry of streams) finish(entry)
  }

  #forget(name: string, entry: Entry): void {
    const streams = this.#bySession.get(name)
    this.#count--
    streams?.delete(entry)
    if (streams?.size === 0) this.#bySession.delete(name)
  }

  readonly #tick = (): void => {
    const now = this.#clock.now()
    for (const streams of this.#bySession.values()) {
      for (const entry of streams) {
        if (entry.blockedSince !== null) {
          if (now - entry.blockedSince >= BLOCKED_MS) entry.sink.destroy()
        } else if (now >= entry.expiresAt) entry.sink.end()
        else if (now - entry.lastWriteAt >= KEEP_ALIVE_MS) {
          entry.lastWriteAt = now
          entry.sink.write(KEEP_ALIVE)
        }
      }
    }
    this.#timer = this.#count > 0 && !this.#closed ? this.#clock.setTimeout(this.#tick, TICK_MS) : null
  }
}

/** Ends a stream. A reader that is behind would keep it open for as long as it likes, so that one is cut. */
function finish({ sink, blockedSince }: Entry): void {
  if (blockedSince === null) sink.end()
  else sink.destroy()
}
