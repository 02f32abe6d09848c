/**
 * `loomi-recovery serve`: the two endpoints, alone or with the demo.
 *
 * @module
 */
import { createServer } from 'node:net'
import { serve as listen } from '@hono/node-server'
import { Hono } from 'hono'
import { isLoopbackHost } from '../authorize.ts'
import { createLoomi } from '../loomi.ts'
import { DEFAULT_BASE } from '../protocol.ts'
import { openStore } from '../stores/open.ts'
import { tickets } from '../tickets.ts'
import { CliError, DEFAULT_STORE, readFlags } from './flags.ts'

const DEFAULT_PORT = 8787
/** How many ports after the wanted one are tried when nobody asked for a certain one. */
const PORTS_TO_TRY = 50
/** Milliseconds over which the streams end, so that their readers do not all come back at once. */
const DRAIN_MS = 3000
/** Milliseconds after which a shutdown is ended that a store keeps up: supervisors kill after 10 s. */
const SHUTDOWN_MS = 9000

/** Serves until SIGINT or SIGTERM; resolves when it listens. */
export async function serve(args: string[]): Promise<void> {
  const flags = readFlags(args, {
    port: { type: 'string' },
    host: { type: 'string', default: '127.0.0.1' },
    store: { type: 'string', default: DEFAULT_STORE },
    demo: { type: 'boolean', default: false },
  })
  const { host } = flags
  const secret = process.env['LOOMI_SECRET']
  if (!isLoopbackHost(host) && !secret) {
    throw new CliError(
      `Refusing to serve ${host} without authorisation: anybody could read every session. ` +
        'Set LOOMI_SECRET (16 characters or more) and issue tickets, or mount the route in your own app with `authorize`, or leave --host out.',
    )
  }
  const port = await freePort(host, portFlag(flags.port))
  if (flags.demo) {
    const { startDemo } = await import('../../demo/index.ts')
    await startDemo({ host, port, storeUrl: flags.store })
    return
  }
  const store = await openStore(flags.store)
  const loomi = createLoomi({
    store,
    drainMs: DRAIN_MS,
    ...(secret !== undefined && { authorize: tickets(secret) }),
  })
  const app = new Hono().route(DEFAULT_BASE, loomi.routes)
  listen({ fetch: app.fetch, port, hostname: host }, (info) => {
    console.log(`loomi-recovery serves ${urlOf(host, info.port)}${DEFAULT_BASE}`)
  })
  let stopping = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopping) return
      stopping = true
      setTimeout(() => {
        console.error('loomi-recovery: the store does not let go. Ended all the same.')
        process.exit(0)
      }, SHUTDOWN_MS)
      // It listens to the end: who comes meanwhile is told when to come again, and beats are answered.
      void loomi
        .close()
        .then(() => store.close())
        .catch((error: unknown) => console.error(`loomi-recovery: ${String(error)}`))
        .then(() => process.exit(0))
    })
  }
}

/** The address to open in a browser. */
export function urlOf(host: string, port: number): string {
  return `http://${host === '127.0.0.1' ? 'localhost' : host.includes(':') ? `[${host}]` : host}:${port}`
}

function portFlag(text: string | undefined): { readonly port: number; readonly exact: boolean } {
  const port = Number(text ?? process.env['PORT'] ?? DEFAULT_PORT)
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new CliError('--port (or PORT) is a whole number from 0 to 65535.')
  return { port, exact: text !== undefined }
}

/** The wanted port; when it is taken and nobody asked for exactly that one, the next free one. */
async function freePort(
  host: string,
  { port, exact }: { readonly port: number; readonly exact: boolean },
): Promise<number> {
  for (let candidate = port; ; candidate++) {
    const code = await tryPort(host, candidate)
    if (code === null) return candidate
    if (code !== 'EADDRINUSE' || exact || candidate - port >= PORTS_TO_TRY) {
      throw new CliError(
        `Cannot listen on ${host}:${candidate} (${code}). Choose another with --port or PORT; --port 0 takes any free one.`,
      )
    }
  }
}

function tryPort(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'))
    probe.listen(port, host, () => {
      probe.close(() => resolve(null))
    })
  })
}
