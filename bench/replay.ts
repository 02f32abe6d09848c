/**
 * Replay from the embedded store against the floor, raw `node:http` sending the same bytes from memory, in the same run.
 *
 *     npm run bench
 *
 * The client is a bare TCP reader in a process of its own, so that its cost is small and equal for both. Prints medians.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createLoomi } from '../dist/server/index.js'

const EVENTS = 10_000
const TAIL = 100
const ROUNDS = 15
const CLIENTS = 50

if (process.argv[2] === 'client') client()
else await main()

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'loomi-bench-'))
  const loomi = createLoomi({ store: join(folder, 'log.db') })
  const session = loomi.session({ sessionId: 's', userId: 'u' })
  for (let i = 0; i < EVENTS; i++)
    session.emit({ event_type: 'note', event_data: { i, text: 'x'.repeat(40) } })
  const head = await session.cursor()
  const cursors: string[] = []
  for await (const { cursor } of session.read()) cursors.push(cursor)

  const app = new Hono().route('/api/loomi', loomi.routes)
  const ours = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
  await once(ours, 'listening')
  const path = (after: string): string => `/api/loomi/stream/s?user_id=u&after=${after}&seen=0&follow=0`
  const all = Buffer.from(await (await fetch(`http://127.0.0.1:${portOf(ours)}${path('0')}`)).arrayBuffer())
  const tailAfter = cursors.at(-TAIL - 1)!
  const tail = Buffer.from(
    await (await fetch(`http://127.0.0.1:${portOf(ours)}${path(tailAfter)}`)).arrayBuffer(),
  )
  const floor = createServer((request, response) => {
    const body = request.url === '/all' ? all : tail
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Content-Length': body.length }).end(body)
  }).listen(0, '127.0.0.1')
  await once(floor, 'listening')

  const reader = fork(import.meta.filename, ['client'])
  const time = async (port: number, url: string, clients: number): Promise<number> => {
    reader.send({ port, url, clients, marker: '"replay_complete"' })
    const [ms] = (await once(reader, 'message')) as [number]
    return ms
  }
  const rows: string[] = []
  for (const [what, after, url, clients] of [
    [`replay of ${EVENTS} events, 1 client`, '0', '/all', 1],
    [`replay of ${EVENTS} events, ${CLIENTS} clients`, '0', '/all', CLIENTS],
    [`catch-up of the last ${TAIL}`, tailAfter, '/tail', 1],
  ] as const) {
    const times: { ours: number[]; floor: number[] } = { ours: [], floor: [] }
    for (let round = 0; round < ROUNDS; round++) {
      times.ours.push(await time(portOf(ours), path(after), clients))
      times.floor.push(await time(portOf(floor), url, clients))
    }
    const [a, b] = [median(times.ours), median(times.floor)]
    rows.push(`${what}: ${a.toFixed(2)} ms, floor ${b.toFixed(2)} ms, ratio ${(a / b).toFixed(2)}`)
  }
  console.log(rows.join('\n'))
  reader.kill()
  ours.close()
  floor.close()
  await loomi.close()
  await rm(folder, { recursive: true, force: true })
  if (!head) throw new Error('Nothing was stored.')
}

function portOf(server: { address(): AddressInfo | string | null }): number {
  return (server.address() as AddressInfo).port
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!
}

function client(): void {
  process.on(
    'message',
    ({ port, url, clients, marker }: { port: number; url: string; clients: number; marker: string }) => {
      const began = performance.now()
      let left = clients
      for (let i = 0; i < clients; i++) {
        const socket = connect(port, '127.0.0.1')
        let tail = ''
        socket.write(`GET ${url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
        socket.on('data', (bytes) => {
          tail = (tail + bytes.toString('latin1', Math.max(0, bytes.length - 400))).slice(-400)
          if (!tail.includes(marker)) return
          tail = ''
          socket.destroy()
          if (--left === 0) process.send!(performance.now() - began)
        })
      }
    },
  )
}
