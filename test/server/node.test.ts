import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { after, before, beforeEach, describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { serve, type ServerType } from '@hono/node-server'
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import type { LoomiOptions } from '../../server/loomi.ts'
import type { Store } from '../../server/store.ts'
import {
  type FakeClock,
  makeWorld,
  newEvent,
  newEvents,
  openStream,
  REF,
  seqsOf,
  SseReader,
  storeWith,
  typesOf,
  until,
  type World,
} from './support.ts'

describe('the route on Node', { timeout: 60_000 }, () => {
  let world: World
  let clock: FakeClock
  let store: Store
  let server: ServerType
  let port: number
  let base: string
  const servers: ServerType[] = []

  async function start(options: Partial<LoomiOptions> & { store?: Store } = {}): Promise<void> {
    world = makeWorld(options)
    ;({ clock, store } = world)
    const app = new Hono()
      .use(cors({ origin: 'http://localhost:5173' }))
      .route('/api/loomi', world.loomi.routes)
    server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
    servers.push(server)
    await once(server, 'listening')
    port = (server.address() as net.AddressInfo).port
    base = `http://localhost:${port}/api/loomi`
  }
  beforeEach(() => start())
  after(() => {
    for (const server of servers) (server as http.Server).closeAllConnections()
    for (const server of servers) server.close()
  })

  const open = async (query = 'after=0', headers: Record<string, string> = {}): Promise<SseReader> =>
    new SseReader(await fetch(`${base}/stream/s-42?user_id=ada&${query}`, { headers }))
  const connections = (): Promise<number> =>
    new Promise((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    )

  /** A client that asks and never reads. */
  async function deafClient(query = 'after=0'): Promise<net.Socket> {
    const socket = net.connect({ port, host: '127.0.0.1' })
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    socket.pause()
    socket.write(
      `GET /api/loomi/stream/s-42?user_id=ada&${query} HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`,
    )
    return socket
  }

  it('sends the same frames as on any web-standard runtime', async () => {
    await store.append(REF, newEvents(1, 700))
    const [node, web] = [
      await open('after=0&follow=0'),
      await openStream(world.loomi, { query: 'after=0&follow=0' }),
    ]
    assert.deepEqual(await node.rest(), await web.rest())
    const withoutRetry = (text: string): string => text.replace(/^retry: \d+\n/, '')
    assert.equal(withoutRetry(node.text), withoutRetry(web.text))
  })

  it('sends the headers of the stream, and what middleware has set', async () => {
    const stream = await open('', { origin: 'http://localhost:5173' })
    const { headers } = stream.response
    assert.equal(headers.get('content-type'), 'text/event-stream')
    assert.equal(headers.get('cache-control'), 'no-store, no-transform')
    assert.equal(headers.get('x-accel-buffering'), 'no')
    assert.equal(headers.get('access-control-allow-origin'), 'http://localhost:5173')
    assert.equal(headers.get('x-hono-already-sent'), null)
    await stream.cancel()
  })

  it('brings live events, and goes on after the viewer before left', async () => {
    const one = await open('')
    await one.next()
    await one.cancel()
    const two = await open('')
    await two.next()
    world.loomi.session(REF).message('live')
    assert.deepEqual(seqsOf(await two.take(1)), [1])
    await two.cancel()
  })

  it('answers HEAD, 204 and 503 as elsewhere', async () => {
    const head = await fetch(`${base}/stream/s-42?user_id=ada`, { method: 'HEAD' })
    assert.equal(head.status, 200)
    assert.equal(head.headers.get('content-type'), 'text/event-stream')
    const session = world.loomi.session(REF)
    await session.close()
    const done = await fetch(`${base}/stream/s-42?user_id=ada&after=${await session.cursor()}`)
    assert.equal(done.status, 204)
    await start({ limits: { streams: 0 } })
    assert.equal((await fetch(`${base}/stream/s-42?user_id=ada`)).status, 503)
  })

  it('ends a stream cleanly, and the connection may be used again', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const get = (path: string): Promise<string> =>
      new Promise((resolve, reject) => {
        http
          .get(`${base}${path}`, { agent }, (response) => {
            let text = ''
            response.setEncoding('utf8').on('data', (piece: string) => (text += piece))
            response.on('end', () => resolve(text))
          })
          .on('error', reject)
      })
    await store.append(REF, newEvents(1, 2))
    for (let i = 0; i < 5; i++)
      assert.match(await get('/stream/s-42?user_id=ada&after=0&follow=0'), /replay_complete/)
    assert.equal(await connections(), 1)
    agent.destroy()
  })

  describe('with a reader that never reads', () => {
    const large = JSON.stringify('x'.repeat(250_000))
    let read: number
    before(() => {
      read = 0
    })
    const startLarge = async (options: Partial<LoomiOptions> = {}): Promise<void> => {
      const { store: inner } = makeWorld()
      await inner.append(REF, newEvents(1, 120, { event_data: large }))
      read = 0
      await start({
        ...options,
        store: storeWith(inner, {
          read: async (ref, after, limit) => {
            const page = await inner.read(ref, after, limit)
            read += page.events.length
            return page
          },
        }),
      })
    }

    /** Waits until nothing more is read for a while: the loop waits for its reader. */
    async function stalled(): Promise<void> {
      let last = 0
      let same = 0
      await until(() => {
        same = read > 0 && read === last ? same + 1 : 0
        last = read
        return same > 40
      }, 'the loop to wait')
    }

    it('waits instead of filling memory, cuts it after 10 s, and serves on', async () => {
      await startLarge()
      const socket = await deafClient()
      await stalled()
      // 30 MB are in the log; the kernel's buffers may take a few of them.
      assert.ok(read < 80, `${read} of 120 rows were read for a reader that took none`)
      assert.equal((await (await open('follow=0')).take(1))[0]?.frame.type, 'replay_start')
      await clock.advance(9000)
      assert.equal(socket.destroyed, false)
      assert.ok((await connections()) >= 1)
      await clock.advance(3000)
      await until(async () => (await connections()) === 0, 'the cut')
      socket.destroy()
      assert.equal(seqsOf(await (await open('after=0&follow=0')).rest()).length, 120)
    })

    it('cuts it also when a newer stream takes its place', async () => {
      await startLarge({ limits: { streamsPerSession: 1 } })
      const socket = await deafClient()
      await stalled()
      await clock.advance(1000)
      const newer = await open('after=0')
      await newer.take(1)
      await clock.advance(12_000)
      await newer.cancel()
      await until(async () => (await connections()) === 0, 'the cut')
      socket.destroy()
    })

    it('lets go of it when the server closes', async () => {
      await startLarge()
      const socket = await deafClient()
      await stalled()
      await world.loomi.close()
      await until(async () => (await connections()) === 0, 'the cut')
      socket.destroy()
    })
  })

  it('brings everything to a slow reader that does read', async () => {
    await store.append(REF, newEvents(1, 120, { event_data: JSON.stringify('x'.repeat(100_000)) }))
    const stream = await open('after=0&follow=0')
    const seqs: number[] = []
    for (let message = await stream.next(); message; message = await stream.next()) {
      seqs.push(...seqsOf([message]))
      if (seqs.length % 10 === 0) await clock.advance(900)
    }
    assert.deepEqual(
      seqs,
      Array.from({ length: 120 }, (_, i) => i + 1),
    )
  })

  it('leaves nothing behind after 500 connections that were dropped', async () => {
    await start({ limits: { streams: 20 } })
    await store.append(REF, newEvents(1, 3))
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    const cycle = async (): Promise<void> => {
      const socket = net.connect({ port, host: '127.0.0.1' })
      socket.write(`GET /api/loomi/stream/s-42?user_id=ada&after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      const [data] = (await once(socket, 'data')) as [Buffer]
      assert.match(data.toString(), /^HTTP\/1.1 200/)
      socket.destroy()
    }
    const round = async (count: number): Promise<number> => {
      for (let i = 0; i < count; i += 5) await Promise.all(Array.from({ length: 5 }, cycle))
      await until(async () => (await connections()) === 0, 'no connection')
      // What is known of a session outlives its last viewer by ten seconds.
      await clock.advance(11_000)
      gc()
      return process.memoryUsage().heapUsed
    }
    const before = await round(100)
    const later = await round(400)
    assert.equal(clock.pending, 0)
    assert.ok(later - before < 3_000_000, `the heap grew by ${later - before} bytes in 400 connections`)
  })

  it('forgets a client that left before it was known', async () => {
    let answer = (): void => undefined
    const asked = Promise.withResolvers<void>()
    await start({
      limits: { streams: 1 },
      authorize: () => {
        asked.resolve()
        return new Promise((resolve) => (answer = () => resolve({ userId: 'ada' })))
      },
    })
    const socket = await deafClient()
    await asked.promise
    socket.destroy()
    await until(async () => (await connections()) === 0, 'no connection')
    answer()
    await clock.advance(3000)
    const next = fetch(`${base}/stream/s-42`)
    await until(() => answer !== undefined, 'the next')
    await new Promise((resolve) => setImmediate(resolve))
    await until(async () => {
      answer()
      return Promise.race([
        next.then(() => true),
        new Promise<boolean>((resolve) => setImmediate(resolve, false)),
      ])
    }, 'the next answer')
    assert.equal((await next).status, 200)
    await (await next).body!.cancel()
  })

  describe('given bad input', () => {
    const post = (body: BodyInit, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`${base}/heartbeat`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
        duplex: 'half',
      } as RequestInit)
    const serving = async (): Promise<void> => {
      const response = await post(JSON.stringify({ user_id: 'ada', session_id: 's-42' }))
      assert.equal(response.status, 200)
    }

    it('answers 413 to a body of a megabyte, announced or not, and serves on', async () => {
      const body = 'x'.repeat(1_000_000)
      assert.equal((await post(body)).status, 413)
      await serving()
      assert.equal((await post(new Blob([body]).stream())).status, 413)
      await serving()
    })

    it('gives no internal text away', async () => {
      await start({
        authorize: () => {
          throw new Error('the secret is hunter2')
        },
      })
      for (const response of [
        await post('{"user_id":"ada","session_id":"s"}'),
        await fetch(`${base}/stream/s`),
      ]) {
        assert.equal(response.status, 500)
        const text = await response.text()
        assert.match(text, /"code":"internal"/)
        assert.ok(!text.includes('hunter2') && !text.includes('.ts'))
      }
    })

    it('serves on after bytes that are no request', async () => {
      const garbage = [
        'GET /api/loomi/stream/s-42\r\n\r\n',
        '\u0000\u0001\u0002\r\n\r\n',
        'POST /api/loomi/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{',
        'GET /api/loomi/stream/%E0%A4%A?user_id=%E0%A4%A&after=%E0 HTTP/1.1\r\nHost: localhost\r\n\r\n',
        'GET //// HTTP/1.1\r\nHost: [\r\n\r\n',
        'GET /api/loomi/stream/s HTTP/1.1\r\n\r\n',
        `GET /api/loomi/stream/s?after=${'x'.repeat(9000)}&user_id=ada HTTP/1.1\r\nHost: localhost\r\n\r\n`,
        `GET /api/loomi/stream/s?user_id=ada HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: \u00ff\u00fe\r\n\r\n`,
      ]
      for (const bytes of garbage) {
        const socket = net.connect({ port, host: '127.0.0.1' })
        socket.on('error', () => undefined)
        socket.end(Buffer.from(bytes, 'latin1'))
        await Promise.race([once(socket, 'data'), once(socket, 'close')])
        socket.destroy()
        await serving()
      }
    })

    it('tells a reader in the stream about a cursor that is none', async () => {
      await store.append(REF, [newEvent(1)])
      const stream = await open('after=nonsense&follow=0')
      assert.deepEqual(typesOf(await stream.rest()), ['reset', 'replay_start', 'event', 'replay_complete'])
    })
  })
})
