import { expect } from '@open-wc/testing'
import type { Signal } from '../../elements/client/index.ts'
import { FIRST_BYTE_MS } from '../../elements/client/connection.ts'
import { until } from './support/fake-clock.ts'
import { frame, hold } from './support/model-server.ts'
import { eventTexts, rig, serverWith } from './support/rig.ts'

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

  it('says once why it waits, and again after it was open', async () => {
    const page = (): Response => new Response('<h1>Hotel</h1>', { headers: { 'content-type': 'text/html' } })
    const { server, client, clock, reach, notices } = rig()
    server.script.push(page, page, refuse(503, 'store_down'), page)
    await clock.runUntil(() => client.snapshot.attempt === 4, 60_000)
    const codes = (): string[] =>
      notices.map((notice) => (notice.type === 'error' ? notice.code : notice.type))
    expect(codes()).to.deep.equal(['not_a_stream', 'store_down'])
    await reach('live')
    server.script.push(page)
    server.cutAll()
    await clock.advance(500)
    await reach('live')
    expect(codes()).to.deep.equal(['not_a_stream', 'store_down', 'not_a_stream'])
  })

  it('says nothing of a network that is merely gone', async () => {
    const { server, reach, notices } = rig()
    server.script.push(() => Promise.reject(new TypeError('Failed to fetch')))
    await reach('waiting')
    await reach('live')
    expect(notices).to.deep.equal([])
  })

  it('waits for a token at most 10 s, then asks again', async () => {
    let times = 0
    const getToken = (): Promise<string> => (++times === 1 ? new Promise(() => {}) : Promise.resolve('t'))
    const { server, client, clock, reach, notices } = rig({ getToken })
    await clock.advance(9999)
    expect(client.snapshot.state).to.equal('connecting')
    await clock.advance(1)
    expect(client.snapshot).to.include({ state: 'waiting' })
    expect(client.snapshot.error?.code).to.equal('token_failed')
    await reach('live')
    expect(server.asked.length).to.equal(1)
    expect(notices.length).to.equal(1)
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
    expect(
      notices.map(
        (notice) => notice.type === 'error' && [notice.code, /text\/event-stream/.test(notice.message)],
      ),
    ).to.deep.include(['stream_buffered', true])
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
    const { server, client, clock, reach, notices } = rig()
    server.script.push(never, never)
    await reach('live')
    expect(client.snapshot.polling).to.equal(true)
    await clock.advance(150 * 2000)
    expect(client.snapshot).to.include({ state: 'live', polling: false })
    expect(server.held.size).to.equal(1)
    server.script.push(never, never)
    server.cutAll()
    await clock.runUntil(() => client.snapshot.polling, 60_000)
    expect(notices.filter((notice) => 'code' in notice && notice.code === 'stream_buffered').length).to.equal(
      1,
    )
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
