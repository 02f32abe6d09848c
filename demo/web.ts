/**
 * The demo's web server, a process of its own so that a button can kill it: the page, the recovery route, a naive
 * stream to compare it with, and the faults.
 *
 * @module
 */
import type { Server } from 'node:http'
import { type HttpBindings, serve } from '@hono/node-server'
import { Hono } from 'hono'
import { loopbackOnly } from '../server/authorize.ts'
import { answerError } from '../server/error-answers.ts'
import { createLoomi } from '../server/loomi.ts'
import { remoteAddressOf } from '../server/node-sink.ts'
import { DEFAULT_BASE } from '../server/protocol.ts'
import { agentClient } from './agent-client.ts'
import { Faults } from './faults.ts'
import { type FromWeb, VISITOR, type WebSettings } from './messages.ts'
import { pageFiles } from './page-files.ts'
import { demoRoutes } from './routes.ts'

const { host, port, storeUrl } = JSON.parse(process.argv[2] ?? '{}') as WebSettings
const loomi = createLoomi({ store: storeUrl })
const faults = new Faults()

const app = new Hono<{ Bindings: HttpBindings }>()
app.onError((error, c) => answerError(c, error, (other) => console.error(other)))
// Pages of other hosts must not press the buttons of this one.
app.use((c, next) => {
  loopbackOnly(c.req.raw, { sessionId: '', userId: VISITOR }, remoteAddressOf(c.env))
  return next()
})
app.use(`${DEFAULT_BASE}/stream/:session`, faults.middleware)
app.use('/demo/plain/:session', faults.middleware)
app.route(DEFAULT_BASE, loomi.routes)
app.route('/demo', demoRoutes({ loomi, faults, agent: agentClient() }))
app.route('/', pageFiles())

const server = serve({ fetch: app.fetch, port, hostname: host }, (info) =>
  tell({ type: 'listening', port: info.port }),
) as Server
server.once('error', (error: NodeJS.ErrnoException) => {
  const message = `The demo cannot listen on ${host}:${port} (${error.code}). Choose another port with --port or PORT.`
  process.send?.({ type: 'failed', message } satisfies FromWeb, () => process.exit(1))
})

// The terminal sends its SIGINT to both processes; when to end is the supervisor's word.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => void stop())
process.on('disconnect', () => void stop())

async function stop(): Promise<void> {
  server.close()
  await loomi.close()
  server.closeAllConnections()
  process.exit(0)
}

function tell(message: FromWeb): void {
  process.send?.(message)
}
