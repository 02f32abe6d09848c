import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { after, beforeEach, describe, it } from 'node:test'
import { formatCursor } from '../../server/protocol.ts'
import type { Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import {
  makeWorld,
  type Message,
  newEvents,
  openStream,
  REF,
  seqsOf,
  settle,
  storeWith,
  tempFolder,
  typesOf,
  type World,
} from './support.ts'

describe('GET /stream/{session_id} of a log', { timeout: 60_000 }, () => {
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
      const messages: Message[] = []
      while (messages.at(-1)?.frame.type !== 'event' || seqsOf(messages).at(-1) !== 2)
        messages.push(...(await stream.take(1)))
      // Whoever looked in between was told of the loss before another log had begun.
      const reset = messages.find(({ frame }) => frame.type === 'reset')
      assert.deepEqual(reset?.frame, { type: 'reset', reason: 'epoch' })
      assert.ok(reset.id === undefined || reset.id === `${epoch}-0`, reset.id)
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
      assert.deepEqual(typesOf(await stream.rest()), ['event', 'event', 'session_complete'])
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
          const page = await store.read(ref, after, limit)
          read += page.events.length
          return page
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
})
