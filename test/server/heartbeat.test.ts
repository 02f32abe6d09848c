import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { formatCursor, type HeartbeatAnswer } from '../../server/protocol.ts'
import { beat, makeWorld, newEvents, openStream, REF, request, storeWith, type World } from './support.ts'

const BODY = { user_id: 'ada', session_id: 's-42' }

interface Refusal {
  readonly success: false
  readonly error: { readonly code: string; readonly message: string }
}

describe('POST /heartbeat', () => {
  let world: World
  beforeEach(() => {
    world = makeWorld()
  })

  const post = (
    body: BodyInit,
    headers: Record<string, string> = { 'content-type': 'application/json' },
  ): Promise<Response> =>
    request(world.loomi, '/heartbeat', { method: 'POST', headers, body, duplex: 'half' } as RequestInit)

  async function refused(response: Response, status: number, code: string): Promise<string> {
    assert.equal(response.status, status)
    assert.equal(response.headers.get('cache-control'), 'no-store')
    const { success, error } = (await response.json()) as Refusal
    assert.equal(success, false)
    assert.equal(error.code, code)
    assert.deepEqual(Object.keys(error), ['code', 'message'])
    return error.message
  }

  it('answers when, where the session is, and when to come again', async () => {
    const result = await world.store.append(REF, newEvents(1, 3))
    const response = await post(JSON.stringify(BODY))
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('cache-control'), 'no-store')
    assert.deepEqual(await response.json(), {
      success: true,
      timestamp: new Date(world.clock.now()).toISOString(),
      latest_event_id: formatCursor(result.ok ? result.head.epoch : '', 3, 'run-1/3'),
      interval_ms: 5000,
    } satisfies HeartbeatAnswer)
  })

  it('asks for another interval when the server is set so', async () => {
    const { loomi } = makeWorld({ heartbeatMs: 12_000 })
    assert.equal((await beat(loomi)).interval_ms, 12_000)
  })

  it('tells of no latest event before the first one, and of none of somebody else’s', async () => {
    assert.equal((await beat(world.loomi)).latest_event_id, null)
    await world.store.append(REF, newEvents(1, 3))
    assert.equal((await beat(world.loomi, { user_id: 'eve' })).latest_event_id, null)
    assert.notEqual((await beat(world.loomi)).latest_event_id, null)
  })

  it('tells of the latest event while the session is watched, too', async () => {
    await world.store.append(REF, newEvents(1, 3))
    const stream = await openStream(world.loomi, { query: 'after=0' })
    await stream.through('replay_complete')
    const session = world.loomi.session(REF)
    session.message('x')
    await session.end()
    assert.equal((await beat(world.loomi)).latest_event_id, await session.cursor())
    await stream.cancel()
  })

  it('keeps what it says of the tab', async () => {
    await world.store.append(REF, newEvents(1, 3))
    const head = (await beat(world.loomi)).latest_event_id!
    await beat(world.loomi, { client_id: 'tab', last_event_id: head, rung: 'worker', state: 'hidden' })
    const presence = await world.loomi.presence(REF)
    assert.deepEqual(presence, {
      ...REF,
      lastBeatAt: world.clock.now(),
      rung: 'worker',
      state: 'hidden',
      displayed: head,
    })
  })

  it('leaves fields alone that it does not know, and takes null for left out', async () => {
    const body = {
      ...BODY,
      client_id: null,
      last_event_id: null,
      rung: null,
      state: null,
      new_field: { a: [1] },
    }
    assert.equal((await post(JSON.stringify(body))).status, 200)
  })

  it('takes a displayed cursor that means nothing here', async () => {
    for (const last_event_id of ['nonsense', 'other-5-abcdef', '0']) {
      assert.equal((await post(JSON.stringify({ ...BODY, last_event_id }))).status, 200)
    }
  })

  for (const type of [
    'application/json; charset=utf-8',
    'Application/JSON',
    'application/json ;charset=utf-8',
  ]) {
    it(`takes ${type}`, async () =>
      assert.equal((await post(JSON.stringify(BODY), { 'content-type': type })).status, 200))
  }

  it('writes nothing to the store, however many come', async () => {
    const writes: string[] = []
    const watched = storeWith(world.store, {
      append: () => assert.fail('an append'),
      savePresence: (rows) => {
        writes.push(`${rows.length} rows`)
        return world.store.savePresence(rows)
      },
    })
    const { loomi, clock } = makeWorld({ store: watched })
    for (let i = 0; i < 40; i++) {
      for (const session_id of ['a', 'b', 'c']) await beat(loomi, { session_id })
      await clock.advance(249)
    }
    assert.deepEqual(writes, [])
    await clock.advance(100)
    assert.deepEqual(writes, ['3 rows'])
  })

  it('is answered though the store is down', async () => {
    const down = storeWith(world.store, {
      heads: () => Promise.reject(new Error('Down.')),
      loadPresence: () => Promise.reject(new Error('Down.')),
    })
    const { loomi, reports } = makeWorld({ store: down })
    assert.equal((await beat(loomi)).latest_event_id, null)
    assert.ok(reports.length > 0)
  })

  describe('is refused', () => {
    const types = [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonp',
      '',
    ]
    for (const type of types) {
      it(`with 415 for ${type || 'no'} content type, naming the right one`, async () => {
        const message = await refused(
          await post(JSON.stringify(BODY), type ? { 'content-type': type } : {}),
          415,
          'unsupported_media_type',
        )
        assert.match(message, /Content-Type: application\/json/)
      })
    }

    for (const body of ['', '{', 'null', '[]', '"x"', '5', 'undefined', '\u0000', '{"user_id":"ada"']) {
      it(`with 400 for the body ${JSON.stringify(body)}, with an example`, async () => {
        const message = await refused(await post(body), 400, 'bad_request')
        assert.match(message, /\{"user_id":"ada","session_id":"s-42"\}/)
      })
    }

    const fields: [string, unknown, string][] = [
      ['user_id', undefined, 'bad_id'],
      ['user_id', '', 'bad_id'],
      ['user_id', 5, 'bad_id'],
      ['user_id', 'a\u0000', 'bad_id'],
      ['user_id', 'x'.repeat(129), 'bad_id'],
      ['session_id', null, 'bad_id'],
      ['session_id', ['s'], 'bad_id'],
      ['client_id', 5, 'bad_request'],
      ['client_id', '', 'bad_request'],
      ['last_event_id', 5, 'bad_request'],
      ['last_event_id', 'x'.repeat(129), 'bad_request'],
      ['rung', 'carrier pigeon', 'bad_request'],
      ['state', 'asleep', 'bad_request'],
    ]
    for (const [name, value, code] of fields) {
      it(`with 400 for ${name}: ${JSON.stringify(value)?.slice(0, 20)}, naming the field`, async () => {
        const message = await refused(await post(JSON.stringify({ ...BODY, [name]: value })), 400, code)
        assert.match(message, new RegExp(`^${name} is`))
      })
    }

    const large = JSON.stringify({ ...BODY, padding: 'x'.repeat(1024) })
    it('with 413 beyond 1 KiB, announced', async () => {
      const headers = { 'content-type': 'application/json', 'content-length': String(large.length) }
      assert.match(await refused(await post(large, headers), 413, 'too_large'), /1024 bytes/)
    })

    it('with 413 beyond 1 KiB, not announced, without reading on', async () => {
      let pulled = 0
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          pulled++
          controller.enqueue(new TextEncoder().encode('x'.repeat(600)))
        },
      })
      await refused(await post(body), 413, 'too_large')
      assert.ok(pulled < 10, `${pulled} pieces read`)
    })

    it('with 413 beyond 1 KiB when the announcement is a lie', async () => {
      const headers = { 'content-type': 'application/json', 'content-length': '10' }
      await refused(await post(large, headers), 413, 'too_large')
    })

    it('that breaks off is the sender’s affair, and nobody else hears of it', async () => {
      const reports: unknown[] = []
      world = makeWorld({ onEvent: (report) => reports.push(report) })
      const body = new ReadableStream({ pull: (controller) => controller.error(new Error('aborted')) })
      assert.match(await refused(await post(body), 400, 'bad_request'), /again/)
      assert.deepEqual(reports, [])
    })

    it('not at exactly 1 KiB, also in pieces that part a character', async () => {
      const bytes = new TextEncoder().encode(JSON.stringify({ ...BODY, user_id: 'ä🌱', padding: '' }))
      const whole = new TextEncoder().encode(
        JSON.stringify({ ...BODY, user_id: 'ä🌱', padding: 'x'.repeat(1024 - bytes.length) }),
      )
      assert.equal(whole.length, 1024)
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          for (const byte of whole) controller.enqueue(new Uint8Array([byte]))
          controller.close()
        },
      })
      assert.equal((await post(body)).status, 200)
      assert.equal((await world.loomi.presence({ ...REF, userId: 'ä🌱' }))?.lastBeatAt, world.clock.now())
    })

    it('with 429 and Retry-After when one session beats without end, until it slows down', async () => {
      let answered = 0
      let response = await post(JSON.stringify(BODY))
      while (response.status === 200 && answered < 100) {
        answered++
        response = await post(JSON.stringify(BODY))
      }
      assert.equal(answered, 20)
      assert.match(await refused(response, 429, 'rate_limited'), /interval_ms/)
      assert.ok(Number(response.headers.get('retry-after')) >= 1)
      assert.equal((await post(JSON.stringify({ ...BODY, session_id: 'another' }))).status, 200)
      await world.clock.advance(1000)
      assert.equal((await post(JSON.stringify(BODY))).status, 200)
    })

    it('with 404 by any other method', async () => {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        assert.equal((await request(world.loomi, '/heartbeat', { method })).status, 404, method)
      }
    })
  })
})

describe('another path', () => {
  it('is a file of the page or nothing', async () => {
    const { loomi } = makeWorld()
    const paths = [
      '/',
      '/stream',
      '/stream/',
      '/nothing.js',
      '/../package.json',
      '/..%2f..%2fpackage.json',
      '/assets/..%2f..%2f..%2fpackage.json',
      '/assets/registration-12345678.js%00',
      '/%E0%A4%A',
    ]
    for (const path of paths) {
      const response = await request(loomi, path)
      assert.equal(response.status, 404, path)
      assert.ok(!(await response.text()).includes('"name"'), path)
    }
  })
})
