import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { formatCursor } from '../../server/protocol.ts'
import type { Store } from '../../server/store.ts'
import {
  dataOf,
  makeWorld,
  newEvents,
  openStream,
  REF,
  seqsOf,
  typesOf,
  type World,
  bootOf,
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

    /** What a client holds, and what first tells it that this is not to be had. Each log has five rows in the end. */
    const answers: [string, () => Promise<string>, object][] = [
      ['malformed', async () => `${epoch}-2`, { type: 'reset', reason: 'malformed' }],
      [
        'with a seq that no number holds',
        async () => `${epoch}-9999999999999999-abcdef`,
        { type: 'reset', reason: 'malformed' },
      ],
      ['beyond the end', async () => at(6), { type: 'reset', reason: 'beyond_end' }],
      [
        'of another session of the same user',
        async () => {
          const other = await store.append({ ...REF, sessionId: 'other' }, newEvents(1, 5))
          assert.ok(other.ok)
          return formatCursor(other.head.epoch, 2, 'run-1/2')
        },
        { type: 'reset', reason: 'epoch' },
      ],
      [
        'of a log that was lost and begun again',
        async () => {
          const old = at(2)
          await store.deleteSessions(REF)
          await append(1, 5)
          return old
        },
        { type: 'reset', reason: 'epoch' },
      ],
      [
        // The same log up to row 2, and then other rows, more than there were.
        'of a log whose older copy has grown past it',
        async () => formatCursor(epoch, 4, 'run-lost/1'),
        { type: 'reset', reason: 'tag' },
      ],
      [
        'of a pruned row',
        async () => {
          await store.prune({ maxEventsPerSession: 2 }, 500)
          return at(1)
        },
        { type: 'gap', from: 2, to: 3 },
      ],
      [
        'of the beginning, which was pruned',
        async () => {
          await store.prune({ maxEventsPerSession: 1 }, 500)
          return `${epoch}-0`
        },
        { type: 'gap', from: 1, to: 4 },
      ],
    ]
    for (const [name, cursor, answer] of answers) {
      for (const query of ['', '&follow=0', '&merge=1', '&follow=0&merge=1&pace=0']) {
        it(`(${name}) says so in its first frames, and what is left follows${query && `, with ${query}`}`, async () => {
          await append(1, 5)
          const after = encodeURIComponent(await cursor())
          // The clock stands still: nothing but the one request brings the answer.
          const stream = await openStream(world.loomi, { query: `after=${after}${query}` })
          const messages = await stream.through('replay_complete')
          const told = messages.filter(({ frame }) => frame.type === 'reset' || frame.type === 'gap')
          assert.deepEqual(
            told.map(({ frame }) => frame),
            [answer],
          )
          assert.ok(messages.indexOf(told[0]!) <= 1)
          if (told[0]!.frame.type === 'reset') assert.equal(told[0]!.id, `${epoch}-0`)
          const first = told[0]!.frame.type === 'gap' ? told[0]!.frame.to + 1 : 1
          assert.deepEqual(
            seqsOf(messages),
            [1, 2, 3, 4, 5].filter((seq) => seq >= first),
          )
          if (query.includes('follow=0')) assert.equal(await stream.next(), null)
          else await stream.cancel()
        })
      }
    }

    it('(of a row that was pruned, and of no row before) can’t be told apart: what is left follows the gap', async () => {
      await append(1, 5)
      await store.prune({ maxEventsPerSession: 2 }, 500)
      const stream = await openStream(world.loomi, { query: `after=${formatCursor(epoch, 2, 'run-lost/2')}` })
      const messages = await stream.through('replay_complete')
      assert.deepEqual(typesOf(messages), ['replay_start', 'gap', 'event', 'event', 'replay_complete'])
    })

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
})
