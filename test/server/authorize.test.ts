import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import type { Authorize } from '../../server/authorize.ts'
import { LoomiError } from '../../server/errors.ts'
import type { Loomi } from '../../server/loomi.ts'
import { type Tickets, tickets } from '../../server/tickets.ts'
import {
  askBoth,
  dataOf,
  FakeClock,
  makeWorld,
  newEvent,
  newEvents,
  REF,
  request,
  settle,
  SseReader,
  typesOf,
  type World,
} from './support.ts'

const SECRET = 'a secret of good length'

const bearer = (ticket: string): Record<string, string> => ({ authorization: `Bearer ${ticket}` })

describe('tickets', { timeout: 30_000 }, () => {
  let clock: FakeClock
  let authorize: Tickets
  let world: World
  let loomi: Loomi
  beforeEach(() => {
    clock = new FakeClock()
    authorize = tickets(SECRET, { now: () => clock.now() })
    world = makeWorld({ authorize, clock })
    loomi = world.loomi
  })

  it('open both endpoints to their user in their session, any number of times', async () => {
    await world.store.append(REF, newEvents(1, 2))
    const ticket = await authorize.issue(REF)
    for (let i = 0; i < 3; i++) {
      const [stream, heartbeat] = await askBoth(loomi, bearer(ticket))
      assert.equal(stream.status, 200)
      assert.deepEqual(dataOf(await new SseReader(stream).through('replay_complete')), ['text 1', 'text 2'])
      assert.equal(heartbeat.status, 200)
    }
  })

  it('travel in a header that any case of Bearer begins, or in a cookie', async () => {
    const ticket = await authorize.issue(REF)
    const fine: Record<string, string>[] = [
      { authorization: `bearer ${ticket}` },
      { cookie: `loomi_ticket=${ticket}` },
      { cookie: `a=b; loomi_ticket=${ticket}; c=d` },
    ]
    for (const headers of fine)
      for (const { status } of await askBoth(loomi, headers)) assert.equal(status, 200)
    const not: Record<string, string>[] = [
      { authorization: ticket },
      { authorization: `Basic ${ticket}` },
      { cookie: `not_loomi_ticket=${ticket}` },
      { 'x-ticket': ticket },
    ]
    for (const headers of not)
      for (const { status } of await askBoth(loomi, headers))
        assert.equal(status, 401, JSON.stringify(headers))
  })

  it('are not taken from the URL', async () => {
    const ticket = await authorize.issue(REF)
    for (const name of ['token', 'ticket', 'loomi_ticket', 'access_token']) {
      assert.equal((await request(loomi, `/stream/s-42?${name}=${ticket}`)).status, 401)
    }
  })

  it('end with their time, which is at most ten minutes', async () => {
    const short = await authorize.issue({ ...REF, ttlMs: 1000 })
    const long = await authorize.issue({ ...REF, ttlMs: 86_400_000 })
    await clock.advance(999)
    assert.equal((await askBoth(loomi, bearer(short)))[1].status, 200)
    await clock.advance(1)
    for (const { status } of await askBoth(loomi, bearer(short))) assert.equal(status, 401)
    await clock.advance(10 * 60_000 - 1001)
    assert.equal((await askBoth(loomi, bearer(long)))[1].status, 200)
    await clock.advance(1)
    assert.equal((await askBoth(loomi, bearer(long)))[1].status, 401)
  })

  it('of a negative or meaningless time never open anything', async () => {
    for (const ttlMs of [-1, 0, Number.NaN]) {
      const ticket = await authorize.issue({ ...REF, ttlMs })
      assert.equal((await askBoth(loomi, bearer(ticket)))[1].status, 401)
    }
  })

  it('end the open stream with their time', async () => {
    await world.store.append(REF, newEvents(1, 1))
    const ticket = await authorize.issue({ ...REF, ttlMs: 30_000 })
    const [response] = await askBoth(loomi, bearer(ticket))
    const stream = new SseReader(response)
    await stream.through('replay_complete')
    await clock.advance(29_000)
    loomi.session(REF).message('in time')
    assert.deepEqual(dataOf(await stream.take(1)), ['in time'])
    await clock.advance(2000)
    loomi.session(REF).message('too late')
    await settle()
    assert.deepEqual(await stream.rest(), [])
  })

  describe('are refused with 401, saying what to do,', () => {
    const cases: [string, () => Promise<string>][] = [
      ['for another session', () => authorize.issue({ ...REF, sessionId: 'other' })],
      [
        'signed with another secret',
        () => tickets('another secret of length', { now: () => clock.now() }).issue(REF),
      ],
      ['without a signature', async () => (await authorize.issue(REF)).split('.')[0]!],
      ['with an empty signature', async () => `${(await authorize.issue(REF)).split('.')[0]!}.`],
      ['with a third part', async () => `${await authorize.issue(REF)}.x`],
      [
        'with a signature that is no base64',
        async () => `${(await authorize.issue(REF)).split('.')[0]!}.-----`,
      ],
      [
        'whose payload was changed',
        async () => {
          const [, signature] = (await authorize.issue({ ...REF, userId: 'eve' })).split('.')
          return `${btoa(JSON.stringify(['ada', 's-42', clock.now() + 60_000])).replaceAll('=', '')}.${signature}`
        },
      ],
      [
        'whose time was changed',
        async () => {
          const ticket = await authorize.issue({ ...REF, ttlMs: 1 })
          await clock.advance(10)
          return `${btoa(JSON.stringify(['ada', 's-42', clock.now() + 60_000])).replaceAll('=', '')}.${ticket.split('.')[1]}`
        },
      ],
      ['of which one character was changed', async () => withOneChanged(await authorize.issue(REF))],
      ['that are none', () => Promise.resolve('nonsense')],
      ['that are empty', () => Promise.resolve('')],
      ['that are very long', () => Promise.resolve(`${'x'.repeat(5000)}.${'y'.repeat(5000)}`)],
    ]
    for (const [name, make] of cases) {
      it(name, async () => {
        await world.store.append(REF, newEvents(1, 2))
        for (const response of await askBoth(loomi, bearer(await make()))) {
          assert.equal(response.status, 401)
          assert.equal(response.headers.get('www-authenticate'), 'Bearer')
          const { error } = (await response.json()) as { error: { code: string; message: string } }
          assert.equal(error.code, 'unauthorized')
          assert.match(error.message, /Get a new one and try again/)
        }
      })
    }

    it('when there is none', async () => {
      for (const { status } of await askBoth(loomi, {})) assert.equal(status, 401)
    })
  })

  describe('of user A', () => {
    it('never bring an event of user B’s session, stored or live', async () => {
      const bobs = { sessionId: 'bobs', userId: 'bob' }
      await world.store.append(bobs, newEvents(1, 3))
      const ticket = await authorize.issue({ sessionId: 'bobs', userId: 'ada' })
      const streams = []
      for (const query of ['after=0', 'after=0&user_id=bob', 'follow=0', 'merge=1&after=0', '']) {
        const response = await request(loomi, `/stream/bobs?${query}`, { headers: bearer(ticket) })
        streams.push(new SseReader(response))
      }
      const bob = loomi.session(bobs)
      bob.message('for Bob alone')
      await bob.end()
      await clock.advance(20_000)
      for (const stream of streams) {
        assert.partialDeepStrictEqual((await stream.take(1))[0], {
          id: undefined,
          frame: { type: 'no_replay', cursor: null },
        })
        await settle()
        assert.ok(!stream.text.includes('Bob') && !stream.text.includes('text 1'))
        await stream.cancel()
      }
    })

    it('are refused with 403 for a beat in the name of user B', async () => {
      const ticket = await authorize.issue(REF)
      const [, response] = await askBoth(loomi, bearer(ticket), { ...REF, userId: 'bob' })
      assert.equal(response.status, 403)
      const { error } = (await response.json()) as { error: { code: string; message: string } }
      assert.equal(error.code, 'forbidden')
      assert.match(error.message, /Send the user that the ticket was issued for/)
      assert.equal(await loomi.presence({ ...REF, userId: 'bob' }), null)
    })

    it('name the user: a user_id in the URL changes nothing', async () => {
      await world.store.append(REF, [newEvent(1)])
      const ticket = await authorize.issue(REF)
      const response = await request(loomi, '/stream/s-42?after=0&follow=0&user_id=bob', {
        headers: bearer(ticket),
      })
      assert.deepEqual(typesOf(await new SseReader(response).rest()), [
        'replay_start',
        'event',
        'replay_complete',
      ])
    })

    it('tell in a beat nothing about user B’s session', async () => {
      await world.store.append({ sessionId: 'bobs', userId: 'bob' }, newEvents(1, 3))
      const ticket = await authorize.issue({ sessionId: 'bobs', userId: 'ada' })
      const [, response] = await askBoth(loomi, bearer(ticket), { sessionId: 'bobs', userId: 'ada' })
      assert.equal(((await response.json()) as { latest_event_id: unknown }).latest_event_id, null)
    })
  })

  it('carry ids of any characters', async () => {
    const ref = { sessionId: 'ä/🌱?', userId: 'o’neill & söhne' }
    const ticket = await authorize.issue(ref)
    assert.match(ticket, /^[\w-]+\.[\w-]+$/)
    const response = await request(loomi, `/stream/${encodeURIComponent(ref.sessionId)}`, {
      headers: bearer(ticket),
    })
    assert.equal(response.status, 200)
    await response.body!.cancel()
  })

  it('are not made for ids that are none', async () => {
    await assert.rejects(
      authorize.issue({ userId: '', sessionId: 's' }),
      (error) => error instanceof LoomiError && error.code === 'bad_id',
    )
  })

  for (const secret of [undefined, '', 'short', 'x'.repeat(15)]) {
    it(`need a secret: ${JSON.stringify(secret)} is none`, () => {
      assert.throws(
        () => tickets(secret),
        (error) =>
          error instanceof LoomiError &&
          error.code === 'bad_option' &&
          /16 characters.*openssl rand/.test(error.message),
      )
    })
  }
})

describe('an authorize of the app’s own', () => {
  const answers: [string, ReturnType<Authorize>, number][] = [
    ['null', null, 401],
    ['a user', { userId: 'ada' }, 200],
    ['a promise of a user', Promise.resolve({ userId: 'ada' }), 200],
    ['a user without an id', { userId: '' }, 401],
    ['a user whose id is none', { userId: 'x'.repeat(129) }, 401],
  ]
  for (const [name, answer, status] of answers) {
    it(`that answers ${name} makes it ${status}`, async () => {
      const { loomi } = makeWorld({ authorize: () => answer })
      for (const response of await askBoth(loomi, {})) assert.equal(response.status, status)
    })
  }

  it('that throws makes it 500 without a word of why, and is reported', async () => {
    const { loomi, reports } = makeWorld({
      authorize: () => {
        throw new Error('db password is hunter2')
      },
    })
    for (const response of await askBoth(loomi, {})) {
      assert.equal(response.status, 500)
      const text = await response.text()
      assert.match(text, /"code":"internal"/)
      assert.ok(!text.includes('hunter2'))
    }
    assert.equal(reports.length, 2)
    assert.match(reports[0]!.error.message, /hunter2/)
  })

  it('is asked what the request is about, on every request', async () => {
    const claims: unknown[] = []
    const { loomi } = makeWorld({
      authorize: (request, claim) => {
        claims.push({ ...claim, path: new URL(request.url).pathname })
        return { userId: 'ada' }
      },
    })
    await askBoth(loomi, {})
    assert.deepEqual(claims, [
      { sessionId: 's-42', userId: 'ada', path: '/api/loomi/stream/s-42' },
      { sessionId: 's-42', userId: 'ada', path: '/api/loomi/heartbeat' },
    ])
  })

  it('may answer anybody from anywhere', async () => {
    const { loomi } = makeWorld({ authorize: () => ({ userId: 'ada' }) })
    const response = await request(loomi, 'https://chat.example.org/api/loomi/stream/s', {
      headers: { origin: 'https://other.example' },
    })
    assert.equal(response.status, 200)
    await response.body!.cancel()
  })
})

function withOneChanged(ticket: string): string {
  // The first character of the signature: its last one has bits that mean nothing.
  const [payload, signature = ''] = ticket.split('.')
  return `${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
}
