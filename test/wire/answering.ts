/**
 * A process to be killed: `answering.ts PATH server|producer|both`. It serves the log, or answers in it, or both in one.
 * One line on standard output for each thing that the tests must know; `go` on standard input begins the answer, `hasty`
 * begins it without waiting for the store between its events, so that they leave in other batches.
 */
import { writeSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createLoomi, type Loomi } from '../../server/index.ts'
import { openStore } from '../../server/stores/open.ts'
import { NEVER_MS, shortAnswer, USER } from './script.ts'

const [path = '', role = ''] = process.argv.slice(2)

/** Milliseconds in which an append reaches the viewers, so that it does so alone and runs differ little from each other. */
const ARRIVAL_MS = role === 'producer' ? 60 : 5

let opened: Loomi | null = null
// A producer opens the log with its first word: beside a server it is not to make the tables.
const open = async (): Promise<Loomi> =>
  (opened ??= createLoomi({ store: await openStore(path), storeTimeoutMs: NEVER_MS }))

if (role !== 'producer') {
  const loomi = await open()
  const app = new Hono().route('/api/loomi', loomi.routes)
  serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }: AddressInfo) => tell(`port ${port}`))
}

// An input that ends, because the test's process did, ends this one too.
createInterface(process.stdin)
  .on('line', (line) => void answer(line === 'hasty'))
  .on('close', () => process.exit())

async function answer(isHasty: boolean): Promise<void> {
  const loomi = await open()
  const session = loomi.session({ sessionId: 's', userId: USER, runId: 'answer' })
  session.user('Which rooms?')
  for (const group of shortAnswer()) {
    for (const draft of group) session.emit(draft)
    if (isHasty) continue
    tell(`stored ${await session.cursor()}`)
    await delay(ARRIVAL_MS)
  }
  await session.end()
  tell(`done ${await session.cursor()}`)
}

/** At once: a killed process flushes nothing. */
function tell(line: string): void {
  writeSync(1, `${line}\n`)
}
