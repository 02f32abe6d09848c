/**
 * The Node writer: a stream's bytes straight to the outgoing response.
 *
 * Through Node's own response a replay costs what raw `node:http` costs; through a `ReadableStream` it costs several
 * times that. Hono's Node adapter hands the response over as `c.env.outgoing`.
 *
 * @module
 */
import type { Sink } from './sinks.ts'

/** What is used of Node's `ServerResponse`. */
export interface NodeResponse {
  writeHead(status: number, headers: Record<string, string>): unknown
  flushHeaders(): void
  write(bytes: Uint8Array): boolean
  end(): void
  destroy(): void
  on(event: 'close' | 'drain' | 'error', listener: () => void): unknown
  readonly writableNeedDrain: boolean
  readonly destroyed: boolean
}

/** Tells Hono's Node adapter that the response is being written by somebody else. */
export const ALREADY_SENT_HEADER = 'x-hono-already-sent'

/** The outgoing response when the app runs under Hono's Node adapter. */
export function nodeResponseOf(env: unknown): NodeResponse | undefined {
  const outgoing = (env as { outgoing?: Partial<NodeResponse> } | undefined)?.outgoing
  // HTTP/2 responses of the compatibility layer have the same methods.
  return typeof outgoing?.writeHead === 'function' && typeof outgoing.write === 'function'
    ? (outgoing as NodeResponse)
    : undefined
}

/** The peer's address when the app runs under Hono's Node adapter. */
export function remoteAddressOf(env: unknown): string | undefined {
  return (env as { incoming?: { socket?: { remoteAddress?: string } } } | undefined)?.incoming?.socket
    ?.remoteAddress
}

/** Sends the headers and gives the sink that writes the body. */
export function nodeSink(response: NodeResponse, headers: Record<string, string>): Sink {
  const closed = new AbortController()
  let resume: (() => void) | null = null
  const go = (): void => {
    resume?.()
    resume = null
  }
  response.on('drain', go)
  response.on('error', () => closed.abort())
  response.on('close', () => closed.abort())
  closed.signal.addEventListener('abort', go, { once: true })
  if (response.destroyed) closed.abort()
  else {
    response.writeHead(200, headers)
    response.flushHeaders()
  }
  return {
    closed: closed.signal,
    write: (bytes) => closed.signal.aborted || response.write(bytes),
    drained: () =>
      new Promise((resolve) => {
        if (closed.signal.aborted || !response.writableNeedDrain) resolve()
        else resume = resolve
      }),
    end: () => {
      if (!closed.signal.aborted) response.end()
    },
    destroy: () => response.destroy(),
  }
}
