/**
 * The open streams of this process: limits, keep-alives, deadlines and expiry, all from one timer; and how they end when
 * the process does.
 *
 * @module
 */
import { type Clock, sleep } from './clock.ts'
import { encodeFrame, KEEP_ALIVE } from './frames.ts'
import { KEEP_ALIVE_MS } from './protocol.ts'
import type { Sink } from './sinks.ts'
import { nameOf, type SessionRef } from './store.ts'

const TICK_MS = 1000
/** A write that a reader leaves blocked for this long closes the connection; the client resumes. */
const BLOCKED_MS = 10_000
/** What was written before a stream's end may be read for so long after it. */
const ENDED_MS = 30_000
/** Before the first stream is drained, so that what was stored last can still be written. */
const DRAIN_GRACE_MS = 250
/** Streams that are drained so close to each other end together. */
const DRAIN_STEP_MS = 50
/** Readers come back so long after the drain at the earliest, and spread over as long again and the drain's own length. */
const RETRY_MIN_MS = 1000
const RETRY_SPREAD_MS = 2000

/** One open stream. */
export interface OpenStream {
  readonly sink: Sink
  /** Of the log that it shows; empty when it shows none. */
  epoch: string
  /** Writes bytes and waits while the reader is behind. */
  write(bytes: Uint8Array): Promise<void> | void
}

interface Entry {
  readonly sink: Sink
  readonly stream: OpenStream
  readonly expiresAt: number
  lastWriteAt: number
  blockedSince: number | null
  /** Since then nothing may be written any more; the reader may still have to read. */
  endedAt: number | null
}

const encoder = new TextEncoder()

/** The open streams; see the module. */
export class Streams {
  readonly #clock: Clock
  readonly #perSession: number
  readonly #max: number
  readonly #random: () => number
  /** Each until its reader is gone. */
  readonly #all = new Set<Entry>()
  /** The same without those that were superseded. */
  readonly #bySession = new Map<string, Set<Entry>>()
  readonly #maxStreamMs: number
  #timer: unknown = null
  #isRefusing = false
  #closed = false

  /** `random`: 0 to 1. */
  constructor(
    clock: Clock,
    limits: { readonly streamsPerSession: number; readonly streams: number },
    maxStreamMs = Infinity,
    random: () => number = Math.random,
  ) {
    this.#random = random
    this.#clock = clock
    this.#perSession = limits.streamsPerSession
    this.#max = limits.streams
    this.#maxStreamMs = maxStreamMs
  }

  /** Why no more stream may open, null when one may. */
  get refusal(): 'draining' | 'too_many_streams' | null {
    if (this.#isRefusing) return 'draining'
    return this.#all.size >= this.#max ? 'too_many_streams' : null
  }

  /** Takes a stream in. Beyond the limit of its user and session the oldest one is ended with `superseded`. */
  open(ref: SessionRef, sink: Sink, expiresAt = Infinity): OpenStream {
    const lastWriteAt = this.#clock.now()
    const stream: OpenStream = { sink, epoch: '', write: (bytes) => this.#write(entry, bytes) }
    const entry: Entry = {
      sink,
      stream,
      expiresAt: Math.min(expiresAt, lastWriteAt + this.#maxStreamMs),
      lastWriteAt,
      blockedSince: null,
      endedAt: null,
    }
    const name = nameOf(ref)
    const streams = this.#bySession.get(name) ?? new Set()
    this.#bySession.set(name, streams.add(entry))
    this.#all.add(entry)
    sink.closed.addEventListener('abort', () => this.#forget(name, entry), { once: true })
    if (sink.closed.aborted) this.#forget(name, entry)
    if (streams.size > this.#perSession) {
      const [oldest] = streams
      streams.delete(oldest!)
      oldest!.sink.write(encodeFrame({ type: 'superseded', reason: 'too_many_streams' }, null))
      this.#finish(oldest!)
    }
    this.#timer ??= this.#clock.setTimeout(this.#tick, TICK_MS)
    return stream
  }

  /** Takes no more streams. */
  refuse(): void {
    this.#isRefusing = true
  }

  /**
   * Takes no more streams and ends those that are open, spread over `windowMs` milliseconds. Each is told first when to come
   * back: after the window at the latest the next process is there, and not all readers come in the same moment.
   */
  async drain(windowMs: number): Promise<void> {
    this.refuse()
    const entries = [...this.#bySession.values()].flatMap((streams) => [...streams])
    if (windowMs <= 0 || entries.length === 0) return
    const grace = Math.min(DRAIN_GRACE_MS, windowMs / 2)
    const steps = Math.ceil((windowMs - grace) / DRAIN_STEP_MS)
    await sleep(this.#clock, grace)
    for (let step = 1, done = 0; done < entries.length; step++) {
      if (step > 1) await sleep(this.#clock, DRAIN_STEP_MS)
      const due = Math.ceil((entries.length * step) / steps)
      for (const entry of entries.slice(done, due)) this.#sendAway(entry, windowMs)
      done = due
    }
  }

  /**
   * To be asked for before sessions are deleted or given away. The answer, called when they are, ends the streams that show
   * them; their readers are told that the log is gone. Streams that have found out, and may show the next log, are left alone.
   */
  resetter(): (refs: readonly SessionRef[]) => void {
    const epochs = new Map<Entry, string>()
    for (const streams of this.#bySession.values())
      for (const entry of streams) epochs.set(entry, entry.stream.epoch)
    return (refs) => {
      for (const entry of refs.flatMap((ref) => [...(this.#bySession.get(nameOf(ref)) ?? [])])) {
        if (entry.stream.epoch !== epochs.get(entry)) continue
        // Without an id: there is no other log yet that a cursor could name.
        if (entry.endedAt === null) entry.sink.write(encodeFrame({ type: 'reset', reason: 'epoch' }, null))
        this.#finish(entry)
      }
    }
  }

  /** Ends every stream and takes no more. */
  close(): void {
    this.refuse()
    this.#closed = true
    this.#clock.clearTimeout(this.#timer)
    for (const entry of this.#all) this.#finish(entry)
  }

  #write(entry: Entry, bytes: Uint8Array): Promise<void> | void {
    const { sink } = entry
    if (entry.endedAt !== null) return closing(sink)
    entry.lastWriteAt = this.#clock.now()
    if (sink.write(bytes)) return
    entry.blockedSince = entry.lastWriteAt
    return sink.drained().then(() => {
      entry.blockedSince = null
    })
  }

  #sendAway(entry: Entry, windowMs: number): void {
    if (entry.endedAt !== null || entry.sink.closed.aborted) return
    const retryMs = RETRY_MIN_MS + this.#random() * (RETRY_SPREAD_MS + windowMs)
    entry.sink.write(encoder.encode(`retry: ${Math.round(retryMs)}\n\n`))
    // A reader that is behind may take what is left of the window to read the rest.
    this.#end(entry)
  }

  #forget(name: string, entry: Entry): void {
    const streams = this.#bySession.get(name)
    this.#all.delete(entry)
    streams?.delete(entry)
    if (streams?.size === 0) this.#bySession.delete(name)
  }

  /** Ends a stream. A reader that is behind would keep it open for longer, so that one is cut. */
  #finish(entry: Entry): void {
    if (entry.blockedSince === null) this.#end(entry)
    else entry.sink.destroy()
  }

  /** Ends a stream after what was written. */
  #end(entry: Entry): void {
    if (entry.endedAt !== null) return
    entry.endedAt = this.#clock.now()
    entry.sink.end()
  }

  readonly #tick = (): void => {
    const now = this.#clock.now()
    for (const entry of this.#all) {
      if (entry.blockedSince !== null) {
        if (now - entry.blockedSince >= BLOCKED_MS) entry.sink.destroy()
      } else if (entry.endedAt !== null) {
        if (now - entry.endedAt >= ENDED_MS) entry.sink.destroy()
      } else if (now >= entry.expiresAt) this.#end(entry)
      else if (now - entry.lastWriteAt >= KEEP_ALIVE_MS) {
        entry.lastWriteAt = now
        entry.sink.write(KEEP_ALIVE)
      }
    }
    this.#timer = this.#all.size > 0 && !this.#closed ? this.#clock.setTimeout(this.#tick, TICK_MS) : null
  }
}

/** Resolves when a stream is closed, so that its loop goes round no more. */
function closing({ closed }: Sink): Promise<void> | void {
  if (closed.aborted) return
  return new Promise((resolve) => closed.addEventListener('abort', () => resolve(), { once: true }))
}
