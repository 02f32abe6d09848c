/**
 * How long an event takes from `emit` in one process to its frame at a viewer of another, in each store.
 *
 *     npm run bench:relay
 *     npm run bench:relay -- --store postgres    one of sqlite, postgres, supabase, supabase-listen
 *
 * The event is a tool call, which waits for no others; one goes every 20 to 40 ms. The floor is the same word sent over
 * a raw `node:http` response between the same two processes, in the same run.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createLoomi } from '../server/index.ts'
import { openBenchStores } from './open-stores.ts'

const EVENTS = 500
const USER = 'u'

interface Order {
  /** The store's URL; null: over raw HTTP. */
  readonly url: string | null
  readonly session: string
}

if (process.send) await produce()
else await measureAll()

async function measureAll(): Promise<void> {
  const { values } = parseArgs({ options: { store: { type: 'string', multiple: true } } })
  const folder = mkdtempSync(join(tmpdir(), 'loomi-bench-'))
  try {
    report('raw HTTP', await measureFloor())
    for await (const { name, url } of openBenchStores(folder, values.store)) {
      report(name, await measure(url))
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measure(url: string): Promise<number[]> {
  const loomi = createLoomi({ store: url })
  const app = new Hono().route('/api/loomi', loomi.routes)
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const producer = fork(import.meta.filename)
  const session = 'relay'
  try {
    const path = `/api/loomi/stream/${session}?user_id=${USER}&after=0`
    const response = await open(`http://127.0.0.1:${port}${path}`)
    const times = readTimes(response)
    producer.send({ url, session } satisfies Order)
    return await times
  } finally {
    await end(producer)
    await loomi.close()
    server.close()
  }
}

async function measureFloor(): Promise<number[]> {
  const producer = fork(import.meta.filename)
  try {
    const port = await new Promise<number>((resolve) => {
      producer.once('message', (told: { port: number }) => resolve(told.port))
      producer.send({ url: null, session: '' } satisfies Order)
    })
    return await readTimes(await open(`http://127.0.0.1:${port}/`))
  } finally {
    await end(producer)
  }
}

/** Milliseconds that each event took, by the clock that the processes of one machine share. */
async function readTimes(response: IncomingMessage): Promise<number[]> {
  const times: number[] = []
  for await (const chunk of response.setEncoding('utf8')) {
    const at = now()
    for (const [, sent] of String(chunk).matchAll(/"sent":([\d.]+)/g)) times.push(at - Number(sent))
    if (times.length >= EVENTS) break
  }
  return times
}

async function produce(): Promise<void> {
  process.on(
    'message',
    ({ url, session }: Order) => void (url === null ? produceRaw() : produceInto(url, session)),
  )
  process.on('disconnect', () => process.exit())
}

async function produceInto(url: string, sessionId: string): Promise<void> {
  const session = createLoomi({ store: url }).session({ sessionId, userId: USER })
  session.emit({ event_type: 'note', event_data: 'warm' })
  await delay(1000)
  await each((sent) => session.emit({ event_type: 'tool_call', event_data: { name: 'rooms', sent } }))
}

async function produceRaw(): Promise<void> {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write(': here\n\n')
    void each((sent) => response.write(`data: {"name":"rooms","sent":${sent}}\n\n`))
  })
  server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }))
}

async function each(send: (sent: number) => void): Promise<void> {
  for (let k = 0; k < EVENTS; k++) {
    send(now())
    await delay(20 + Math.random() * 20)
  }
}

function open(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => get(url, resolve).once('error', reject))
}

async function end(child: ChildProcess): Promise<void> {
  const closed = new Promise((resolve) => child.once('exit', resolve))
  child.disconnect()
  await closed
}

function now(): number {
  return performance.timeOrigin + performance.now()
}

function report(name: string, times: readonly number[]): void {
  const sorted = times.toSorted((one, other) => one - other)
  const at = (part: number): string => `${sorted[Math.floor(sorted.length * part)]!.toFixed(2)} ms`
  console.log(`${name}: p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(0.9999)} (${times.length} events)`)
}
