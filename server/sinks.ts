/**
 * Where a stream's bytes go: a byte `ReadableStream` on any web-standard runtime. The Node writer is beside it.
 *
 * @module
 */

/** A place to write a stream to. */
export interface Sink {
  /** Writes bytes; false means that the reader is behind and `drained` should be awaited. Does nothing once closed. */
  write(bytes: Uint8Array): boolean
  /** Resolves when the reader has caught up or is gone. */
  drained(): Promise<void>
  /** Ends the stream after what was written. */
  end(): void
  /** Cuts the connection. */
  destroy(): void
  /** Fires when the reader is gone or the stream has ended. */
  readonly closed: AbortSignal
}

/** What a stream is answered with. */
export const STREAM_HEADERS: Readonly<Record<string, string>> = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
  'X-Content-Type-Options': 'nosniff',
}

/** Bytes that may wait for a reader before the loop waits too. */
const HIGH_WATER_BYTES = 64 * 1024

/** A sink together with the response body that it fills. */
export function webSink(): { sink: Sink; body: ReadableStream<Uint8Array> } {
  const closed = new AbortController()
  let controller!: ReadableStreamDefaultController<Uint8Array>
  let resume: (() => void) | null = null
  const body = new ReadableStream<Uint8Array>(
    {
      start(c) {
        controller = c
      },
      pull() {
        resume?.()
        resume = null
      },
      cancel() {
        closed.abort()
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER_BYTES }),
  )
  const close = (finish: () => void): void => {
    if (closed.signal.aborted) return
    finish()
    closed.abort()
  }
  closed.signal.addEventListener('abort', () => resume?.(), { once: true })
  const sink: Sink = {
    closed: closed.signal,
    write(bytes) {
      if (closed.signal.aborted) return true
      controller.enqueue(bytes)
      return (controller.desiredSize ?? 0) > 0
    },
    drained: () =>
      new Promise((resolve) => {
        if (closed.signal.aborted || (controller.desiredSize ?? 0) > 0) resolve()
        else resume = resolve
      }),
    end: () => close(() => controller.close()),
    destroy: () => close(() => controller.error(new Error('The stream was cut.'))),
  }
  return { sink, body }
}
