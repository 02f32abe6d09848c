import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import { formatCursor } from '../../server/protocol.ts'
import type { Store } from '../../server/store.ts'
import {
  makeWorld,
  newEvent,
  newEvents,
  openStream,
  REF,
  seqsOf,
  settle,
  storeWith,
  textOfAll,
  typesOf,
  type World,
} from './support.ts'

describe('GET /stream/{session_id}?…', { timeout: 60_000 }, () => {
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
      assert.equal(textOfAll(await merged.rest()), textOfAll(await plain.rest()))
    })
  })
})
