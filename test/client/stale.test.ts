import { expect } from '@open-wc/testing'
import type { ClientOptions } from '../../elements/client/index.ts'
import { settle } from './support/fake-clock.ts'
import { frame, hold, makeEvent, ModelServer } from './support/model-server.ts'
import { eventTexts, rig, serverWith } from './support/rig.ts'

/** A server whose answers do not heed the signal of their requests. */
function deafServer(count: number): ModelServer {
  const server = serverWith(count)
  const { fetch } = server
  Object.assign(server, { fetch: (url: string, init: RequestInit) => fetch(url, { ...init, signal: null }) })
  return server
}

describe('RecoveryClient, a connection that is over', () => {
  it('brings nothing any more when it was let go, and is not left open', async () => {
    const server = deafServer(1)
    const { client, clock, reach, texts } = rig({}, server)
    await reach('live')
    const [old] = server.held
    client.disconnect()
    old!.write(frame({ ...makeEvent(2), type: 'event' }, 'e1-2-aaaaaa'))
    await clock.advance(0)
    expect(texts()).to.deep.equal(['e1'])
    expect(server.held.size).to.equal(0)
    expect(clock.pending).to.equal(0)
  })

  it('is closed when its answer comes after that', async () => {
    const server = deafServer(1)
    let answer: ((response: Response) => void) | undefined
    server.script.push(() => new Promise((resolve) => (answer = resolve)))
    const { client, clock, texts } = rig({}, server)
    await clock.advance(0)
    client.disconnect()
    let isCancelled = false
    const late = hold(null, Infinity, undefined, () => (isCancelled = true))
    late.held.write(frame({ ...makeEvent(1), type: 'event' }, 'e1-1-aaaaaa'))
    answer!(late.response)
    await clock.advance(0)
    expect(isCancelled).to.equal(true)
    expect(texts()).to.deep.equal([])
  })

  it('brings nothing beside the one that took its place', async () => {
    const server = deafServer(1)
    const { client, clock, reach, texts } = rig({}, server)
    await reach('live')
    const [old] = server.held
    await clock.advance(21_000)
    client.signal('resume')
    old!.write(frame({ ...makeEvent(2), type: 'event', event_data: 'stale' }, server.cursor(2)))
    await reach('live')
    server.append({})
    await clock.advance(0)
    old!.write(frame({ ...makeEvent(3), type: 'event', event_data: 'stale' }, server.cursor(3)))
    await clock.advance(0)
    expect(texts()).to.deep.equal(eventTexts(1, 2))
    expect(server.held.size).to.equal(1)
  })

  it('brings nothing more of what it had brought already, when it is replaced from within a callback', async () => {
    const server = new ModelServer()
    const requests: number[] = []
    const options: Partial<ClientOptions> = {
      beforeShow: () => {
        requests.push(server.asked.length)
        client.noteBeat('e1-9-aaaaaa')
        client.noteBeat('e1-9-aaaaaa')
      },
    }
    const { client, clock, reach, texts } = rig(options, server)
    await reach('live')
    server.append({}, {}, {})
    await clock.advance(1000)
    await clock.runUntil(() => texts().length === 3)
    expect(requests.slice(0, 2)).to.deep.equal([1, 2])
    expect(texts()).to.deep.equal(eventTexts(1, 3))
    client.disconnect()
  })

  it('does not even begin when a subscriber replaces it at its first word', async () => {
    const server = serverWith(2)
    const { client, clock, reach, texts } = rig({}, server)
    await reach('live')
    let isReplaced = false
    client.subscribe(() => {
      if (client.snapshot.state !== 'connecting' || isReplaced) return
      isReplaced = true
      client.disconnect()
      client.connect()
    })
    server.cutAll()
    await reach('waiting')
    server.append({})
    await reach('live')
    await clock.advance(100)
    expect(texts()).to.deep.equal(eventTexts(1, 3))
    expect(isReplaced).to.equal(true)
    expect([server.asked.length, server.held.size]).to.deep.equal([2, 1])
    client.disconnect()
    await clock.advance(0)
    expect(clock.pending).to.equal(0)
  })
})

describe('RecoveryClient, when the clock jumps', () => {
  it('tries at once when it waits', async () => {
    const { server, client, clock, reach } = rig()
    server.script.push(() => new Response(null, { status: 503, headers: { 'retry-after': '300' } }))
    await reach('waiting')
    clock.jump(31_000)
    await clock.advance(0)
    expect(server.asked.length).to.equal(2)
    expect(client.snapshot.state).to.equal('live')
  })

  it('doubts a stream that was silent meanwhile', async () => {
    const { server, client, clock, reach } = rig()
    await reach('live')
    clock.jump(31_000)
    await clock.advance(0)
    expect(server.asked.length).to.equal(2)
    expect(client.snapshot.state).to.equal('live')
  })

  it('hears of it from a beat before any timer fires', async () => {
    const { server, client, clock, reach } = rig()
    await reach('live')
    clock.jump(31_000)
    client.noteBeat(server.head)
    await settle()
    expect(server.asked.length).to.equal(2)
  })

  it('leaves the stream alone when a timer is merely late, and when the clock is set back', async () => {
    const { server, clock, reach } = rig()
    await reach('live')
    clock.jump(29_000)
    await clock.advance(0)
    for (const held of server.held) held.write(':\n\n')
    await clock.advance(0)
    clock.jump(-500_000)
    await clock.advance(0)
    expect(server.asked.length).to.equal(1)
  })

  it('wakes a page that was put to sleep', async () => {
    const { server, client, clock, reach, texts } = rig()
    await reach('live')
    client.signal('freeze')
    server.append({})
    clock.jump(3_600_000)
    await clock.advance(0)
    await reach('live')
    await clock.advance(100)
    expect(texts()).to.deep.equal(['e1'])
  })

  it('looks no more once it is disconnected', async () => {
    const { client, clock, reach } = rig()
    await reach('live')
    client.disconnect()
    await clock.advance(0)
    expect(clock.pending).to.equal(0)
  })
})
