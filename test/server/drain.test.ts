import assert from 'node:assert/strict'
import http from 'node:http'
import { after, describe, it } from 'node:test'
import { keyOf, type Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { Streams } from '../../server/streams.ts'
import { Processes } from './processes.ts'
import {
  beat,
  FakeClock,
  makeWorld,
  newEvents,
  openStream,
  REF,
  request,
  rowsOf,
  settle,
  SseReader,
  storeWith,
  tempFolder,
  textOfAll,
  typesOf,
  until,
  type World,
} from './support.ts'

const DRAIN_MS = 4000

interface Farewell {
  /** Milliseconds from the beginning of the drain to the stream's end. */
  readonly at: number
  readonly retryMs: number
  readonly types: readonly string[]
  readonly text: string
}

/** Reads a stream to its end. */
async function farewell({ clock }: World, stream: SseReader, started: number): Promise<Farewell> {
  const messages = await stream.rest()
  const at = clock.now() - started
  return { at, retryMs: stream.retries.at(-1)!, types: typesOf(messages), text: textOfAll(messages) }
}

describe('a drain', { timeout: 60_000 }, () => {
  async function drained(
    count: number,
    world: World,
    before = (): void => undefined,
  ): Promise<{ farewells: Farewell[]; closed: () => boolean }> {
    const streams: SseReader[] = []
    for (let i = 0; i < count; i++) {
      streams.push(await openStream(world.loomi, { session: `s-${i}` }))
      await streams[i]!.next()
    }
    const started = world.clock.now()
    const farewells: Farewell[] = []
    for (const stream of streams)
      void farewell(world, stream, started).then((each) => void farewells.push(each))
    before()
    let isClosed = false
    void world.loomi.close().then(() => (isClosed = true))
    return { farewells, closed: () => isClosed }
  }

  it('ends the streams one after another, spread over the window', async () => {
    const world = makeWorld({ drainMs: DRAIN_MS })
    const { farewells, closed } = await drained(40, world)
    await world.clock.advance(DRAIN_MS / 2)
    assert.equal(closed(), false)
    const half = farewells.length
    assert.ok(half >= 16 && half <= 24, `${half} of 40 after half of the window`)
    await world.clock.advance(DRAIN_MS / 2)
    assert.equal(closed(), true)
    assert.equal(farewells.length, 40)
    const times = farewells.map(({ at }) => at)
    assert.ok(
      times.every((at, i) => i === 0 || at - times[i - 1]! <= 150),
      times.join(' '),
    )
    for (const time of new Set(times)) assert.ok(times.filter((at) => at === time).length <= 2)
    assert.ok(times.at(-1)! > DRAIN_MS * 0.9 && times.at(-1)! <= DRAIN_MS)
  })

  it('tells each reader another time to come back: 1 to 3 s, and up to the window more', async () => {
    const world = makeWorld({ drainMs: DRAIN_MS })
    const { farewells } = await drained(100, world)
    await world.clock.advance(DRAIN_MS)
    const retries = farewells.map(({ retryMs }) => retryMs).toSorted((a, b) => a - b)
    assert.equal(retries.length, 100)
    assert.ok(retries[0]! >= 1000 && retries.at(-1)! <= 3000 + DRAIN_MS, retries.join(' '))
    assert.ok(new Set(retries).size > 80)
    // A hundred draws leave none of these quarters empty but once in 10^11 times.
    for (let quarter = 0; quarter < 4; quarter++) {
      const from = 1000 + quarter * 1500
      assert.ok(
        retries.some((ms) => ms >= from && ms < from + 1500),
        `none from ${from} ms`,
      )
    }
  })

  it('takes no new stream, says when to try again, and answers beats to the end', async () => {
    const world = makeWorld({ drainMs: DRAIN_MS })
    const { closed } = await drained(3, world)
    for (const ms of [0, 500, DRAIN_MS / 4]) {
      await world.clock.advance(ms)
      const response = await request(world.loomi, '/stream/s-1?user_id=ada')
      assert.equal(response.status, 503)
      assert.equal(((await response.json()) as { error: { code: string } }).error.code, 'draining')
      assert.ok(Number(response.headers.get('retry-after')) >= 1)
      assert.equal((await beat(world.loomi)).success, true)
    }
    assert.equal(closed(), false)
    await world.clock.advance(DRAIN_MS)
    assert.equal(closed(), true)
    assert.equal((await request(world.loomi, '/stream/s-1?user_id=ada')).status, 503)
  })

  it('stores what was pending and ends its run as interrupted, for all viewers to see', async () => {
    const world = makeWorld({ drainMs: DRAIN_MS })
    const session = world.loomi.session(REF)
    session.message('a', { part: 'm' })
    await settle()
    const stream = await openStream(world.loomi, { query: 'after=0' })
    await stream.through('replay_complete')
    session.message('b', { part: 'm' })
    const gone = farewell(world, stream, world.clock.now())
    const closing = world.loomi.close()
    await world.clock.advance(DRAIN_MS)
    await closing
    const { types, text } = await gone
    assert.deepEqual([types, text], [['event', 'event'], 'b'])
    assert.match(stream.text, /"content_type":"interrupted".*\n\nretry: \d+\n\n$/)
    assert.deepEqual((await rowsOf(world.store)).map(keyOf).length, 3)
  })

  it('leaves no run open that a producer goes on to feed', async () => {
    const world = makeWorld({ drainMs: DRAIN_MS })
    const session = world.loomi.session(REF)
    session.message('a')
    const stream = await openStream(world.loomi, { query: 'after=0' })
    const gone = stream.rest()
    const closing = world.loomi.close()
    await world.clock.advance(100)
    session.message('too late')
    await world.clock.advance(DRAIN_MS)
    await Promise.all([closing, gone])
    const next = makeWorld({ store: world.store })
    await next.clock.advance(2000)
    const later = await openStream(next.loomi, { query: 'after=0&follow=0' })
    await later.rest()
    const last = (await rowsOf(world.store)).at(-1)
    assert.deepEqual([last?.event_type, last?.content_type], ['run_end', 'interrupted'])
  })

  it('is over at once without streams, and without a window', async () => {
    const empty = makeWorld({ drainMs: DRAIN_MS })
    await empty.loomi.close()
    const world = makeWorld()
    const stream = await openStream(world.loomi)
    await stream.next()
    await world.loomi.close()
    assert.deepEqual(await stream.rest(), [])
    assert.equal(world.clock.pending, 0)
  })

  it('writes nothing to a stream that it has ended, while its reader still reads', async () => {
    const clock = new FakeClock()
    const streams = new Streams(clock, { streams: 9, streamsPerSession: 9 })
    const closed = new AbortController()
    const done: string[] = []
    const stream = streams.open(REF, {
      closed: closed.signal,
      write: (bytes) => done.push(new TextDecoder().decode(bytes)) > 0,
      drained: async () => undefined,
      end: () => done.push('end'),
      destroy: () => done.push('destroy'),
    })
    const draining = streams.drain(DRAIN_MS)
    await clock.advance(DRAIN_MS)
    await draining
    let isWritten = false
    void Promise.resolve(stream.write(new Uint8Array())).then(() => (isWritten = true))
    // Longer than a keep-alive takes to be due.
    await clock.advance(20_000)
    streams.close()
    assert.deepEqual([done.length, done[1], isWritten], [2, 'end', false])
    closed.abort()
    await settle()
    assert.equal(isWritten, true)
  })

  it('cuts who has not read to the end of a stream half a minute after it, also of one that was superseded', async () => {
    const clock = new FakeClock()
    const streams = new Streams(clock, { streams: 2, streamsPerSession: 1 }, 60_000)
    const done: string[][] = []
    for (const _ of ['superseded', 'expires']) {
      const closed = new AbortController()
      const mine: string[] = []
      done.push(mine)
      streams.open(REF, {
        closed: closed.signal,
        write: () => true,
        drained: async () => undefined,
        end: () => mine.push('end'),
        destroy: () => {
          mine.push('destroy')
          closed.abort()
        },
      })
    }
    assert.equal(streams.refusal, 'too_many_streams')
    await clock.advance(29_000)
    assert.deepEqual(done, [['end'], []])
    await clock.advance(32_000)
    assert.deepEqual(done, [['end', 'destroy'], ['end']])
    await clock.advance(30_000)
    assert.deepEqual(done[1], ['end', 'destroy'])
    assert.equal(streams.refusal, null)
    assert.equal(clock.pending, 0)
  })

  it('lets a reader that is behind read to the end of what was written', async () => {
    const world = makeWorld({ drainMs: DRAIN_MS })
    await world.store.append(REF, newEvents(1, 8, { event_data: JSON.stringify('x'.repeat(100_000)) }))
    const stream = await openStream(world.loomi, { query: 'after=0' })
    await settle()
    const closing = world.loomi.close()
    await world.clock.advance(DRAIN_MS)
    await closing
    const messages = await stream.rest()
    assert.equal(messages[0]?.frame.type, 'replay_start')
    assert.match(stream.text, /\n\nretry: \d+\n\n$/)
  })

  const failures: [string, () => Promise<never>][] = [
    ['fails', () => Promise.reject(new Error('no'))],
    ['never answers', () => new Promise(() => undefined)],
  ]
  for (const [name, answer] of failures) {
    it(`is over in 6 s and sends everybody away when the store ${name}`, async () => {
      const inner = openSqlite(':memory:')
      const broken = { append: answer, endRuns: answer, savePresence: answer, heads: answer, read: answer }
      const methods: Partial<Store> = {}
      const store = storeWith(inner, {
        append: (...args) => (methods.append ?? inner.append.bind(inner))(...args),
        endRuns: (...args) => (methods.endRuns ?? inner.endRuns.bind(inner))(...args),
        savePresence: (...args) => (methods.savePresence ?? inner.savePresence.bind(inner))(...args),
        heads: (...args) => (methods.heads ?? inner.heads.bind(inner))(...args),
        read: (...args) => (methods.read ?? inner.read.bind(inner))(...args),
      })
      const world = makeWorld({ drainMs: 3000, store })
      const session = world.loomi.session(REF)
      session.message('a')
      await beat(world.loomi)
      await settle()
      const opened = drained(5, world, () => {
        Object.assign(methods, broken)
        session.message('b')
      })
      const { farewells, closed } = await opened
      await world.clock.advance(4000)
      assert.equal(farewells.length, 5)
      assert.ok(farewells.every(({ retryMs }) => retryMs >= 1000))
      await world.clock.advance(2000)
      assert.equal(closed(), true)
    })
  }
})

describe('a server told to end', { timeout: 60_000 }, () => {
  const processes = new Processes()
  const folder = tempFolder()
  after(async () => {
    await processes.end()
    folder.remove()
  })

  it('sends 50 streams away, each with a time to come back, ends every one cleanly, and exits with 0 within 10 s', async () => {
    const path = folder.path('drain.db')
    const producer = openSqlite(path)
    const server = await processes.serve(path)
    const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity })
    const texts: string[] = []
    const ends: number[] = []
    const errors: unknown[] = []
    for (let i = 0; i < 50; i++) {
      texts.push('')
      http
        .get(`${server.base}/stream/s-${i % 10}?user_id=ada&after=0`, { agent }, (response) => {
          response.setEncoding('utf8').on('data', (text: string) => (texts[i] += text))
          response.on('end', () => ends.push(Date.now()))
          response.on('error', (error) => errors.push(error))
        })
        .on('error', (error) => errors.push(error))
    }
    await until(() => texts.every((text) => text.includes('no_replay')), 'the first frames')
    const started = Date.now()
    server.child.kill('SIGTERM')
    // Another process goes on to append: a stream that was just ended must not be written to.
    const appends = (async () => {
      for (let n = 1; ends.length < 50 && n < 2000; n++) {
        const sessionId = `s-${n % 10}`
        await producer.append({ sessionId, userId: 'ada' }, newEvents(n, n))
      }
    })()
    await until(() => ends.length >= 5, 'the first ends')
    const refused = await fetch(`${server.base}/stream/s-1?user_id=ada`)
    assert.equal(refused.status, 503)
    assert.ok(Number(refused.headers.get('retry-after')) >= 1)
    const beaten = await fetch(`${server.base}/heartbeat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user_id: 'ada', session_id: 's-1' }),
    })
    assert.equal(beaten.status, 200)
    assert.equal(await server.ended, 0, server.err)
    assert.ok(Date.now() - started < 10_000)
    await until(() => ends.length + errors.length >= 50, 'the ends')
    await appends
    await producer.close()
    assert.deepEqual(errors, [])
    assert.equal(server.err, '')
    for (const text of texts) assert.match(text, /\n\nretry: \d+\n\n$/)
    const retries = texts.map((text) => Number(/retry: (\d+)\n\n$/.exec(text)![1]))
    assert.ok(retries.every((ms) => ms >= 1000 && ms <= 6000) && new Set(retries).size > 30)
    assert.ok(ends.at(-1)! - ends[0]! > 1500, `all within ${ends.at(-1)! - ends[0]!} ms`)
    agent.destroy()
  })
})
