import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { beforeEach, describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import { formatCursor } from '../../server/protocol.ts'
import type { Retention, SessionRef, Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { STEPS } from '../../server/stores/sqlite-schema.ts'
import {
  beat,
  FakeClock,
  makeWorld,
  newEvents,
  openStream,
  REF,
  rowsOf,
  seqsOf,
  settle,
  storeWith,
  tempFolder,
  typesOf,
  type World,
} from './support.ts'

const MINUTE = 60_000

/** A world whose store goes by the same clock. */
function retentionWorld(retention: Retention | undefined, methods: Partial<Store> = {}): World {
  const clock = new FakeClock()
  const store = storeWith(
    openSqlite(':memory:', () => clock.now()),
    methods,
  )
  return { ...makeWorld({ clock, store, ...(retention && { retention }) }), clock }
}

const seqs = async ({ store }: World, ref: SessionRef = REF): Promise<number[]> =>
  (await rowsOf(store, ref)).map(({ seq }) => seq)

describe('retention', { timeout: 60_000 }, () => {
  describe('in time', () => {
    it('deletes nothing unless it was asked for', async () => {
      for (const retention of [undefined, {}, { maxAgeMs: Infinity }]) {
        const world = retentionWorld(retention, { prune: () => assert.fail('nobody asked for it') })
        await world.store.append(REF, newEvents(1, 5))
        await world.clock.advance(10 * MINUTE)
        assert.equal(world.clock.pending, 0)
        assert.deepEqual(await seqs(world), [1, 2, 3, 4, 5])
      }
    })

    it('begins 5 s after the start and goes on every minute, until the Loomi is closed', async () => {
      const world = retentionWorld({ maxEventsPerSession: 2 })
      await world.store.append(REF, newEvents(1, 5))
      await world.clock.advance(4999)
      assert.equal((await seqs(world)).length, 5)
      await world.clock.advance(1)
      assert.deepEqual(await seqs(world), [4, 5])
      await world.store.append(REF, newEvents(6, 9))
      await world.clock.advance(MINUTE - 1)
      assert.equal((await seqs(world)).length, 6)
      await world.clock.advance(1)
      assert.deepEqual(await seqs(world), [8, 9])
      await world.loomi.close()
      assert.equal(world.clock.pending, 0)
    })

    it('deletes rows by the age that the store knows, each within a minute of it', async () => {
      const world = retentionWorld({ maxAgeMs: 10 * MINUTE })
      await world.store.append(REF, newEvents(1, 2, { created_at: '1970-01-01T00:00:00.000Z' }))
      await world.clock.advance(5 * MINUTE)
      await world.store.append(REF, newEvents(3, 4, { created_at: '2999-01-01T00:00:00.000Z' }))
      await world.clock.advance(4 * MINUTE)
      assert.deepEqual(await seqs(world), [1, 2, 3, 4])
      await world.clock.advance(2 * MINUTE)
      assert.deepEqual(await seqs(world), [3, 4])
      await world.clock.advance(60 * MINUTE)
      assert.deepEqual(await seqs(world), [4])
    })

    it('leaves no hole when the store’s clock was set back', async () => {
      let now = 10 * MINUTE
      const store = openSqlite(':memory:', () => now)
      await store.append(REF, newEvents(1, 1))
      now = 100 * MINUTE
      await store.append(REF, newEvents(2, 2))
      now = 10 * MINUTE
      await store.append(REF, newEvents(3, 4))
      for (const [at, left] of [
        [70, [2, 3, 4]],
        [130, [4]],
      ] as const) {
        now = at * MINUTE
        await store.prune({ maxAgeMs: 30 * MINUTE }, 500)
        assert.deepEqual(
          (await rowsOf(store)).map(({ seq }) => seq),
          left,
        )
      }
    })

    it('works in batches of 500 rows, and lets others in between them', async () => {
      const batches: number[] = []
      const clock = new FakeClock()
      const inner = openSqlite(':memory:', () => clock.now())
      const store = storeWith(inner, {
        prune: async (retention, limit, from) => {
          const pruned = await inner.prune(retention, limit, from)
          batches.push(pruned.removed)
          assert.ok(limit <= 500)
          return pruned
        },
      })
      makeWorld({ clock, store, retention: { maxEventsPerSession: 10 } })
      for (let n = 1; n <= 2000; n += 500) await store.append(REF, newEvents(n, n + 499))
      await clock.advance(5000)
      assert.deepEqual(batches, [500])
      await clock.advance(1000)
      assert.deepEqual(batches, [500, 500, 500, 490])
    })

    it('is never at work twice at once, however slow the store', async () => {
      let atWork = 0
      let calls = 0
      let release = (): void => undefined
      const world = retentionWorld(
        { maxAgeMs: 0 },
        {
          prune: async () => {
            assert.equal(++atWork, 1)
            calls++
            await new Promise<void>((resolve) => (release = resolve))
            atWork--
            return { removed: 0, next: null }
          },
        },
      )
      await world.clock.advance(10 * MINUTE)
      assert.equal(calls, 1)
      release()
      await world.clock.advance(MINUTE)
      assert.equal(calls, 2)
      await world.loomi.close()
      release()
      await world.clock.advance(10 * MINUTE)
      assert.equal(calls, 2)
    })

    it('reports a store that fails and tries again with the next round', async () => {
      let fails = true
      const clock = new FakeClock()
      const inner = openSqlite(':memory:', () => clock.now())
      const store = storeWith(inner, {
        prune: (retention, limit, from) =>
          fails ? Promise.reject(new LoomiError('store_failed', 'no')) : inner.prune(retention, limit, from),
      })
      const world = { ...makeWorld({ clock, store, retention: { maxEventsPerSession: 1 } }), clock }
      await store.append(REF, newEvents(1, 3))
      await clock.advance(5000)
      assert.deepEqual(
        world.reports.map(({ error }) => error.code),
        ['store_failed'],
      )
      fails = false
      await clock.advance(MINUTE)
      assert.deepEqual(await seqs(world), [3])
    })

    for (const retention of [
      { maxAgeMs: -1 },
      { maxAgeMs: Number.NaN },
      { maxEventsPerSession: 0 },
      { maxEventsPerSession: 1.5 },
      { maxEventsPerSession: 'many' },
    ]) {
      const [name] = Object.keys(retention)
      it(`refuses ${JSON.stringify(retention)}`, () => {
        assert.throws(
          () => makeWorld({ retention: retention as Retention }),
          (error) =>
            error instanceof LoomiError && error.code === 'bad_option' && error.message.includes(name!),
        )
      })
    }
  })

  it('counts the rows of an older log from when it was first opened by this version', async () => {
    const folder = tempFolder()
    const path = folder.path('old.db')
    const db = new DatabaseSync(path)
    db.exec(`${STEPS.slice(0, 2).join(';')}; pragma user_version = 2;
      insert into loomi_sessions values ('s-42', 'ada', 'e1', 2, 'run-1/2', null, '1970-01-01T00:00:00.000Z');
      insert into loomi_stream_events values
        ('s-42', 1, 'run-1', 1, 0, 'note', 'note', 'agent', '"a"', null, null, 0, '1970-01-01T00:00:00.000Z'),
        ('s-42', 2, 'run-1', 2, 0, 'note', 'note', 'agent', '"b"', null, null, 0, '1970-01-01T00:00:00.000Z')`)
    db.close()
    let now = 1_000_000
    const store = openSqlite(path, () => now)
    now += MINUTE
    await store.prune({ maxAgeMs: 2 * MINUTE }, 500)
    assert.equal((await rowsOf(store)).length, 2)
    now += MINUTE
    await store.prune({ maxAgeMs: 2 * MINUTE }, 500)
    assert.equal((await rowsOf(store)).length, 1)
    await store.close()
    folder.remove()
  })

  describe('and readers', () => {
    let world: World
    let epoch: string
    const at = (seq: number): string => formatCursor(epoch, seq, `run-1/${seq}`)
    const append = async (from: number, to: number, data?: string): Promise<void> => {
      const result = await world.store.append(REF, newEvents(from, to, data ? { event_data: data } : {}))
      assert.ok(result.ok)
      epoch = result.head.epoch
    }
    beforeEach(() => {
      world = retentionWorld({ maxEventsPerSession: 2 })
    })

    it('from the beginning get the gap, then what is left, then live events', async () => {
      await append(1, 6)
      await world.clock.advance(5000)
      const stream = await openStream(world.loomi, { query: 'after=0' })
      const messages = await stream.through('replay_complete')
      assert.deepEqual(typesOf(messages), ['replay_start', 'gap', 'event', 'event', 'replay_complete'])
      assert.deepEqual(messages[1], { id: formatCursor(epoch, 4), frame: { type: 'gap', from: 1, to: 4 } })
      assert.deepEqual(seqsOf(messages), [5, 6])
      world.loomi.session(REF).message('live')
      assert.deepEqual(seqsOf(await stream.take(1)), [7])
    })

    for (const [name, seq, gap] of [
      ['a row that went', 2, [3, 4]],
      ['the last row that went', 4, null],
      ['a row that is left', 5, null],
    ] as const) {
      it(`at ${name} get what is missing after it`, async () => {
        await append(1, 6)
        await world.clock.advance(5000)
        for (const query of [`after=${at(seq)}`, `after=${at(seq)}&merge=1`, `after=${at(seq)}&follow=0`]) {
          const stream = await openStream(world.loomi, { query })
          const messages = await stream.through('replay_complete')
          const gaps = messages.flatMap(({ frame }) => (frame.type === 'gap' ? [[frame.from, frame.to]] : []))
          assert.deepEqual(gaps, gap ? [gap] : [])
          assert.deepEqual(
            seqsOf(messages),
            [5, 6].filter((row) => row > seq),
          )
          await stream.cancel()
        }
      })
    }

    it('that come back with the gap’s id are not told again', async () => {
      await append(1, 6)
      await world.clock.advance(5000)
      const first = await openStream(world.loomi, { query: 'after=0' })
      const [, gap] = await first.take(2)
      const stream = await openStream(world.loomi, { headers: { 'Last-Event-ID': gap!.id! } })
      const messages = await stream.through('replay_complete')
      assert.deepEqual(typesOf(messages), ['replay_start', 'event', 'event', 'replay_complete'])
    })

    it('find the newest row when no other is left', async () => {
      world = retentionWorld({ maxAgeMs: MINUTE })
      await append(1, 5)
      await world.clock.advance(5 * MINUTE)
      for (const query of ['after=0', `after=${at(2)}`]) {
        const stream = await openStream(world.loomi, { query })
        const messages = await stream.through('replay_complete')
        assert.deepEqual(typesOf(messages), ['replay_start', 'gap', 'event', 'replay_complete'])
        assert.deepEqual(seqsOf(messages), [5])
      }
      const there = await openStream(world.loomi, { query: `after=${at(5)}` })
      assert.equal((await there.next())?.frame.type, 'no_replay')
    })

    it('without a cursor, placed by beats at a row that went, get the gap after it', async () => {
      await append(1, 3)
      await beat(world.loomi, { last_event_id: at(3) })
      await append(4, 9)
      await world.clock.advance(5000)
      const stream = await openStream(world.loomi)
      const messages = await stream.through('replay_complete')
      assert.equal(messages[0]?.id, formatCursor(epoch, 3))
      assert.deepEqual(messages[1]?.frame, { type: 'gap', from: 4, to: 7 })
      assert.deepEqual(seqsOf(messages), [8, 9])
    })

    it('that have everything notice nothing', async () => {
      await append(1, 6)
      const stream = await openStream(world.loomi, { query: 'after=0' })
      await stream.through('replay_complete')
      await world.clock.advance(5000)
      world.loomi.session(REF).message('live')
      assert.deepEqual(seqsOf(await stream.take(1)), [7])
    })

    it('that are live and behind get the gap, once, and lose nothing that is left', async () => {
      let held: Promise<void> | null = null
      let release = (): void => undefined
      const clock = new FakeClock()
      const inner = openSqlite(':memory:', () => clock.now())
      const store = storeWith(inner, {
        read: async (ref, after, limit) => {
          await held
          return inner.read(ref, after, limit)
        },
      })
      world = { ...makeWorld({ clock, store, retention: { maxEventsPerSession: 2 } }), clock }
      await append(1, 2)
      const stream = await openStream(world.loomi, { query: 'after=0' })
      await stream.through('replay_complete')
      held = new Promise((resolve) => (release = resolve))
      // By the store alone, so that this process has nothing of it in memory.
      await inner.append(REF, newEvents(3, 20))
      await clock.advance(5000)
      assert.deepEqual(await seqs({ ...world, store: inner }), [19, 20])
      release()
      const [gap, ...events] = await stream.take(3)
      assert.deepEqual(gap, { id: formatCursor(epoch, 18), frame: { type: 'gap', from: 3, to: 18 } })
      assert.deepEqual(seqsOf(events), [19, 20])
    })

    it('that are paused by back-pressure while rows go get the gap where they stood', async () => {
      await append(1, 40, JSON.stringify('x'.repeat(200_000)))
      const stream = await openStream(world.loomi, { query: 'after=0' })
      await stream.next()
      await settle()
      await world.clock.advance(5000)
      assert.deepEqual(await seqs(world), [39, 40])
      const messages = await stream.through('replay_complete')
      const gap = messages.find(({ frame }) => frame.type === 'gap')!
      assert.ok(gap.frame.type === 'gap' && gap.frame.to === 38, JSON.stringify(gap.frame))
      const shown = seqsOf(messages)
      const { from } = gap.frame as { from: number }
      assert.ok(from > 1 && from < 38)
      assert.deepEqual(shown, [...Array.from({ length: from - 1 }, (_, i) => i + 1), 39, 40])
    })

    it('lose no row without a gap, however slowly they read while rows go', async () => {
      let hint = (): void => undefined
      world = retentionWorld(undefined, {
        watch: (changed) => {
          hint = changed
          return () => undefined
        },
      })
      const streams = await Promise.all(
        [0, 1, 2, 5].map(async (pace) => ({
          pace,
          at: 0,
          stream: await openStream(world.loomi, { query: 'after=0' }),
        })),
      )
      const read = async (reader: (typeof streams)[number]): Promise<number> => {
        const { id, frame } = (await reader.stream.next()) ?? assert.fail('the stream ended')
        if (frame.type === 'gap') assert.equal(frame.from, reader.at + 1)
        if (frame.type === 'event') assert.equal(Number(id!.split('-')[1]), reader.at + 1)
        reader.at = frame.type === 'gap' || frame.type === 'event' ? Number(id!.split('-')[1]) : reader.at
        return frame.type === 'gap' ? frame.to - frame.from + 1 : 0
      }
      const lost = streams.map(() => 0)
      for (let n = 1; n <= 60; n += 3) {
        await append(n, n + 2, JSON.stringify('x'.repeat(20_000)))
        hint()
        await settle()
        await world.store.prune({ maxEventsPerSession: 2 }, 500)
        for (const [i, reader] of streams.entries())
          for (let frames = 0; frames < reader.pace && reader.at < n - 20; frames++)
            lost[i]! += await read(reader)
      }
      for (const [i, reader] of streams.entries()) while (reader.at < 60) lost[i]! += await read(reader)
      assert.ok(
        lost.every((rows) => rows > 0),
        lost.join(' '),
      )
    })
  })
})

describe('deleting', { timeout: 60_000 }, () => {
  let world: World
  beforeEach(() => {
    world = makeWorld()
  })

  it('takes everything of a session, also what was emitted a moment ago; again it does nothing', async () => {
    const session = world.loomi.session(REF)
    session.message('a')
    session.message('b')
    await beat(world.loomi)
    await world.loomi.deleteSession(REF.sessionId)
    await world.loomi.deleteSession(REF.sessionId)
    assert.deepEqual(await world.store.heads([REF]), [null])
    assert.equal(await world.store.loadPresence(REF), null)
    assert.deepEqual(world.reports, [])
  })

  it('stops what is being answered', async () => {
    const session = world.loomi.session(REF)
    const { signal } = session
    session.message('a')
    await world.loomi.deleteSession(REF.sessionId)
    assert.equal(signal.aborted, true)
    assert.deepEqual(await rowsOf(world.store), [])
  })

  it('ends the session’s streams with a reset, and nobody else’s', async () => {
    const other = { sessionId: 'other', userId: 'ada' }
    for (const ref of [REF, other]) await world.store.append(ref, newEvents(1, 2))
    const stream = await openStream(world.loomi, { query: 'after=0' })
    const others = [
      await openStream(world.loomi, { session: 'other', query: 'after=0' }),
      await openStream(world.loomi, { user: 'eve' }),
    ]
    await stream.through('replay_complete')
    // The run is another process's, which is given the time to hear that it is stopped.
    const deletion = world.loomi.deleteSession(REF.sessionId)
    await world.clock.advance(2000)
    await deletion
    const last = (await stream.rest()).at(-1)
    assert.deepEqual(last, { id: undefined, frame: { type: 'reset', reason: 'epoch' } })
    await settle()
    for (const each of others) {
      await each.next()
      assert.ok(!each.text.includes('reset'))
      await each.cancel()
    }
  })

  it('lets the session begin anew, which readers of the old one are told', async () => {
    const first = world.loomi.session(REF)
    first.message('old')
    await first.close()
    const old = await first.cursor()
    await world.loomi.deleteSession(REF.sessionId)
    const stream = await openStream(world.loomi, { query: `after=${old}` })
    assert.equal((await stream.next())?.frame.type, 'no_replay')
    world.loomi.session(REF).message('new')
    const messages = await stream.through('replay_complete')
    assert.deepEqual(messages[0]?.frame, { type: 'reset', reason: 'epoch' })
    assert.deepEqual(seqsOf(messages), [1])
  })

  it('takes every session of a user', async () => {
    const refs = ['a', 'b'].map((sessionId) => ({ sessionId, userId: 'ada' }))
    const theirs = { sessionId: 'c', userId: 'eve' }
    for (const ref of [...refs, theirs]) world.loomi.session(ref).message('hi')
    const streams = await Promise.all(
      refs.map(({ sessionId }) => openStream(world.loomi, { session: sessionId })),
    )
    await settle()
    await world.loomi.deleteUser('ada')
    assert.deepEqual(await world.store.heads(refs), [null, null])
    for (const stream of streams) assert.equal(typesOf(await stream.rest()).at(-1), 'reset')
    assert.equal((await rowsOf(world.store, theirs)).length, 1)
  })

  it('refuses an id that is none, and tells when the store fails', async () => {
    for (const call of [world.loomi.deleteSession(''), world.loomi.deleteUser('a\n')])
      await assert.rejects(call, (error) => error instanceof LoomiError && error.code === 'bad_id')
    const fails = storeWith(world.store, {
      deleteSessions: () => Promise.reject(new LoomiError('store_failed', 'no')),
    })
    const { loomi } = makeWorld({ store: fails })
    await assert.rejects(loomi.deleteSession('s'), { code: 'store_failed' })
  })
})
