import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { LoomiError } from '../../server/errors.ts'
import { formatCursor } from '../../server/protocol.ts'
import type { Store } from '../../server/store.ts'
import {
  dataOf,
  makeWorld,
  newEvent,
  newEvents,
  openStream,
  REF,
  rowsOf,
  SEED,
  seqsOf,
  settle,
  SseReader,
  storeWith,
  typesOf,
  until,
  type World,
} from './support.ts'

describe('GET /stream/{session_id} as a connection', { timeout: 60_000 }, () => {
  let world: World
  let store: Store
  let epoch: string
  const at = (seq: number): string => formatCursor(epoch, seq, `run-1/${seq}`)
  const append = async (from: number, to: number): Promise<void> => {
    const result = await store.append(REF, newEvents(from, to))
    assert.ok(result.ok)
    epoch = result.head.epoch
  }
  beforeEach(() => {
    world = makeWorld()
    store = world.store
  })

  describe('its connection', () => {
    it('has the headers that proxies and browsers need', async () => {
      const { response } = await openStream(world.loomi)
      assert.equal(response.headers.get('content-type'), 'text/event-stream')
      assert.equal(response.headers.get('cache-control'), 'no-store, no-transform')
      assert.equal(response.headers.get('x-accel-buffering'), 'no')
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
    })

    it('ends after `maxStreamMs`, between two frames, and is gone on with from there', async () => {
      world = makeWorld({ maxStreamMs: 60_000 })
      store = world.store
      await append(1, 2)
      const stream = await openStream(world.loomi, { query: 'after=0' })
      await stream.through('replay_complete')
      await world.clock.advance(59_000)
      await append(3, 3)
      await world.clock.advance(6000)
      const rest = await stream.rest()
      assert.deepEqual(seqsOf(rest), [3])
      await append(4, 4)
      const again = await openStream(world.loomi, { query: `after=${rest.at(-1)!.id}` })
      assert.deepEqual(seqsOf(await again.through('replay_complete')), [4])
    })

    it('is told when to come back, each another time between 1 and 3 s', async () => {
      const retries: number[] = []
      for (let i = 0; i < 10; i++) {
        const stream = await openStream(world.loomi)
        await stream.next()
        retries.push(...stream.retries)
        await stream.cancel()
      }
      assert.equal(retries.length, 10)
      assert.ok(retries.every((ms) => ms >= 1000 && ms <= 3000))
      assert.ok(new Set(retries).size > 3)
    })

    it('gets a comment after 15 s of quiet, and none while events come', async () => {
      const stream = await openStream(world.loomi)
      await stream.next()
      const session = world.loomi.session(REF)
      for (let second = 0; second < 20; second++) {
        session.message('x')
        await world.clock.advance(1000)
      }
      await stream.take(20)
      assert.equal(stream.comments, 0)
      await world.clock.advance(14_000)
      assert.equal(stream.comments, 0)
      await world.clock.advance(2000)
      await stream.pump()
      assert.equal(stream.comments, 1)
      assert.match(stream.text, /:\n\n$/)
    })

    it('needs no timer of its own, and leaves none behind', async () => {
      const streams = []
      for (let i = 0; i < 10; i++) streams.push(await openStream(world.loomi, { session: `s-${i}` }))
      await settle()
      assert.ok(world.clock.pending <= 2, `${world.clock.pending} timers for 10 streams`)
      for (const stream of streams) await stream.cancel()
      await world.clock.advance(2000)
      assert.equal(world.clock.pending, 0)
    })

    it('opens nothing for HEAD', async () => {
      const { loomi } = makeWorld({ limits: { streams: 1 } })
      for (let i = 0; i < 3; i++) {
        const response = await loomi.fetch(
          new Request('http://localhost/api/loomi/stream/s?user_id=ada', { method: 'HEAD' }),
        )
        assert.equal(response.status, 200)
        assert.equal(response.headers.get('content-type'), 'text/event-stream')
        assert.equal(response.body, null)
      }
      await (await openStream(loomi)).cancel()
    })

    it('is refused with 503 beyond the limit of the process, until one leaves', async () => {
      const { loomi } = makeWorld({ limits: { streams: 2 } })
      const streams = [await openStream(loomi, { session: 'a' }), await openStream(loomi, { session: 'b' })]
      const response = await loomi.fetch(new Request('http://localhost/api/loomi/stream/c?user_id=ada'))
      assert.equal(response.status, 503)
      assert.ok(Number(response.headers.get('retry-after')) >= 1)
      assert.equal(((await response.json()) as { error: { code: string } }).error.code, 'too_many_streams')
      await streams[0]!.cancel()
      await (await openStream(loomi, { session: 'c' })).cancel()
    })

    it('is ended as superseded for a newer one of the same user and session', async () => {
      const { loomi, store } = makeWorld({ limits: { streamsPerSession: 2 } })
      await store.append(REF, [newEvent(1)])
      const streams: SseReader[] = []
      for (let i = 0; i < 3; i++) streams.push(await openStream(loomi, { query: 'after=0' }))
      await openStream(loomi, { session: 'other' })
      await openStream(loomi, { user: 'bob' })
      const [last] = (await streams[0]!.rest()).slice(-1)
      assert.deepEqual(last, { id: undefined, frame: { type: 'superseded', reason: 'too_many_streams' } })
      for (const stream of streams.slice(1)) await stream.through('replay_complete')
      loomi.session(REF).message('live')
      for (const stream of streams.slice(1)) assert.deepEqual(typesOf(await stream.take(1)), ['event'])
    })

    it('takes percent-encoded ids of any characters', async () => {
      const id = fc
        .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
        .filter((text) => !/\p{Cc}/u.test(text) && text.isWellFormed() && !/^\.{1,2}$/.test(text))
      await fc.assert(
        fc.asyncProperty(id, id, async (session, user) => {
          const { loomi } = makeWorld()
          loomi.session({ sessionId: session, userId: user }).message('here')
          const stream = await openStream(loomi, { session, user, query: 'after=0' })
          // Whichever is first, the event or the stream, the event comes.
          while (dataOf([(await stream.next())!])[0] !== 'here');
          await stream.cancel()
        }),
        {
          ...SEED,
          numRuns: 60,
          examples: [
            ['a/b', 'c?d'],
            ['%2F', '100%'],
            ['a b+c', 'ä🌱#&='],
          ],
        },
      )
    })

    it('is refused for ids that are none', async () => {
      for (const session of ['%00', 'x'.repeat(129), '%0A', '%E2%80']) {
        const response = await world.loomi.fetch(
          new Request(`http://localhost/api/loomi/stream/${session}?user_id=ada`),
        )
        if (session === '%E2%80') continue
        assert.equal(response.status, 400, session)
        assert.match(await response.text(), /1 to 128 characters, percent-encoded/)
      }
    })
  })

  describe('with a reader that takes nothing', () => {
    it('is cut after 10 s, and makes room', async () => {
      const { loomi, clock } = makeWorld({ store, limits: { streams: 1 } })
      await store.append(REF, newEvents(1, 20, { event_data: JSON.stringify('x'.repeat(250_000)) }))
      const deaf = await openStream(loomi, { query: 'after=0' })
      await clock.advance(9000)
      await assert.rejects(openStream(loomi), /503/)
      await clock.advance(3000)
      await (await openStream(loomi)).cancel()
      await assert.rejects(deaf.rest())
    })

    it('is not cut while it is quiet because there is nothing to take', async () => {
      await append(1, 1)
      const stream = await openStream(world.loomi, { query: `after=${at(1)}` })
      await world.clock.advance(60_000)
      world.loomi.session(REF).message('live')
      assert.deepEqual(typesOf(await stream.take(2)), ['no_replay', 'event'])
    })
  })

  describe('while the store fails', () => {
    it('waits and goes on, in order and without a hole', async () => {
      await append(1, 3)
      let broken = true
      const flaky = storeWith(store, {
        heads: (refs) => (broken ? Promise.reject(new LoomiError('store_busy', 'Busy.')) : store.heads(refs)),
        read: (ref, after, limit) =>
          broken ? Promise.reject(new Error('Lost.')) : store.read(ref, after, limit),
      })
      const { loomi, clock, reports } = makeWorld({ store: flaky })
      const stream = await openStream(loomi, { query: 'after=0' })
      await clock.advance(3500)
      assert.ok(reports.length >= 1)
      broken = false
      await clock.advance(1000)
      assert.deepEqual(seqsOf(await stream.through('replay_complete')), [1, 2, 3])
      broken = true
      await clock.advance(6000)
      broken = false
      loomi.session(REF).message('live')
      assert.deepEqual(seqsOf(await stream.take(1)), [4])
    })

    it('goes on as soon as it answers though the clock was set back by an hour meanwhile', async () => {
      await append(1, 1)
      let skewMs = 0
      let broken = true
      const { clock } = world
      const { loomi } = makeWorld({
        store: storeWith(store, {
          heads: (refs) => (broken ? Promise.reject(new Error('Lost.')) : store.heads(refs)),
        }),
        clock: {
          now: () => clock.now() + skewMs,
          setTimeout: (fn, ms) => clock.setTimeout(fn, ms),
          clearTimeout: (timer) => clock.clearTimeout(timer),
        },
      })
      const stream = await openStream(loomi, { query: 'after=0' })
      await clock.advance(1500)
      skewMs = -3_600_000
      await clock.advance(500)
      broken = false
      const replay = stream.through('replay_complete')
      await clock.advance(3000)
      assert.deepEqual(seqsOf(await replay), [1])
      await stream.cancel()
    })

    it('ends the wait when the reader leaves', async () => {
      const broken = storeWith(store, { heads: () => Promise.reject(new LoomiError('store_busy', 'Busy.')) })
      const { loomi, clock, reports } = makeWorld({ store: broken })
      const stream = await openStream(loomi)
      await clock.advance(2500)
      await stream.cancel()
      await clock.advance(1000)
      const before = reports.length
      await clock.advance(60_000)
      assert.equal(reports.length, before)
    })
  })

  describe('of a viewer among many', () => {
    it('gets the very same bytes of an event, live or replayed', async () => {
      const live = await openStream(world.loomi)
      await live.next()
      const session = world.loomi.session(REF)
      session.message('one', { part: 'm' })
      session.emit({ event_type: 'x', event_data: { a: 1 }, event_metadata: { b: 'ä' } })
      await session.end()
      await live.take(3)
      const replayed = await openStream(world.loomi, { query: 'after=0' })
      await replayed.through('replay_complete')
      const frames = (text: string): string[] =>
        text.split('\n\n').filter((frame) => frame.includes('"type":"event"'))
      assert.deepEqual(frames(replayed.text), frames(live.text))
      assert.equal(frames(live.text).length, 3)
    })
  })

  it('ends when the server closes', async () => {
    await append(1, 1)
    const stream = await openStream(world.loomi, { query: 'after=0' })
    await stream.through('replay_complete')
    await world.loomi.close()
    assert.deepEqual(await stream.rest(), [])
    await until(() => world.clock.pending === 0, 'no timer')
    assert.equal((await rowsOf(store)).length, 1)
  })
})
