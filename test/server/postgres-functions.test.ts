import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { SessionRef, Store } from '../../server/store.ts'
import { openPool, transaction } from '../databases/pool.ts'
import { withoutPostgres } from '../databases/postgres.ts'
import { PostgresRig } from './postgres-rig.ts'
import { newEvents, rowsOf, until } from './support.ts'

describe('the SQL functions', { skip: withoutPostgres() }, () => {
  let rig: PostgresRig
  before(async () => (rig = await PostgresRig.start()))
  after(() => rig?.remove())

  describe('what is held or large', () => {
    it('is pruned past a session that somebody’s transaction holds, and that one later', async () => {
      const [held, free] = [rig.fresh(), rig.fresh()]
      const store = await rig.open()
      for (const ref of [held, free]) await store.append(ref, newEvents(1, 3))
      const prune = async (): Promise<void> => {
        for (let from: string | null = null, isFirst = true; isFirst || from !== null; isFirst = false)
          from = (await store.prune({ maxEventsPerSession: 1 }, 500, from)).next
      }
      await transaction(rig.pool, async (ask) => {
        await ask(`select loomi_append($1, 'ada', '{"event_type": "a", "event_data": 1}')`, [held.sessionId])
        await prune()
        assert.equal((await rowsOf(store, free)).length, 1)
      })
      assert.equal((await rowsOf(store, held)).length, 4)
      await prune()
      assert.equal((await rowsOf(store, held)).length, 1)
    })

    it('is read on past a row as large as one may be', async () => {
      const ref = rig.fresh()
      const store = await rig.open()
      const largest = JSON.stringify('x'.repeat(1024 * 1024 - 2))
      await store.append(ref, newEvents(1, 1, { event_data: largest }))
      await store.append(ref, newEvents(2, 3))
      assert.ok((await store.read(ref, 0, 10)).events.length > 1)
    })

    it('is cleaned up in calls of at most 5000 rows, whatever is asked for', async () => {
      const ref = rig.fresh()
      const store = await rig.open()
      for (let n = 0; n < 5500; n += 500) await store.append(ref, newEvents(n + 1, n + 500))
      const cleanUp = async (limit: number): Promise<number> => {
        const { rows } = await rig.pool.query('select loomi_cleanup($1, 1, $2) as count', ['30 days', limit])
        return Number((rows[0] as { count: string }).count)
      }
      assert.equal(await cleanUp(50), 50)
      assert.equal(await cleanUp(100_000), 5000)
      // What else there was to go was another session's.
      assert.ok((await cleanUp(100_000)) > 400)
      assert.equal((await rowsOf(store, ref)).length, 1)
    })

    it('is refused when its number is more than JavaScript holds exactly', async () => {
      const event = `{"event_type": "a", "event_data": 1, "run_id": "r", "n": 9007199254740992}`
      await assert.rejects(
        rig.pool.query(`select loomi_append('s-n', 'ada', '${event}')`),
        (error: { code?: string }) => error.code === '23514',
      )
    })
  })

  describe('an append in SQL', () => {
    const append = (ref: SessionRef, events: string): Promise<string> =>
      rig.server.psql(
        { sql: `select loomi_append('${ref.sessionId}', '${ref.userId}', '${events}')` },
        { user: 'app', password: 'app’s own', database: new URL(rig.url).pathname.slice(1) },
      )

    it('needs no more than a type and data, and wakes those who watch', async () => {
      const ref = rig.fresh()
      const store = await rig.open()
      const told = await rig.watched(store)
      await append(ref, '{"event_type": "thought", "event_data": "Looking"}')
      await until(() => told.includes(ref.sessionId), 'the wake-up')
      const [row] = await rowsOf(store, ref)
      assert.deepEqual(
        { ...row, created_at: '' },
        {
          seq: 1,
          run_id: 'agent',
          n: 1,
          i: 0,
          event_type: 'thought',
          content_type: 'thought',
          agent_source: 'agent',
          event_data: '"Looking"',
          event_metadata: null,
          part_id: null,
          part_done: false,
          created_at: '',
        },
      )
      assert.match(row!.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    })

    it('without numbers goes on where its run is; with numbers it adds nothing twice', async () => {
      const ref = rig.fresh()
      await append(ref, '[{"event_type": "a", "event_data": 1}, {"event_type": "b", "event_data": 2}]')
      await append(ref, '{"event_type": "c", "event_data": null}')
      const numbered = '{"event_type": "d", "event_data": 4, "n": 4, "run_id": "agent"}'
      await append(ref, numbered)
      await append(ref, numbered)
      await append(ref, '{"event_type": "run_end", "event_data": {"status": "failed"}}')
      const rows = await rowsOf(await rig.open(), ref)
      assert.deepEqual(
        rows.map(({ n, content_type }) => `${n} ${content_type}`),
        ['1 a', '2 b', '3 c', '4 d', '5 failed'],
      )
    })

    it('without numbers goes on after the numbered ones of its batch too', async () => {
      const ref = rig.fresh()
      const events = [null, 4, null, 4, null].map((n) => ({
        event_type: 'x',
        event_data: n,
        ...(n && { n }),
      }))
      await append(ref, JSON.stringify(events))
      const ns = (await rowsOf(await rig.open(), ref)).map(({ n }) => n)
      assert.deepEqual([ns[0], ns[1], ns.length], [1, 4, 4])
      assert.ok(ns.every((n, at) => at === 0 || n > ns[at - 1]!))
    })

    it('keeps what Postgres can’t decode: U+0000 and halves of surrogate pairs', async () => {
      const ref = rig.fresh()
      const text =
        'NUL \u0000 half \ud83c twice \ud83c\ud83c whole 🌱 other half \udf31 path C:\\u0000 end \\'
      await append(ref, JSON.stringify({ event_type: 'x', event_data: { [text]: text }, agent_source: '🌱' }))
      // As Python's json.dumps writes it.
      const ascii = String.raw`{"event_type": "x", "event_data": ["\ud83c\udf31\udf31", "\\ud83c", "\\\u0000"], "agent_source": "\ud83c\udf31"}`
      await append(ref, ascii)
      const rows = await rowsOf(await rig.open(), ref)
      assert.deepEqual(JSON.parse(rows[0]!.event_data), { [text]: text })
      assert.deepEqual(JSON.parse(rows[1]!.event_data), ['🌱\udf31', '\\ud83c', '\\\u0000'])
      assert.deepEqual(
        rows.map(({ agent_source }) => agent_source),
        ['🌱', '🌱'],
      )
      await assert.rejects(append(ref, String.raw`{"event_type": "x\u0000", "event_data": 1}`), /U\+0000/)
    })

    it('without data, or with more than a mebibyte, is refused whole', async () => {
      const ref = rig.fresh()
      await assert.rejects(append(ref, '[{"event_type": "a", "event_data": 1}, {"event_type": "b"}]'), /null/)
      const large = JSON.stringify('x'.repeat(1 << 20))
      await assert.rejects(
        rig.pool.query(`select loomi_append($1, 'ada', $2)`, [
          ref.sessionId,
          { event_type: 'a', event_data: large },
        ]),
        /bytes_check|invalid|cannot/,
      )
      assert.deepEqual(await rowsOf(await rig.open(), ref), [])
    })
  })

  describe('16 who hold transactions open', () => {
    it('are in one order for everybody: whoever reads a row can read all before it', async () => {
      const refs = [rig.fresh(), rig.fresh(), rig.fresh()]
      const store = await rig.open()
      const pool = openPool(rig.url, 16)
      let isDone = false
      const reader = (async () => {
        const highest = refs.map(() => 0)
        while (!isDone)
          for (const [at, ref] of refs.entries()) {
            const { events, head } = await store.read(ref, 0, 5000)
            assert.deepEqual(
              events.map(({ seq }) => seq),
              events.map((_, index) => index + 1),
            )
            assert.equal(head?.head ?? 0, events.length)
            assert.ok(events.length >= highest[at]!)
            highest[at] = events.length
          }
      })()
      await Promise.all(
        Array.from({ length: 16 }, async (_, writer) => {
          for (let n = 1; n <= 8; n++)
            await transaction(pool, async (ask) => {
              const { sessionId } = refs[(writer + n) % refs.length]!
              const event = { event_type: 'x', event_data: n, run_id: `w-${writer}`, n }
              await ask(`select loomi_append($1, 'ada', $2)`, [sessionId, event])
              await ask(`select pg_sleep($1)`, [(writer % 4) / 1000])
            })
        }),
      )
      isDone = true
      await reader
      await pool.end()
      const lengths = await Promise.all(refs.map(async (ref) => (await rowsOf(store, ref)).length))
      assert.equal(
        lengths.reduce((sum, length) => sum + length, 0),
        128,
      )
    })

    it('never deadlock, whatever is done to the same sessions at the same time', async () => {
      const refs = [rig.fresh(), rig.fresh(), rig.fresh(), rig.fresh()]
      const others = await Promise.all([rig.open(), rig.open(), rig.open()])
      const runs = refs.map((ref) => ({ ...ref, runId: 'leased' }))
      const at = new Date().toISOString()
      const errors: unknown[] = []
      const work = others.flatMap((store, who) =>
        Array.from({ length: 4 }, async (_, worker) => {
          for (let round = 1; round <= 15; round++) {
            const order = worker % 2 === 0 ? refs : refs.toReversed()
            const jobs: Promise<unknown>[] = order.map((ref) =>
              store.append(ref, newEvents(round, round, { run_id: `${who}-${worker}` }), 1),
            )
            jobs.push(store.leaseRuns(runs.toReversed(), 1), store.releaseRuns(runs))
            jobs.push(store.endRuns('interrupted', { lapsed: true }, at))
            jobs.push(store.prune({ maxEventsPerSession: 5 }, 7))
            jobs.push(store.savePresence(order.map((ref) => presenceOf(ref, round))))
            const { sessionId } = refs[round % 4]!
            const given = store.transferSession(sessionId, 'ada', 'bob')
            jobs.push(given.then(() => store.transferSession(sessionId, 'bob', 'ada')))
            if (round === 8) jobs.push(store.deleteSessions({ userId: 'ada' }))
            for (const { reason } of (await Promise.allSettled(jobs)).filter(isRejected)) errors.push(reason)
          }
        }),
      )
      await Promise.all(work)
      assert.deepEqual(errors, [])
    })
  })
})

function presenceOf(
  { sessionId, userId }: SessionRef,
  at: number,
): Parameters<Store['savePresence']>[0][number] {
  return { sessionId, userId, lastBeatAt: at, headSeq: 0, pendingSeq: null, epoch: null, displayed: null }
}

function isRejected(settled: PromiseSettledResult<unknown>): settled is PromiseRejectedResult {
  return settled.status === 'rejected'
}
