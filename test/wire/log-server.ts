/**
 * A server in a process of its own, on the SQLite file that its argument names. It tells its port over IPC and feeds
 * {@link longAnswer} to each session that it is told of, closing it at the end.
 */
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createLoomi } from '../../server/index.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { longAnswer, NEVER_MS, USER } from './script.ts'

const store = openSqlite(process.argv[2]!)
// Hundreds look on at one session at a time.
const loomi = createLoomi({ store, storeTimeoutMs: NEVER_MS, limits: { streamsPerSession: 10_000 } })
const app = new Hono().route('/api/loomi', loomi.routes)
const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, (info: AddressInfo) => {
  process.send!({ port: info.port })
})

process.on(
  'message',
  ({ session, everyMs }: { session: string; everyMs: number }) => void feed(session, everyMs),
)
process.on('disconnect', () => process.exit())
server.on('error', (error) => {
  throw error
})

async function feed(sessionId: string, everyMs: number): Promise<void> {
  const session = loomi.session({ sessionId, userId: USER, runId: 'r' })
  for (const group of longAnswer()) {
    for (const draft of group) session.emit(draft)
    // Two deltas of one part that waited together would become one row.
    await session.cursor()
    await delay(everyMs)
  }
  await session.end()
  await session.close()
  process.send!({ fed: sessionId })
}
