import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { after, beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { LoomiError } from '../../server/errors.ts'
import { formatCursor } from '../../server/protocol.ts'
import type { Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import {
  dataOf,
  makeWorld,
  type Message,
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
  tempFolder,
  typesOf,
  until,
  type World,
} from './support.ts'

describe('GET /stream/{session_id}', { timeout: 60_000 }, () => {
  let world: World
  let store: Store
  let epoch: string
  const at = (seq: number): string => formatCursor(epoch, seq, `run-1/${seq}`)
  const append = async (from: number, to: number): Promise<void> => {
    const result = await store.append(REF, newEvents(from, to))
    assert.ok(result.ok)
    epoch = result.head.epoch
  }
  const bootOf = (message: Message | null | undefined): string =>
    message?.frame.type === 'no_replay' || message?.frame.type === 'replay_start'
      ? message.frame.boot
      : assert.fail()
  beforeEach(() => {
    world = makeWorld()
    store = world.store
  })

  describe('of a session without an event for this user', () => {
    it('begins with no_replay and no cursor, and then brings the first event live', async () => {
      const stream = await openStream(world.loomi)
      const first = await stream.next()
      const boot = bootOf(first)
      assert.match(boot, /^[a-z0-9]{4,}$/)
      assert.deepEqual(first, {
        id: undefined,
        frame: { type: 'no_replay', cursor: null, seen: 0, count: 0, boot },
      })
      const session = world.loomi.session(REF)
      session.message('Hello.')
      session.message('There.')
      const messages = await stream.take(2)
      assert.deepEqual(dataOf(messages), ['Hello.', 'There.'])
      assert.deepEqual(seqsOf(messages), [1, 2])
    })

    it('is the same whether the session does not exist or is somebody else’s', async () => {
      await append(1, 3)
      const streams = [
        await openStream(world.loomi, { session: 'nobody’s', user: 'eve', query: 'after=0' }),
        await openStream(world.loomi, { user: 'eve', query: 'after=0' }),
      ]
      const texts: string[] = []
      for (const stream of streams) {
        await stream.next()
        texts.push(stream.text.replace(/^retry: \d+\n/, ''))
      }
      assert.equal(texts[0], texts[1])
      assert.ok(!texts[1]!.includes(epoch))
    })

    it('never brings anything from a foreign log', async () => {
      await append(1, 3)
      const stream = await openStream(world.loomi, { user: 'eve', query: `after=${at(1)}` })
      await stream.next()
      const owner = world.loomi.session(REF)
      owner.message('secret')
      await owner.end()
      await world.clock.advance(20_000)
      await stream.pump()
      assert.equal(stream.comments, 1)
      assert.ok(!stream.text.includes('secret'))
      await stream.cancel()
    })

    it('tells a client that was somewhere already that its log is lost, once there is another', async () => {
      const stream = await openStream(world.loomi, { query: 'after=gone-5-abcdef' })
      await stream.next()
      await world.loomi.session(REF).end()
      world.loomi.session(REF).message('anew')
      const messages = await stream.take(4)
      assert.deepEqual(typesOf(messages), ['reset', 'replay_start', 'event', 'replay_complete'])
    })

    it('ends at once with follow=0', async () => {
      const stream = await openStream(world.loomi, { query: 'follow=0' })
      assert.deepEqual(typesOf(await stream.rest()), ['no_replay'])
    })
  })

  describe('with a cursor', () => {
    it('announces the rows after it, brings them, says so, and goes on live', async () => {
      await append(1, 5)
      const stream = await openStream(world.loomi, { query: `after=${at(2)}` })
      const messages = await stream.take(5)
      const boot = bootOf(messages[0])
      const start = {
        type: 'replay_start',
        reason: 'cursor_behind',
        count: 3,
        missed: 3,
        seen: 2,
        to: 5,
        boot,
      }
      assert.deepEqual(messages[0], { id: at(2), frame: start })
      const event = {
        type: 'event',
        event_type: 'note',
        content_type: 'note',
        agent_source: 'agent',
        run_id: 'run-1',
        created_at: '2026-11-23T00:00:00.000Z',
      }
      assert.deepEqual(
        messages.slice(1, 4),
        [3, 4, 5].map((seq) => ({
          id: at(seq),
          frame: { ...event, event_data: `text ${seq}`, key: `run-1/${seq}` },
        })),
      )
      assert.deepEqual(messages[4], { id: at(5), frame: { type: 'replay_complete', count: 3 } })
      const session = world.loomi.session(REF)
      session.message('live')
      assert.deepEqual(seqsOf(await stream.take(1)), [6])
    })

    it('is quiet at the head, and goes on live', async () => {
      await append(1, 5)
      const stream = await openStream(world.loomi, { query: `after=${at(5)}` })
      const [first] = await stream.take(1)
      assert.deepEqual(first, {
        id: at(5),
        frame: { type: 'no_replay', cursor: at(5), seen: 5, count: 0, boot: bootOf(first) },
      })
      world.loomi.session(REF).message('live')
      assert.deepEqual(typesOf(await stream.take(1)), ['event'])
    })

    it('takes 0 for the beginning', async () => {
      await append(1, 2)
      const stream = await openStream(world.loomi, { query: 'after=0' })
      const messages = await stream.through('replay_complete')
      assert.equal(messages[0]?.id, `${epoch}-0`)
      assert.partialDeepStrictEqual(messages[0]?.frame, {
        reason: 'first_visit',
        count: 2,
        missed: 2,
        seen: 0,
        to: 2,
      })
    })

    it('takes the header before the parameter, as an EventSource repeats its URL', async () => {
      await append(1, 5)
      const stream = await openStream(world.loomi, { query: 'after=0', headers: { 'Last-Event-ID': at(4) } })
      assert.deepEqual(seqsOf(await stream.through('replay_complete')), [5])
    })

    it('takes the parameter when the header is empty', async () => {
      await append(1, 5)
      const stream = await openStream(world.loomi, {
        query: `after=${at(3)}`,
        headers: { 'Last-Event-ID': '' },
      })
      assert.deepEqual(seqsOf(await stream.through('replay_complete')), [4, 5])
    })

    it('restores what was seen and counts what was missed', async () => {
      await append(1, 5)
      const stream = await openStream(world.loomi, { query: `after=0&seen=${at(3)}` })
      const messages = await stream.through('replay_complete')
      assert.partialDeepStrictEqual(messages[0]?.frame, {
        type: 'replay_start',
        reason: 'cursor_behind',
        count: 5,
        missed: 2,
        seen: 3,
      })
      assert.deepEqual(seqsOf(messages), [1, 2, 3, 4, 5])
    })

    it('restores without a replay when everything was seen', async () => {
      await append(1, 3)
      const stream = await openStream(world.loomi, { query: `after=0&seen=${at(3)}` })
      const messages = await stream.take(4)
      assert.partialDeepStrictEqual(messages[0], {
        id: `${epoch}-0`,
        frame: { type: 'no_replay', seen: 3, count: 3 },
      })
      assert.deepEqual(seqsOf(messages), [1, 2, 3])
    })

    for (const seen of ['nonsense', 'other-2-abcdef', '9'.repeat(500)]) {
      it(`takes no notice of seen=${seen.slice(0, 20)}`, async () => {
        await append(1, 3)
        const stream = await openStream(world.loomi, { query: `after=0&seen=${seen}` })
        assert.partialDeepStrictEqual((await stream.next())?.frame, {
          type: 'replay_start',
          seen: 0,
          missed: 3,
        })
      })
    }
  })

  describe('with a cursor that cannot be honoured', () => {
    const cases: [string, (epoch: string) => string, string][] = [
      ['malformed', () => 'nonsense', 'malformed'],
      ['of 10 000 characters', () => 'x'.repeat(10_000), 'malformed'],
      ['with line breaks in it', () => '%0Aid:%201%0A%0A', 'malformed'],
      ['of another log', () => formatCursor('other', 2, 'run-1/2'), 'epoch'],
      ['of another row in this place', (epoch) => formatCursor(epoch, 2, 'run-9/2'), 'tag'],
      ['beyond the end', (epoch) => formatCursor(epoch, 4, 'run-1/4'), 'beyond_end'],
    ]
    for (const [name, cursor, reason] of cases) {
      it(`(${name}) says so in the stream and begins from the start`, async () => {
        await append(1, 3)
        const stream = await openStream(world.loomi, { query: `after=${cursor(epoch)}` })
        const messages = await stream.through('replay_complete')
        assert.deepEqual(messages[0], { id: `${epoch}-0`, frame: { type: 'reset', reason } })
        assert.partialDeepStrictEqual(messages[1], {
          id: `${epoch}-0`,
          frame: { type: 'replay_start', count: 3, to: 3 },
        })
        assert.deepEqual(seqsOf(messages), [1, 2, 3])
        assert.equal(typesOf(messages).at(-1), 'replay_complete')
      })
    }

    it('still counts only what was missed', async () => {
      await append(1, 3)
      const stream = await openStream(world.loomi, { query: `after=nonsense&seen=${at(2)}` })
      assert.partialDeepStrictEqual((await stream.take(2))[1]?.frame, {
        type: 'replay_start',
        count: 3,
        missed: 1,
        seen: 2,
      })
    })
  })

  describe('of a log that others reach too', () => {
    const folder = tempFolder()
    let db: DatabaseSync
    let files = 0
    beforeEach(() => {
      const path = folder.path(`${++files}.db`)
      world = makeWorld({ store: openSqlite(path) })
      store = world.store
      db = new DatabaseSync(path)
    })
    after(() => folder.remove())

    it('tells of rows that were pruned', async () => {
      await append(1, 5)
      db.exec('delete from loomi_stream_events where seq <= 3')
      const stream = await openStream(world.loomi, { query: 'after=0' })
      const messages = await stream.through('replay_complete')
      assert.deepEqual(typesOf(messages), ['replay_start', 'gap', 'event', 'event', 'replay_complete'])
      assert.deepEqual(messages[1], { id: formatCursor(epoch, 3), frame: { type: 'gap', from: 1, to: 3 } })
      assert.deepEqual(seqsOf(messages), [4, 5])
    })

    it('tells of the rows between, from a cursor among those that were pruned', async () => {
      await append(1, 5)
      db.exec('delete from loomi_stream_events where seq <= 3')
      const stream = await openStream(world.loomi, { query: `after=${at(2)}` })
      const messages = await stream.through('replay_complete')
      assert.deepEqual(typesOf(messages), ['replay_start', 'gap', 'event', 'event', 'replay_complete'])
      assert.partialDeepStrictEqual(messages[1]?.frame, { type: 'gap', from: 3, to: 3 })
      const again = await openStream(world.loomi, { query: `after=${messages[1]!.id}` })
      assert.deepEqual(typesOf(await again.through('replay_complete')), [
        'replay_start',
        'event',
        'event',
        'replay_complete',
      ])
    })

    it('tells of rows that were pruned when none is left, and goes on live', async () => {
      await append(1, 5)
      db.exec('delete from loomi_stream_events')
      const stream = await openStream(world.loomi, { query: 'after=0' })
      const messages = await stream.through('replay_complete')
      assert.deepEqual(typesOf(messages), ['replay_start', 'gap', 'replay_complete'])
      assert.deepEqual(messages[1], { id: formatCursor(epoch, 5), frame: { type: 'gap', from: 1, to: 5 } })
      world.loomi.session(REF).message('live')
      assert.deepEqual(seqsOf(await stream.take(1)), [6])
    })

    it('tells of a gap in the middle too', async () => {
      await append(1, 6)
      db.exec('delete from loomi_stream_events where seq in (3, 4)')
      for (let viewer = 0; viewer < 2; viewer++) {
        const stream = await openStream(world.loomi, { query: 'after=0' })
        const messages = await stream.through('replay_complete')
        assert.deepEqual(seqsOf(messages), [1, 2, 5, 6])
        assert.deepEqual(messages[3], { id: formatCursor(epoch, 4), frame: { type: 'gap', from: 3, to: 4 } })
        const late = await openStream(world.loomi, { query: `after=${at(5)}` })
        assert.deepEqual(seqsOf(await late.through('replay_complete')), [6])
      }
    })

    it('begins again under an open stream when the log was lost', async () => {
      await append(1, 3)
      const stream = await openStream(world.loomi, { query: `after=${at(3)}` })
      await stream.next()
      db.exec('delete from loomi_sessions; delete from loomi_stream_events; delete from loomi_runs')
      const before = epoch
      await append(1, 2)
      assert.notEqual(epoch, before)
      await world.clock.advance(5000)
      const messages = await stream.through('replay_complete')
      assert.deepEqual(messages[0], { id: `${epoch}-0`, frame: { type: 'reset', reason: 'epoch' } })
      assert.deepEqual(seqsOf(messages), [1, 2])
    })

    it('brings what another process appends within a second', async () => {
      await append(1, 1)
      const stream = await openStream(world.loomi, { query: `after=${at(1)}` })
      await stream.next()
      const other = openSqlite(folder.path(`${files}.db`))
      const started = performance.now()
      await other.append(REF, newEvents(2, 3))
      assert.deepEqual(seqsOf(await stream.take(2)), [2, 3])
      assert.ok(performance.now() - started < 1000)
      await other.close()
    })
  })

  describe('of a session that was closed', () => {
    beforeEach(async () => {
      await append(1, 2)
      const session = world.loomi.session(REF)
      await session.close()
    })

    it('brings the rest, says so last, and ends', async () => {
      const stream = await openStream(world.loomi, { query: `after=${at(1)}` })
      const messages = await stream.rest()
      assert.deepEqual(typesOf(messages), ['replay_start', 'event', 'replay_complete', 'session_complete'])
      assert.match(messages.at(-1)!.id!, new RegExp(`^${epoch}-3-`))
    })

    it('says so and ends when nothing but the end is left', async () => {
      const stream = await openStream(world.loomi, { query: `after=${at(2)}` })
      assert.deepEqual(typesOf(await stream.rest()), ['replay_start', 'replay_complete', 'session_complete'])
    })

    it('answers 204 to a cursor that includes the end', async () => {
      const stream = await openStream(world.loomi, { query: `after=${at(2)}` })
      const last = (await stream.rest()).at(-1)!.id!
      for (const headers of [{ 'Last-Event-ID': last }, {}] as Record<string, string>[]) {
        const response = await world.loomi.fetch(
          new Request(`http://localhost/api/loomi/stream/${REF.sessionId}?user_id=ada&after=${last}`, {
            headers,
          }),
        )
        assert.equal(response.status, 204)
        assert.equal(response.body, null)
        assert.equal(response.headers.get('cache-control'), 'no-store')
      }
    })

    it('tells nobody else that there is an end', async () => {
      const last = await world.loomi.session(REF).cursor()
      const stream = await openStream(world.loomi, { user: 'eve', query: `after=${last}` })
      assert.partialDeepStrictEqual((await stream.next())?.frame, { type: 'no_replay', cursor: null })
      await stream.cancel()
    })

    it('ends a stream that was live', async () => {
      const other = { sessionId: 'open', userId: 'ada' }
      const session = world.loomi.session(other)
      const stream = await openStream(world.loomi, { session: 'open' })
      await stream.next()
      session.message('a')
      void session.close()
      assert.deepEqual(typesOf(await stream.rest()), ['event', 'session_complete'])
    })
  })

  describe('with follow=0', () => {
    it('ends after the replay', async () => {
      await append(1, 3)
      const stream = await openStream(world.loomi, { query: `follow=0&after=${at(1)}` })
      assert.deepEqual(typesOf(await stream.rest()), ['replay_start', 'event', 'event', 'replay_complete'])
    })

    it('ends after no_replay at the head', async () => {
      await append(1, 3)
      const stream = await openStream(world.loomi, { query: `follow=0&after=${at(3)}` })
      assert.deepEqual(typesOf(await stream.rest()), ['no_replay'])
    })

    it('brings the replay as it was at its start, however much comes meanwhile', async () => {
      await append(1, 3)
      const stream = await openStream(world.loomi, { query: 'follow=0&after=0&pace=10' })
      await stream.take(2)
      await append(4, 9)
      await world.clock.advance(1000)
      const rest = await stream.rest()
      assert.deepEqual(seqsOf(rest), [2, 3])
      assert.partialDeepStrictEqual(rest.at(-1)?.frame, { type: 'replay_complete', count: 3 })
    })

    it('is paced by the server when asked', async () => {
      await append(1, 4)
      const stream = await openStream(world.loomi, { query: 'follow=0&after=0&pace=50' })
      const seen: number[] = []
      void (async () => {
        for (const message of await stream.take(1)) assert.equal(message.frame.type, 'replay_start')
        for (let i = 0; i < 4; i++) seen.push(...seqsOf(await stream.take(1)))
      })()
      for (const expected of [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]) {
        await settle()
        assert.deepEqual(seen, expected)
        await world.clock.advance(49)
        assert.deepEqual(seen, expected)
        await world.clock.advance(1)
      }
      assert.deepEqual(typesOf(await stream.rest()), ['replay_complete'])
    })

    for (const pace of ['-1', '1.5', 'x', '5001', 'Infinity']) {
      it(`refuses pace=${pace}, saying what it may be`, async () => {
        await assert.rejects(
          openStream(world.loomi, { query: `follow=0&pace=${pace}` }),
          /400.*from 0 to 5000/,
        )
      })
    }

    it('tries the store a few times, then ends without claiming anything', async () => {
      let asked = 0
      const broken = storeWith(store, {
        heads: () => {
          asked++
          return Promise.reject(new LoomiError('store_busy', 'Busy.'))
        },
      })
      const { loomi, clock } = makeWorld({ store: broken })
      const stream = await openStream(loomi, { query: 'follow=0' })
      const rest = stream.rest()
      await clock.advance(10_000)
      assert.deepEqual(await rest, [])
      assert.ok(asked >= 3 && asked <= 5, `asked ${asked} times`)
    })
  })

  describe('with merge=1', () => {
    const delta = (n: number, fields = {}): ReturnType<typeof newEvent> =>
      newEvent(n, { part_id: 'run-1/m/0', event_data: `"${n} "`, ...fields })

    it('joins the deltas of a part, never across seen or the replay’s end', async () => {
      const result = await store.append(
        REF,
        [1, 2, 3, 4, 5, 6].map((n) => delta(n, { part_done: n === 6 })),
      )
      epoch = result.ok ? result.head.epoch : assert.fail()
      const stream = await openStream(world.loomi, { query: `after=0&seen=${at(2)}&merge=1` })
      const messages = await stream.take(4)
      assert.deepEqual(typesOf(messages), ['replay_start', 'event', 'event', 'replay_complete'])
      assert.partialDeepStrictEqual(messages[0]?.frame, { count: 6, missed: 4 })
      assert.partialDeepStrictEqual(messages[1], {
        id: at(2),
        frame: { event_data: '1 2 ', from: 1, key: 'run-1/2' },
      })
      assert.partialDeepStrictEqual(messages[2], {
        id: at(6),
        frame: { event_data: '3 4 5 6 ', from: 3, part_done: true },
      })
    })

    it('is what the unmerged stream says', async () => {
      await store.append(REF, [
        delta(1),
        delta(2),
        newEvent(3),
        delta(4),
        delta(5, { part_id: 'run-1/n/0' }),
        delta(6),
      ])
      const plain = await openStream(world.loomi, { query: 'after=0&follow=0' })
      const merged = await openStream(world.loomi, { query: 'after=0&follow=0&merge=1' })
      assert.equal(dataOf(await merged.rest()).join(''), dataOf(await plain.rest()).join(''))
    })
  })

  describe('its connection', () => {
    it('has the headers that proxies and browsers need', async () => {
      const { response } = await openStream(world.loomi)
      assert.equal(response.headers.get('content-type'), 'text/event-stream')
      assert.equal(response.headers.get('cache-control'), 'no-store, no-transform')
      assert.equal(response.headers.get('x-accel-buffering'), 'no')
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
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

  describe('of a long log', () => {
    it('brings every row once and in order, page after page', async () => {
      await append(1, 1700)
      const stream = await openStream(world.loomi, { query: 'after=0' })
      const messages = await stream.through('replay_complete')
      assert.deepEqual(
        seqsOf(messages),
        Array.from({ length: 1700 }, (_, i) => i + 1),
      )
      assert.partialDeepStrictEqual(messages[0]?.frame, { count: 1700, to: 1700 })
    })

    it('has no seam between replay and live while events come', async () => {
      await append(1, 1200)
      const session = world.loomi.session(REF)
      const stream = await openStream(world.loomi, { query: 'after=0' })
      const seqs: number[] = []
      for (let i = 0; seqs.length < 1300; i++) {
        if (i < 100) session.emit({ event_type: 'tick', event_data: i })
        const message = await stream.next()
        seqs.push(...seqsOf([message!]))
      }
      assert.deepEqual(
        seqs,
        Array.from({ length: 1300 }, (_, i) => i + 1),
      )
    })

    it('brings large events without holding more of them than a few', async () => {
      await store.append(REF, newEvents(1, 20, { event_data: JSON.stringify('x'.repeat(250_000)) }))
      let read = 0
      const counting = storeWith(store, {
        read: async (ref, after, limit) => {
          const rows = await store.read(ref, after, limit)
          read += rows.length
          return rows
        },
      })
      const { loomi } = makeWorld({ store: counting })
      const stream = await openStream(loomi, { query: 'after=0' })
      await stream.next()
      await settle()
      assert.ok(read <= 12, `${read} rows read for a reader that has taken none`)
      assert.equal(seqsOf(await stream.through('replay_complete')).length, 20)
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
      assert.ok(reports.length >= 3)
      broken = false
      await clock.advance(1000)
      assert.deepEqual(seqsOf(await stream.through('replay_complete')), [1, 2, 3])
      broken = true
      await clock.advance(6000)
      broken = false
      loomi.session(REF).message('live')
      assert.deepEqual(seqsOf(await stream.take(1)), [4])
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
