import { expect } from '@open-wc/testing'
import { SILENCE_MS } from '../../server/protocol.ts'
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
    expect(server.asked[1]!.url.searchParams.get('after')).to.equal(server.cursor(3))
    expect(server.asked[1]!.url.searchParams.get('seen')).to.equal(server.cursor(3))
    expect(texts()).to.deep.equal(eventTexts(1, 5))
    expect(client.snapshot).to.include({ attempt: 0, retryAt: null, error: null, missed: 2, caughtUp: 2 })
  })

  it('gets what is new and no more also through a proxy that strips Last-Event-ID', async () => {
    const server = serverWith(3)
    let bytes = 0
    const stripped: typeof fetch = async (input, init) => {
      const headers = new Headers(init?.headers)
      headers.delete('last-event-id')
      const answer = await server.fetch(input, { ...init, headers })
      bytes = 0
      const count = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform: (chunk, controller) => {
          bytes += chunk.length
          controller.enqueue(chunk)
        },
      })
      return new Response(answer.body!.pipeThrough(count), answer)
    }
    const { reach, texts } = rig({ fetch: stripped }, server)
    await reach('live')
    const all = bytes
    server.cutAll()
    await reach('waiting')
    server.append({})
    await reach('live')
    expect(texts()).to.deep.equal(eventTexts(1, 4))
    expect(bytes).to.be.below(all)
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
