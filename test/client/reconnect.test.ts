import { expect } from '@open-wc/testing'
import type { Signal } from '../../elements/client/index.ts'
import { FIRST_BYTE_MS } from '../../elements/client/connection.ts'
import { SILENCE_MS } from '../../server/protocol.ts'
import { until } from './support/fake-clock.ts'
import { frame, hold } from './support/model-server.ts'
import { eventTexts, rig, serverWith } from './support/rig.ts'

describe('RecoveryClient, its requests', () => {
  it('asks for the whole log, with what it knows of the device', async () => {
    const { server, reach } = rig({
      base: 'https://api.test/loomi/',
      sessionId: 'a b/c',
      getToken: () => 'ticket',
      getSeen: () => Promise.resolve('e1-2-zzzzzz'),
    })
    await reach('live')
    const [{ url, headers }] = server.asked as [(typeof server.asked)[0]]
    expect(`${url.origin}${url.pathname}`).to.equal('https://api.test/loomi/stream/a%20b%2Fc')
    expect(Object.fromEntries(url.searchParams)).to.deep.equal({
      after: '0',
      seen: 'e1-2-zzzzzz',
      user_id: 'ada',
      merge: '1',
    })
    expect(headers.get('authorization')).to.equal('Bearer ticket')
    expect(headers.has('last-event-id')).to.equal(false)
  })

  it('without history begins at "after", else at the displayed cursor, else where the server decides', async () => {
    const getSeen = (): Promise<string> => Promise.resolve('e1-1-aaaaaa')
    for (const [options, after] of [
      [{ after: 'e1-2-bbbbbb', getSeen }, 'e1-2-bbbbbb'],
      [{ getSeen }, 'e1-1-aaaaaa'],
      [{}, null],
    ] as const) {
      const { server, clock } = rig({ history: 'none', ...options })
      await clock.runUntil(() => server.asked.length === 1)
      expect(server.asked[0]!.url.searchParams.get('after')).to.equal(after)
    }
  })

  it('waits for the displayed cursor at most 300 ms', async () => {
    const { server, clock } = rig({ getSeen: () => new Promise(() => {}) })
    await clock.advance(299)
    expect(server.asked.length).to.equal(0)
    await clock.advance(1)
    expect(server.asked.length).to.equal(1)
  })

  it('says what is wrong with a session id instead of asking', () => {
    const { client, notices, server } = rig({ sessionId: '' })
    expect(client.snapshot.state).to.equal('failed')
    expect(notices).to.deep.equal([{ type: 'error', ...client.snapshot.error! }])
    expect(server.asked.length).to.equal(0)
  })
})

describe('RecoveryClient, when a connection is lost', () => {
  it('asks again from its position and shows every event once', async () => {
    const { server, reach, clock, texts, client } = rig({}, serverWith(3))
    await reach('live')
    server.cutAll()
    await reach('waiting')
    server.append({}, {})
    expect(client.snapshot.attempt).to.equal(1)
    expect(client.snapshot.retryAt).to.equal(clock.now() + 500)
    await reach('live')
    expect(server.asked[1]!.headers.get('last-event-id')).to.equal(server.cursor(3))
    expect(server.asked[1]!.url.searchParams.get('after')).to.equal('0')
    expect(server.asked[1]!.url.searchParams.get('seen')).to.equal(server.cursor(3))
    expect(texts()).to.deep.equal(eventTexts(1, 5))
    expect(client.snapshot).to.include({ attempt: 0, retryAt: null, error: null, missed: 2, caughtUp: 2 })
  })

  it('does so also after a clean end, and waits at least as long as "retry" says', async () => {
    const { server, reach, clock } = rig()
    server.retryMs = 2500
    await reach('live')
    for (const held of server.held) held.end()
    await reach('waiting')
    await clock.advance(2499)
    expect(server.asked.length).to.equal(1)
    await clock.advance(1)
    expect(server.asked.length).to.equal(2)
  })

  it('backs off from 0.5 to 20 s and never gives up', async () => {
    const { server, client, clock } = rig({ random: () => 0.999_999 })
    server.script.push(
      ...Array.from({ length: 60 }, () => () => Promise.reject(new TypeError('Failed to fetch'))),
    )
    const waits: number[] = []
    while (waits.length < 60) {
      await clock.runUntil(
        () => client.snapshot.attempt === waits.length + 1 && client.snapshot.state === 'waiting',
      )
      waits.push(Math.round((client.snapshot.retryAt! - clock.now()) / 100) / 10)
    }
    expect(waits.slice(0, 7)).to.deep.equal([1, 1.5, 2.5, 4.5, 8.5, 16.5, 20])
    expect(waits.slice(7).every((wait) => wait === 20)).to.equal(true)
    expect(client.snapshot.error?.code).to.equal('network')
    await clock.runUntil(() => client.snapshot.state === 'live')
  })

  it('waits short again once a connection brought something', async () => {
    const { server, client, clock, reach } = rig({ random: () => 0.999_999 })
    server.script.push(
      ...Array.from({ length: 5 }, () => () => Promise.reject(new TypeError('Failed to fetch'))),
    )
    await reach('live')
    server.append({})
    await clock.advance(0)
    server.cutAll()
    await reach('waiting')
    expect(client.snapshot.attempt).to.equal(1)
    expect(client.snapshot.retryAt! - clock.now()).to.be.closeTo(1000, 1)
  })

  it('tries at once when somebody connects the moment it begins to wait', async () => {
    const { server, client, clock, reach } = rig()
    await reach('live')
    const end = client.subscribe(() => client.snapshot.state === 'waiting' && client.connect())
    server.cutAll()
    const before = clock.now()
    await clock.runUntil(() => server.asked.length === 2 && client.snapshot.state === 'live')
    end()
    expect(clock.now()).to.equal(before)
  })

  it('backs off also from a server that closes each connection at once', async () => {
    const { server, clock } = rig({ random: () => 0.999_999 })
    server.script.push(
      ...Array.from({ length: 100 }, () => (): Response => {
        const { response, held } = hold(null)
        held.write(frame({ type: 'no_replay' }, null))
        held.end()
        return response
      }),
    )
    await clock.advance(60_000)
    expect(server.asked.length).to.be.within(5, 10)
  })

  it('waits as long as Retry-After says', async () => {
    for (const status of [429, 503]) {
      const { server, clock, client } = rig()
      server.script.push(() => new Response(null, { status, headers: { 'retry-after': '7' } }))
      await clock.runUntil(() => client.snapshot.state === 'waiting')
      expect(client.snapshot.retryAt! - clock.now()).to.equal(7000)
    }
  })

  it('takes 40 s of silence for a dead connection, and a keep-alive for life', async () => {
    const { server, clock, client, reach } = rig()
    await reach('live')
    await clock.advance(SILENCE_MS - 1)
    for (const held of server.held) held.write(':\n\n')
    await clock.advance(SILENCE_MS - 1)
    expect(client.snapshot.state).to.equal('live')
    await clock.advance(1)
    expect(client.snapshot.state).to.equal('waiting')
    expect(client.snapshot.error?.code).to.equal('silent')
    await reach('live')
    expect(server.asked.length).to.equal(2)
  })

  it('shows nothing that a replaced connection still delivers', async () => {
    const { server, clock, client, reach, texts } = rig()
    await reach('live')
    let late!: ReturnType<typeof hold>
    server.script.push(() => (late = hold(null)).response)
    server.cutAll()
    await clock.advance(500)
    client.disconnect()
    server.append({})
    late.held.write(frame({ type: 'no_replay', cursor: null, seen: 0, count: 0, boot: 'b' }, null))
    late.held.write(frame({ type: 'event', ...server.rows[0]! }, server.cursor(1)))
    await clock.advance(100)
    expect(texts()).to.deep.equal([])
    expect(client.snapshot.state).to.equal('idle')
    expect(clock.pending).to.equal(0)
  })

  it('fetches a hole at once, but does not storm a server that leaves one after the other', async () => {
    const { server, clock, reach, client } = rig({}, serverWith(2))
    await reach('live')
    const skip = (): Response => {
      const { response, held } = hold(null)
      held.write(
        frame(
          { type: 'no_replay', cursor: server.cursor(2), seen: 2, count: 0, boot: 'b' },
          server.cursor(2),
        ),
      )
      held.write(frame({ type: 'event', ...server.rows[3]! }, server.cursor(4)))
      return response
    }
    server.rows.push({ ...server.rows[0]!, key: 'r1/3' }, { ...server.rows[0]!, key: 'r1/4' })
    server.script.push(skip, skip, skip)
    for (const held of server.held) held.write(frame({ type: 'event', ...server.rows[3]! }, server.cursor(4)))
    await clock.advance(0)
    expect(server.asked.length).to.equal(2)
    expect(client.snapshot.error?.code).to.equal('hole')
    await reach('live')
    expect(client.snapshot.items.length).to.equal(4)
  })
})

describe('RecoveryClient, when woken', () => {
  for (const signal of ['online', 'visible', 'pageshow', 'resume'] as Signal[]) {
    it(`tries at once on "${signal}" when it waits`, async () => {
      const { server, client, clock, reach } = rig()
      server.script.push(() => new Response(null, { status: 503, headers: { 'retry-after': '60' } }))
      await reach('waiting')
      client.signal(signal)
      await clock.advance(0)
      expect(client.snapshot.state).to.equal('live')
    })

    it(`on "${signal}" leaves a healthy stream alone and doubts one that was silent for 20 s`, async () => {
      const { server, client, clock, reach } = rig()
      await reach('live')
      await clock.advance(20_000)
      client.signal(signal)
      await clock.advance(0)
      expect(server.asked.length).to.equal(1)
      await clock.advance(1)
      client.signal(signal)
      await clock.advance(0)
      expect(server.asked.length).to.equal(2)
      expect(client.snapshot.state).to.equal('live')
    })
  }

  it('makes no attempt while offline, and one as soon as it is online', async () => {
    const { server, client, clock, reach, texts } = rig()
    await reach('live')
    client.signal('offline')
    server.append({})
    await clock.advance(60_000)
    expect(client.snapshot).to.include({ state: 'offline', retryAt: null })
    expect(server.asked.length).to.equal(1)
    client.signal('online')
    await reach('live')
    expect(texts()).to.deep.equal(['e1'])
  })

  it('goes offline also out of a wait, and when it was offline from the start', async () => {
    const { server, client, clock, reach } = rig()
    server.script.push(() => new Response(null, { status: 500 }))
    await reach('waiting')
    client.signal('offline')
    await clock.advance(60_000)
    expect(client.snapshot.state).to.equal('offline')
    client.disconnect()
    client.connect()
    await clock.advance(1000)
    expect(client.snapshot.state).to.equal('offline')
    expect(server.asked.length).to.equal(1)
  })

  it('retries while hidden', async () => {
    const { server, client, reach, texts } = rig()
    await reach('live')
    client.signal('hidden')
    server.cutAll()
    await reach('waiting')
    server.append({})
    await reach('live')
    expect(texts()).to.deep.equal(['e1'])
  })
})

describe('RecoveryClient, what the server may refuse', () => {
  const refuse = (status: number, code: string) => (): Response => {
    const answer = { success: false, error: { code, message: `${code}: mend it` } }
    const response = Response.json(answer, { status })
    // Firefox reads bodies on another thread, behind the fake clock's back.
    response.json = () => Promise.resolve(answer)
    return response
  }

  it("reads the server's words from a real body", async () => {
    const answer = { success: false, error: { code: 'user_mismatch', message: 'mend it' } }
    const { server, client } = rig()
    server.script.push(() => Response.json(answer, { status: 403 }))
    await until(() => client.snapshot.state === 'failed')
    expect(client.snapshot.error).to.deep.equal(answer.error)
  })

  it('renews the token once after a 401', async () => {
    const asked: boolean[] = []
    const getToken = (renew: boolean): string => {
      asked.push(renew)
      return renew ? 'fresh' : 'stale'
    }
    const { server, reach } = rig({ getToken })
    server.script.push(refuse(401, 'token_expired'))
    await reach('live')
    expect(asked).to.deep.equal([false, true])
    expect(server.asked[1]!.headers.get('authorization')).to.equal('Bearer fresh')
  })

  it('fails with the words of the server when the renewed token is refused too', async () => {
    const { server, client, clock, reach, notices } = rig({ getToken: () => 'bad' })
    server.script.push(refuse(401, 'token_expired'), refuse(401, 'token_forged'))
    await reach('failed')
    expect(client.snapshot.error).to.deep.equal({ code: 'token_forged', message: 'token_forged: mend it' })
    expect(notices).to.deep.equal([{ type: 'error', code: 'token_forged', message: 'token_forged: mend it' }])
    await clock.advance(100_000)
    client.signal('visible')
    await clock.advance(0)
    expect(server.asked.length).to.equal(2)
  })

  it('renews again when the renewed token is refused later on', async () => {
    const asked: boolean[] = []
    const { server, reach } = rig({ getToken: (renew) => (asked.push(renew), 't') })
    for (let times = 0; times < 2; times++) {
      server.script.push(refuse(401, 'token_expired'))
      await reach('live')
      server.cutAll()
      await reach('waiting')
    }
    expect(asked).to.deep.equal([false, true, false, true])
  })

  it('asks again for a token when the app had trouble to get one', async () => {
    let times = 0
    const getToken = (): Promise<string> =>
      ++times === 1 ? Promise.reject(new Error('no network')) : Promise.resolve('t')
    const { client, reach } = rig({ getToken })
    await reach('waiting')
    expect(client.snapshot.error?.code).to.equal('token_failed')
    await reach('live')
  })

  for (const status of [400, 403, 404]) {
    it(`fails on ${status} until somebody connects again`, async () => {
      const { server, client, reach } = rig()
      server.script.push(refuse(status, 'no'))
      await reach('failed')
      client.connect()
      await reach('live')
    })
  }

  it('waits when the answer is not an event stream', async () => {
    const { server, client, reach } = rig()
    server.script.push(
      () => new Response('<h1>Welcome to the hotel</h1>', { headers: { 'content-type': 'text/html' } }),
    )
    await reach('waiting')
    expect(client.snapshot.error?.code).to.equal('not_a_stream')
    await reach('live')
  })

  it('is complete on 204', async () => {
    const { server, client, clock, reach } = rig()
    server.script.push(() => new Response(null, { status: 204 }))
    await reach('complete')
    client.signal('visible')
    client.connect()
    await clock.advance(60_000)
    expect(server.asked.length).to.equal(1)
    expect(clock.pending).to.equal(0)
  })

  it('when superseded waits for a look or an act, and for nothing else', async () => {
    const { server, client, clock, reach } = rig()
    await reach('live')
    for (const act of [() => client.signal('visible'), () => client.connect()]) {
      for (const held of server.held)
        held.write(frame({ type: 'superseded', reason: 'too_many_streams' }, null))
      await reach('waiting')
      const before = server.asked.length
      for (const signal of ['online', 'pageshow', 'resume'] as Signal[]) client.signal(signal)
      await clock.advance(100_000)
      expect(client.snapshot).to.include({ state: 'waiting', retryAt: null })
      expect(server.asked.length).to.equal(before)
      act()
      await reach('live')
    }
  })
})

describe('RecoveryClient behind a proxy that holds streams back', () => {
  const never = (): Promise<Response> => new Promise(() => {})

  it('polls after two connects without a byte, and shows what comes as live', async () => {
    const { server, client, clock, texts, reach, notices } = rig({}, serverWith(1))
    server.script.push(never, () => hold(null).response)
    await clock.advance(FIRST_BYTE_MS)
    expect(client.snapshot).to.include({ state: 'waiting', polling: false })
    await clock.advance(500 + FIRST_BYTE_MS)
    await reach('live')
    expect(client.snapshot.polling).to.equal(true)
    expect(server.asked[2]!.url.searchParams.get('follow')).to.equal('0')
    notices.length = 0
    server.append({})
    await clock.advance(2000)
    expect(server.asked[3]!.url.searchParams.get('after')).to.equal(server.cursor(1))
    expect(texts()).to.deep.equal(['e1', 'e2'])
    expect(client.snapshot.items[1]!.phase).to.equal('live')
    expect(notices).to.deep.equal([])
  })

  it('does not take an answer for whole that was cut off cleanly', async () => {
    const { server, client, clock, reach, texts } = rig({ instant: () => true }, serverWith(3))
    server.script.push(never, never, (asked, signal) => {
      server.rows.length = 1
      const { response, held } = hold(signal)
      const replay = { reason: 'cursor_behind', count: 3, missed: 3, seen: 0, to: 3, boot: 'b' } as const
      held.write(frame({ type: 'replay_start', ...replay }, 'e1-0'))
      held.write(frame({ type: 'event', ...server.rows[0]! }, server.cursor(1)))
      held.end()
      return response
    })
    await clock.runUntil(() => texts().length === 1, 60_000)
    await clock.advance(0)
    expect(client.snapshot.state).to.equal('waiting')
    server.append({}, {})
    await reach('live')
    expect(texts()).to.deep.equal(eventTexts(1, 3))
  })

  it('tries the stream again after five minutes, and at once when a poll fails', async () => {
    const { server, client, clock, reach } = rig()
    server.script.push(never, never)
    await reach('live')
    expect(client.snapshot.polling).to.equal(true)
    await clock.advance(150 * 2000)
    expect(client.snapshot).to.include({ state: 'live', polling: false })
    expect(server.held.size).to.equal(1)
  })

  it('is not fooled by two slow connects that were far apart', async () => {
    const { server, client, clock, reach } = rig()
    server.script.push(never)
    await reach('live')
    server.cutAll()
    server.script.push(never)
    await clock.advance(15_000)
    await reach('live')
    expect(client.snapshot.polling).to.equal(false)
  })
})

describe('RecoveryClient, beats', () => {
  it('asks again when two beats in a row know of more than it has', async () => {
    const { server, client, clock, reach, texts } = rig({}, serverWith(1))
    await reach('live')
    server.rows.push({ ...server.rows[0]!, key: 'r1/2', event_data: 'e2' })
    client.noteBeat(server.head)
    await clock.advance(5000)
    expect(server.asked.length).to.equal(1)
    client.noteBeat(server.head)
    await reach('live')
    await clock.advance(100)
    expect(texts()).to.deep.equal(['e1', 'e2'])
  })

  it('leaves a stream alone that is merely on its way', async () => {
    const { server, client, clock, reach } = rig({}, serverWith(1))
    await reach('live')
    for (let beat = 0; beat < 5; beat++) {
      const ahead = `e1-${server.rows.length + 1}-aaaaaa`
      client.noteBeat(ahead)
      await clock.advance(5000)
      server.append({})
      for (const held of server.held) held.write(':\n\n')
      await clock.advance(0)
    }
    client.noteBeat(null)
    client.noteBeat('e9-99-aaaaaa')
    client.noteBeat('e9-99-aaaaaa')
    await clock.advance(0)
    expect(server.asked.length).to.equal(1)
  })

  it('notices that the session came to be without telling it', async () => {
    const { server, client, clock, reach, texts } = rig()
    await reach('live')
    server.rows.push(...serverWith(1).rows)
    client.noteBeat(server.head)
    client.noteBeat(server.head)
    await clock.advance(100)
    expect(texts()).to.deep.equal(['e1'])
  })
})
