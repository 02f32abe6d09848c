import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DatabaseSync } from 'node:sqlite'
import { WebServer } from '../../demo/web-server.ts'
import { createLoomi } from '../../server/loomi.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { FakeClock, makeWorld, newEvent, REF, rowsOf, settle, storeWith, tempFolder } from './support.ts'
const hang = () => new Promise<never>(() => undefined)

describe('the demo, the store and closing', () => {
  it('a request that the agent cannot do is answered, and ends nothing', async () => {
    const folder = tempFolder()
    const unhandled: unknown[] = []
    const note = (error: unknown) => void unhandled.push(error)
    process.on('unhandledRejection', note)
    const web = new WebServer({
      host: '127.0.0.1',
      port: 0,
      storeUrl: folder.path('a.db'),
      answer: async () => {
        throw new Error('store busy')
      },
      restarted: () => undefined,
    })
    const port = await web.start()
    const status = await fetch(`http://127.0.0.1:${port}/demo/ask`, {
      method: 'POST',
      signal: AbortSignal.timeout(2000),
      headers: { 'content-type': 'application/json' },
      body: '{"session":"s","question":"q"}',
    }).then(
      (r) => r.status,
      () => 'hangs',
    )
    await web.stop()
    process.off('unhandledRejection', note)
    folder.remove()
    assert.deepEqual([status, unhandled.length], [500, 0])
  })
  it(
    'the store can be written to after a commit and its rollback both failed',
    { timeout: 5000 },
    async (t) => {
      const store = openSqlite(':memory:')
      const exec = DatabaseSync.prototype.exec
      const failing = new Set(['commit', 'rollback'])
      t.mock.method(DatabaseSync.prototype, 'exec', function (this: DatabaseSync, sql: string) {
        if (failing.has(sql)) {
          if (sql === 'rollback') failing.clear()
          throw new Error('disk I/O error')
        }
        exec.call(this, sql)
      })
      await assert.rejects(store.append(REF, [newEvent(1)]), { code: 'store_failed' })
      assert.equal(failing.size, 0)
      assert.ok((await store.append(REF, [newEvent(1)])).ok)
      await store.close()
    },
  )

  it('close ends in time while another process holds the file', { timeout: 30_000 }, async () => {
    const folder = tempFolder()
    const loomi = createLoomi({ store: folder.path('log.db'), onEvent: () => undefined })
    const session = loomi.session(REF)
    session.message('one')
    await session.cursor()
    const other = new DatabaseSync(folder.path('log.db'))
    other.exec('begin immediate')
    session.message('two')
    // SQLite waits by the machine's clock: its first try must end, and a second begin, before close gives up.
    await new Promise((resolve) => setTimeout(resolve, 100))
    const from = performance.now()
    await loomi.close()
    const ms = performance.now() - from
    other.exec('rollback')
    other.close()
    folder.remove()
    assert.ok(ms < 7500, `${ms} ms`)
  })

  it('close ends the runs of the session first', async () => {
    const { loomi, store } = makeWorld()
    const session = loomi.session(REF)
    session.message('a')
    await session.close()
    assert.deepEqual(
      (await rowsOf(store)).map((r) => r.event_type),
      ['llm_chunk', 'run_end', 'session_complete'],
    )
  })
  it('close tells a recording that goes on', async () => {
    const { loomi, clock } = makeWorld()
    const session = loomi.session(REF)
    let status = ''
    const recording = session.record(
      (async function* () {
        yield 'a'
        await hang()
      })(),
    )
    void recording.then((r) => (status = r.status))
    await settle()
    await session.close()
    await clock.advance(5000)
    assert.notEqual(status, '')
  })
  it('a run that was complete and is fed again by a process that then dies is not interrupted', async () => {
    const store = openSqlite(':memory:')
    const clock = new FakeClock()
    const [a, b] = [createLoomi({ store, clock }), createLoomi({ store, clock })]
    const chunks = ['One ', 'two'].map((content) => ({ choices: [{ delta: { content } }] }))
    await a.session({ ...REF, runId: 'r' }).record(chunks)
    void b.session({ ...REF, runId: 'r' }).record(
      (async function* () {
        yield* chunks
        await hang()
      })(),
    )
    await clock.advance(20_000)
    await b.close()
    assert.deepEqual(
      (await rowsOf(store)).filter((r) => r.event_type === 'run_end').map((r) => r.content_type),
      ['complete'],
    )
  })
  it('many closed sessions leave nothing that is leased', async () => {
    const memory = openSqlite(':memory:')
    let most = 0
    const { loomi, clock } = makeWorld({
      store: storeWith(memory, {
        leaseRuns: async (runs, until) => {
          most = Math.max(most, runs.length)
          return memory.leaseRuns(runs, until)
        },
      }),
    })
    for (let i = 0; i < 200; i++) {
      const s = loomi.session({ sessionId: `s${i}`, userId: 'ada' })
      s.message('a')
      await s.end()
      await s.close()
    }
    await clock.advance(60_000)
    assert.equal(most, 0)
  })
})
