/**
 * One of several servers on one store: `member.ts STORE_URL`. Lines on standard input are orders, lines on standard output
 * say what the test must know:
 *
 *     answer SESSION RUN CHUNKS EVERY_MS    feeds that answer, from its beginning, into the session
 *     port N                                it serves
 *     stored SESSION CURSOR TIME            so far the answer is stored; milliseconds since 1970
 *     done SESSION CURSOR                   all of it is
 */
import { writeSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createLoomi, type Session } from '../../server/index.ts'
import { USER } from '../wire/script.ts'
import { chunkOf, LEASE_MS } from './answer.ts'

const loomi = createLoomi({
  store: process.argv[2]!,
  leaseMs: LEASE_MS,
  onEvent: () => undefined,
})
const app = new Hono().route('/api/loomi', loomi.routes)
serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }: AddressInfo) => tell(`port ${port}`))

// An input that ends, because the test's process did, ends this one too.
createInterface(process.stdin)
  .on('line', (line) => {
    const [, session = '', run = '', chunks, everyMs] = line.split(' ')
    void answer(session, run, Number(chunks), Number(everyMs))
  })
  .on('close', () => process.exit())

async function answer(sessionId: string, runId: string, chunks: number, everyMs: number): Promise<void> {
  const session = loomi.session({ sessionId, userId: USER, runId })
  for (let n = 1; n <= chunks; n++) {
    for (const draft of chunkOf(runId, n, chunks)) session.emit(draft)
    if (n % 10 === 0) tell(`stored ${sessionId} ${await stored(session)} ${Date.now()}`)
    await delay(everyMs)
  }
  await session.end()
  tell(`done ${sessionId} ${await stored(session)}`)
}

/** The cursor of what is stored, once it is, however long the store is away. */
async function stored(session: Session): Promise<string> {
  for (;;) {
    const cursor = await session.cursor().catch(() => null)
    if (cursor !== null) return cursor
    await delay(50)
  }
}

/** At once: a killed process flushes nothing. */
function tell(line: string): void {
  writeSync(1, `${line}\n`)
}
