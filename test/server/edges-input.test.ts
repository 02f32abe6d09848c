import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import { createLoomi, type Report } from '../../server/loomi.ts'
import type { Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import {
  FakeClock,
  makeWorld,
  openStream,
  REF,
  request,
  rowsOf,
  settle,
  storeWith,
  tempFolder,
  until,
} from './support.ts'

const ends = async (store: Store): Promise<string[]> =>
  (await rowsOf(store)).filter((r) => r.event_type === 'run_end').map((r) => r.content_type)
const hang = () => new Promise<never>(() => undefined)

describe('a run that was taken for dead', () => {
  it('part_done of a run fed again after interruption', async () => {
    const store = openSqlite(':memory:')
    const clock = new FakeClock()
    const [a, b] = [createLoomi({ store, clock }), createLoomi({ store, clock })]
    const chunks = ['One ', 'two'].map((content) => ({ choices: [{ delta: { content } }] }))
    void a.session({ ...REF, runId: 'r' }).record(
      (async function* () {
        yield* chunks
        await hang()
      })(),
    )
    await clock.advance(100)
    await a.close()
    await b.session({ ...REF, runId: 'r' }).record(chunks)
    const rows = await rowsOf(store)
    assert.equal(
      rows.some((r) => r.part_done),
      true,
    )
  })
  it('of a process that was cut off from the store ends well, and says so', async () => {
    const memory = openSqlite(':memory:')
    let isDown = false
    const or =
      <A extends unknown[], T>(work: (...args: A) => Promise<T>) =>
      async (...args: A): Promise<T> => {
        if (isDown) throw new LoomiError('store_unavailable', 'Down.')
        return work(...args)
      }
    const clock = new FakeClock()
    const a = createLoomi({
      clock,
      onEvent: () => undefined,
      store: storeWith(memory, {
        append: or(memory.append.bind(memory)),
        leaseRuns: or(memory.leaseRuns.bind(memory)),
        stoppedRuns: or(memory.stoppedRuns.bind(memory)),
        endRuns: or(memory.endRuns.bind(memory)),
      }),
    })
    const b = createLoomi({ clock, store: memory })
    const viewer = await openStream(b)
    const session = a.session(REF)
    session.message('Found two.')
    await settle()
    isDown = true
    void session.end()
    await clock.advance(40_000)
    isDown = false
    await clock.advance(60_000)
    assert.equal((await ends(memory)).at(-1), 'complete')
    await viewer.cancel()
  })
})

describe('the signal of a session', () => {
  it('is seen by an agent that asks for it in each round', async () => {
    const { loomi, clock, store } = makeWorld()
    const session = loomi.session(REF)
    let rounds = 0
    const agent = (async () => {
      while (!session.signal.aborted && rounds < 100) {
        session.message(`${rounds++} `)
        await settle()
      }
    })()
    await settle()
    await loomi.stop(REF.sessionId)
    await agent
    await clock.advance(1000)
    assert.ok(rounds < 100, 'went on after the stop')
    assert.equal((await rowsOf(store)).at(-1)!.content_type, 'stopped')
  })
  it('an agent that does not look at it adds nothing after the stop', async () => {
    const { loomi, clock, store } = makeWorld()
    const session = loomi.session(REF)
    session.message('a', { part: 'm' })
    await settle()
    await loomi.stop(REF.sessionId)
    session.message('b', { part: 'm' })
    await session.end()
    await clock.advance(1000)
    assert.equal((await rowsOf(store)).at(-1)!.content_type, 'stopped')
  })
})

describe('bad input and bad luck', () => {
  it('an answer taken back while the store is down is not said to be interrupted', async () => {
    const memory = openSqlite(':memory:')
    let isDown = false
    const clock = new FakeClock()
    const store = storeWith(memory, {
      releaseRuns: async (runs) => {
        if (isDown) throw new LoomiError('store_unavailable', 'Down.')
        return memory.releaseRuns(runs)
      },
    })
    const loomi = createLoomi({ clock, store, onEvent: () => undefined })
    const viewer = await openStream(loomi)
    const session = loomi.session(REF)
    session.user('Hello?')
    void session.signal
    await settle()
    isDown = true
    await session.end()
    await clock.advance(5000)
    isDown = false
    await clock.advance(60_000)
    assert.deepEqual(await ends(memory), [])
    await viewer.cancel()
  })
  for (const maxStreamMs of [0, 999, NaN])
    it(`maxStreamMs ${maxStreamMs} is refused`, () => {
      assert.throws(() => createLoomi({ store: ':memory:', maxStreamMs }), { code: 'bad_option' })
    })
  for (const leaseMs of [0, Infinity, NaN, 1e12])
    it(`leaseMs ${leaseMs} is refused`, () => {
      assert.throws(() => createLoomi({ store: ':memory:', leaseMs }), { code: 'bad_option' })
    })
  for (const limits of [{ streams: -1 }, { beatsPerSecond: NaN }, { streamsPerSession: 0 }])
    it(`limits ${JSON.stringify(limits)}`, () => {
      assert.throws(() => createLoomi({ store: ':memory:', limits }), { code: 'bad_option' })
    })
  it('beats of one user are limited whatever sessions they name', async () => {
    const { loomi } = makeWorld({
      authorize: (_, claim) => ({ userId: 'ada', sessionId: claim.sessionId }) as never,
    })
    const codes: number[] = []
    for (let i = 0; i < 300; i++) {
      const response = await request(loomi, '/heartbeat', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ user_id: 'ada', session_id: `s${i}` }),
      })
      codes.push(response.status)
    }
    assert.ok(codes.includes(429))
  })
  it('long names of runs keep their questions apart', async () => {
    const { loomi, store } = makeWorld()
    const prefix = 'r'.repeat(120)
    for (const name of ['1', '2']) loomi.session({ ...REF, runId: prefix + name }).user(`question ${name}`)
    await settle()
    assert.equal((await rowsOf(store)).length, 2)
  })
  it('a cursor of a lost row is refused by read', async () => {
    const { loomi } = makeWorld()
    const session = loomi.session(REF)
    session.message('a')
    const cursor = await session.cursor()
    const wrong = cursor.replace(/-[a-z0-9]{6}$/, '-aaaaaa')
    await assert.rejects(
      async () => {
        for await (const _ of session.read({ after: wrong }));
      },
      { code: 'bad_request' },
    )
    await assert.rejects(
      async () => {
        for await (const _ of session.read({ after: cursor.replace(/-1-/, '-99-') }));
      },
      { code: 'bad_request' },
    )
  })
  it('a page that was forwarded by a plain proxy is not taken for this machine', async () => {
    const { loomi } = makeWorld()
    const response = await request(loomi, '/stream/s-42?user_id=ada&follow=0', {
      headers: { referer: 'https://app.example/chat', 'sec-fetch-site': 'same-origin' },
    })
    assert.equal(response.status, 403)
  })
  it('a second close of a session is no error', async () => {
    const { loomi, reports } = makeWorld()
    const session = loomi.session(REF)
    session.message('a')
    await session.close()
    await session.close()
    assert.deepEqual(
      reports.map((r: Report) => r.error.code),
      [],
    )
  })
  it('the SQLite store can be closed twice', async () => {
    const store = openSqlite(':memory:')
    await store.close()
    await store.close()
  })
})

describe('the command line, interrupted or mistaken', () => {
  const run = (...args: string[]) => spawn(process.execPath, ['server/cli.ts', ...args], { stdio: 'pipe' })
  it('stop of a store that is not there says so', async () => {
    const folder = tempFolder()
    const child = run('stop', '--session', 's', '--store', folder.path('typo.db'))
    const code = await new Promise((resolve) => child.once('exit', resolve))
    const made = existsSync(folder.path('typo.db'))
    folder.remove()
    assert.deepEqual([made, code === 0], [false, false])
  })
  it('a feed that is told to go ends its run as interrupted and says nothing', async () => {
    const folder = tempFolder()
    const child = run(
      'feed',
      '--session',
      REF.sessionId,
      '--user',
      REF.userId,
      '--store',
      folder.path('a.db'),
    )
    child.stdin.write(
      '{"choices":[{"delta":{"content":"One "}}]}\n{"choices":[{"delta":{"content":"two "}}]}\n',
    )
    let err = ''
    child.stderr.on('data', (d) => (err += String(d)))
    let store: Store | undefined
    await until(async () => {
      if (!existsSync(folder.path('a.db'))) return false
      try {
        store ??= openSqlite(folder.path('a.db'))
        return (await rowsOf(store)).length > 0
      } catch {
        return false
      }
    }, 'fed')
    child.kill('SIGTERM')
    const code = await new Promise((resolve) => child.once('exit', resolve))
    const rows = await rowsOf(store!)
    await store!.close()
    folder.remove()
    assert.deepEqual([code, rows.at(-1)?.content_type, err], [143, 'interrupted', ''])
  })
})
