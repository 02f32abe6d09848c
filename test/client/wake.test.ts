import { expect } from '@open-wc/testing'
import type { Signal } from '../../elements/client/index.ts'
import { eventTexts, rig, serverWith } from './support/rig.ts'

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

  const unreachable = (): Promise<Response> => Promise.reject(new TypeError('Failed to fetch'))

  it('is offline once the device says so and the stream is gone, and live as soon as it is online', async () => {
    const { server, client, clock, reach, texts } = rig()
    await reach('live')
    client.signal('offline')
    expect(client.snapshot.state).to.equal('live')
    server.cutAll()
    server.append({})
    await clock.advance(1000)
    expect(client.snapshot.state).to.equal('offline')
    client.signal('online')
    await clock.advance(0)
    expect(client.snapshot.state).to.equal('live')
    expect(texts()).to.deep.equal(['e1'])
  })

  it('leaves a stream alone that still brings something while the device calls itself offline', async () => {
    const { server, client, clock, reach, texts } = rig()
    await reach('live')
    client.signal('offline')
    for (let event = 0; event < 5; event++) {
      await clock.advance(4000)
      server.append({})
    }
    await clock.advance(0)
    expect(texts()).to.deep.equal(eventTexts(1, 5))
    expect(client.snapshot.state).to.equal('live')
    expect(server.asked.length).to.equal(1)
  })

  it('doubts a stream that is silent for 5 s after it went offline, once', async () => {
    const { server, client, clock, states, reach } = rig()
    await reach('live')
    client.signal('offline')
    await clock.advance(4999)
    expect(server.asked.length).to.equal(1)
    await clock.advance(1)
    expect(server.asked.length).to.equal(2)
    expect(states.slice(states.indexOf('live'))).to.deep.equal(['live', 'offline', 'live'])
    await clock.advance(30_000)
    expect(client.snapshot.state).to.equal('live')
    expect(server.asked.length).to.equal(2)
  })

  it('is offline within 5 s when the wire is down and nothing says so', async () => {
    const { server, client, clock, reach } = rig()
    await reach('live')
    server.script.push(() => new Promise(() => {}))
    client.signal('offline')
    await clock.advance(5000)
    expect(client.snapshot.state).to.equal('offline')
  })

  it('tries every 20 s while offline, because the device may be wrong', async () => {
    const { server, client, clock, states, reach } = rig()
    await reach('live')
    client.signal('offline')
    server.script.push(unreachable, unreachable)
    server.cutAll()
    await clock.advance(0)
    for (const asked of [2, 3]) {
      expect(client.snapshot).to.include({ state: 'offline', retryAt: clock.now() + 20_000 })
      await clock.advance(19_999)
      expect(server.asked.length).to.equal(asked - 1)
      await clock.advance(1)
      expect(server.asked.length).to.equal(asked)
    }
    await clock.advance(20_000)
    expect(client.snapshot.state).to.equal('live')
    expect(states.slice(states.indexOf('live'))).to.deep.equal(['live', 'offline', 'live'])
  })

  it('tries at once when it starts offline', async () => {
    const { server, client, clock, reach } = rig()
    client.disconnect()
    server.script.push(unreachable)
    client.signal('offline')
    client.connect()
    await clock.advance(0)
    expect(client.snapshot.state).to.equal('offline')
    await reach('live')
    expect(client.snapshot.state).to.equal('live')
  })

  it('tries at once when a beat is answered while offline', async () => {
    const { server, client, clock, reach } = rig()
    await reach('live')
    client.signal('offline')
    server.cutAll()
    await clock.advance(1000)
    expect(client.snapshot.state).to.equal('offline')
    client.noteBeat(server.head)
    await clock.advance(0)
    expect(client.snapshot.state).to.equal('live')
  })

  it('goes offline also out of a wait', async () => {
    const { server, client, reach } = rig()
    server.script.push(() => new Response(null, { status: 500 }))
    await reach('waiting')
    const { retryAt } = client.snapshot
    client.signal('offline')
    expect(client.snapshot).to.include({ state: 'offline', retryAt })
    await reach('live')
  })

  it('does not call itself offline when the server answers that it must wait', async () => {
    const { server, client, clock } = rig()
    const busy = (): Response => new Response(null, { status: 503, headers: { 'retry-after': '60' } })
    server.script.push(busy)
    client.signal('offline')
    await clock.advance(0)
    expect(client.snapshot).to.include({ state: 'waiting', retryAt: clock.now() + 60_000 })
    for (let beat = 0; beat < 5; beat++) client.noteBeat(server.head)
    await clock.advance(59_999)
    expect(server.asked.length).to.equal(1)
  })

  it('lets its connection go when frozen, and goes on from its position when it wakes', async () => {
    const { server, client, clock, reach, texts } = rig()
    await reach('live')
    client.signal('freeze')
    server.append({})
    await clock.advance(60_000)
    expect(texts()).to.deep.equal([])
    expect(server.asked.length).to.equal(1)
    client.signal('resume')
    await reach('live')
    expect(texts()).to.deep.equal(['e1'])
    expect(server.asked.length).to.equal(2)
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
