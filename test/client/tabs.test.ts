import { expect } from '@open-wc/testing'
import type { ClientOptions } from '../../elements/client/index.ts'
import { ANSWER_MS } from '../../elements/client/tabs.ts'
import { settle, until } from './support/fake-clock.ts'
import { frame, type ModelServer } from './support/model-server.ts'
import { eventTexts, rig, type Rig, serverWith } from './support/rig.ts'

let sessions = 0

describe('RecoveryClient in several tabs', () => {
  let open: Rig[] = []
  let sessionId: string
  let name: string
  beforeEach(() => {
    sessionId = `tabs-${++sessions}`
    name = JSON.stringify(['loomi', '/api/loomi', 'ada', sessionId])
  })
  afterEach(() => {
    for (const { client } of open) client.disconnect()
    open = []
  })

  /** Opens a tab and waits until it is live. */
  async function tab(server: ModelServer, options: Partial<ClientOptions> = {}): Promise<Rig> {
    const opened = rig({ sessionId, shareTabs: true, ...options, instant: () => true }, server)
    open.push(opened)
    await until(() => opened.client.snapshot.state === 'live')
    return opened
  }

  /** Waits until all show just this. */
  async function allShow(texts: string[], ...tabs: Rig[]): Promise<void> {
    await until(() => tabs.every((one) => one.texts().join() === texts.join()))
    await settle()
    for (const one of tabs) expect(one.texts()).to.deep.equal(texts)
  }

  it('holds one connection and shows everything in each tab', async () => {
    const server = serverWith(3)
    const first = await tab(server)
    const second = await tab(server)
    server.append({}, {})
    await allShow(eventTexts(1, 5), first, second)
    expect(server.held.size).to.equal(1)
    expect(server.asked.map(({ url }) => url.searchParams.get('follow'))).to.deep.equal([null, '0'])
    expect(second.client.snapshot.items.at(-1)!.phase).to.equal('live')
    expect(second.client.snapshot.state).to.equal('live')
  })

  it('lets another tab lead when the leader leaves, without loss', async () => {
    const server = serverWith(1)
    const first = await tab(server)
    const second = await tab(server)
    const third = await tab(server)
    server.append({})
    await allShow(eventTexts(1, 2), first, second, third)
    first.client.disconnect()
    server.append({})
    await until(() => server.held.size === 1 && second.client.snapshot.state === 'live')
    server.append({})
    await allShow(eventTexts(1, 4), second, third)
    expect(first.texts()).to.deep.equal(eventTexts(1, 2))
    expect(server.held.size).to.equal(1)
    const streams = server.asked.filter(({ url }) => url.searchParams.get('follow') === null)
    expect(streams.length).to.equal(2)
    expect(streams[1]!.headers.get('last-event-id')).to.equal(server.cursor(2))
  })

  it('lets another tab lead when the leader is frozen, and brings it back as a follower', async () => {
    const server = serverWith(1)
    const first = await tab(server)
    const second = await tab(server)
    first.client.signal('freeze')
    await until(() => server.held.size === 1 && second.client.snapshot.state === 'live')
    server.append({})
    await allShow(eventTexts(1, 2), second)
    expect(first.client.snapshot.state).to.equal('waiting')
    expect(first.texts()).to.deep.equal(['e1'])
    first.client.signal('resume')
    await allShow(eventTexts(1, 2), first)
    expect(first.client.snapshot.items[1]!.phase).to.equal('replay')
    server.append({})
    await allShow(eventTexts(1, 3), first, second)
    expect(server.held.size).to.equal(1)
  })

  it('gives no frozen tab the lead', async () => {
    const server = serverWith(1)
    const first = await tab(server)
    const second = await tab(server)
    const third = await tab(server)
    second.client.signal('freeze')
    await settle()
    const { pending } = await navigator.locks.query()
    expect(pending!.filter((lock) => lock.name === name).length).to.equal(1)
    first.client.disconnect()
    server.append({})
    await allShow(eventTexts(1, 2), third)
    expect(second.texts()).to.deep.equal(['e1'])
  })

  it('takes the lead from one that does not answer', async () => {
    const server = serverWith(1)
    let stolen = false
    const holder = navigator.locks.request(name, () => new Promise(() => {})).catch(() => (stolen = true))
    const only = await tab(server)
    expect(server.held.size).to.equal(0)
    await only.clock.advance(ANSWER_MS - 1)
    // Another tab that asks is no answer.
    const channel = new BroadcastChannel(name)
    channel.postMessage({ type: 'hello', look: true })
    await settle()
    channel.close()
    expect(stolen).to.equal(false)
    await only.clock.advance(1)
    await until(() => server.held.size === 1)
    await holder
    expect(stolen).to.equal(true)
    server.append({})
    await allShow(eventTexts(1, 2), only)
  })

  it('makes a leader follow that lost its lead', async () => {
    const server = serverWith(1)
    const first = await tab(server)
    let release: (() => void) | undefined
    const thief = navigator.locks.request(
      name,
      { steal: true },
      () => new Promise<void>((resolve) => (release = resolve)),
    )
    await until(() => server.asked.at(-1)!.url.searchParams.get('follow') === '0' && release !== undefined)
    await until(() => first.client.snapshot.state === 'live')
    expect(server.held.size).to.equal(0)
    release?.()
    await thief
    await until(() => server.held.size === 1)
    server.append({})
    await allShow(eventTexts(1, 2), first)
  })

  it('fetches what the channel left out', async () => {
    const server = serverWith(1)
    const first = await tab(server)
    const second = await tab(server)
    const more = serverWith(4).rows.slice(1)
    server.rows.push(...more)
    const channel = new BroadcastChannel(name)
    channel.postMessage({
      type: 'frames',
      frames: [{ id: server.cursor(4), data: JSON.stringify({ type: 'event', ...more[2] }) }],
      quiet: false,
    })
    await allShow(eventTexts(1, 4), second)
    channel.close()
    expect(second.states.slice(second.states.indexOf('live'))).to.deep.equal(['live'])
    server.append({})
    await allShow(eventTexts(1, 5), first, second)
  })

  it('takes nothing in any more when a callback disconnects a follower', async () => {
    const server = serverWith(1)
    await tab(server)
    const second: Rig = await tab(server, {
      beforeShow: ({ text }) => {
        if (text === 'e2') second.client.disconnect()
      },
    })
    server.append({}, {}, {})
    await until(() => second.client.snapshot.state === 'idle')
    await settle()
    expect(second.texts()).to.deep.equal(['e1', 'e2'])
  })

  it('lets messages pass that it does not know', async () => {
    const server = serverWith(1)
    const first = await tab(server)
    const second = await tab(server)
    const channel = new BroadcastChannel(name)
    channel.postMessage({ type: 'weather' })
    await settle()
    channel.close()
    server.append({})
    await allShow(eventTexts(1, 2), first, second)
  })

  it('shows in each tab that the one connection is lost, and what was missed when it is back', async () => {
    const server = serverWith(1)
    const first = await tab(server)
    const second = await tab(server)
    server.cutAll()
    await until(() => second.client.snapshot.state === 'waiting')
    expect(second.client.snapshot.retryAt).to.equal(first.client.snapshot.retryAt)
    server.append({}, {})
    await first.clock.advance(500)
    await allShow(eventTexts(1, 3), first, second)
    await until(() => second.client.snapshot.state === 'live')
    for (const { client, notices } of [first, second]) {
      expect(client.snapshot).to.include({ state: 'live', missed: 2, caughtUp: 2 })
      expect(notices.slice(-2)).to.deep.equal([
        { type: 'replay', phase: 'start', missed: 2 },
        { type: 'replay', phase: 'end', missed: 2 },
      ])
    }
    expect(server.asked.length).to.equal(3)
  })

  it('asks for itself when a beat or a look doubts the leader', async () => {
    const server = serverWith(1)
    await tab(server)
    const second = await tab(server)
    server.rows.push(...serverWith(3).rows.slice(1))
    second.client.noteBeat(server.head)
    second.client.noteBeat(server.head)
    await allShow(eventTexts(1, 3), second)
    server.rows.push(...serverWith(4).rows.slice(3))
    second.client.signal('visible')
    await allShow(eventTexts(1, 4), second)
    expect(server.asked.slice(2).map(({ url }) => url.searchParams.get('after'))).to.deep.equal([
      server.cursor(1),
      server.cursor(3),
    ])
  })

  it('a look wakes a leader that waits', async () => {
    const server = serverWith(1)
    const first = await tab(server)
    const second = await tab(server)
    for (const held of server.held)
      held.write(frame({ type: 'superseded', reason: 'too_many_streams' }, null))
    await until(() => second.client.snapshot.state === 'waiting')
    expect(first.client.snapshot.error?.code).to.equal('superseded')
    second.client.signal('visible')
    await until(() => first.client.snapshot.state === 'live' && second.client.snapshot.state === 'live')
    expect(server.held.size).to.equal(1)
  })

  it('is complete in each tab', async () => {
    const server = serverWith(1)
    const tabs = [await tab(server), await tab(server)]
    server.append({}, { event_type: 'session_complete' })
    await until(() => tabs.every(({ client }) => client.snapshot.state === 'complete'))
    for (const { texts, clock } of tabs) {
      expect(texts()).to.deep.equal(['e1', 'e2'])
      expect(clock.pending).to.equal(0)
    }
  })

  it('clears each tab when the log begins again', async () => {
    const server = serverWith(3)
    const tabs = [await tab(server), await tab(server)] as const
    server.epoch = 'e2'
    server.rows.length = 1
    server.cutAll()
    await until(() => tabs[1].client.snapshot.state === 'waiting')
    await tabs[0].clock.advance(500)
    await allShow(['e1'], ...tabs)
    await until(() => tabs.every(({ client }) => client.snapshot.position === server.head))
    server.append({})
    await allShow(['e1', 'e2'], ...tabs)
  })

  it('does not mix sessions or users', async () => {
    const server = serverWith(1)
    await tab(server)
    await tab(server, { userId: 'eve' })
    expect(server.held.size).to.equal(2)
  })

  it('does not mix users and sessions whose ids read alike when put together', async () => {
    const ours = serverWith(1)
    const theirs = serverWith(1)
    const one = await tab(ours, { userId: 'a', sessionId: `b:${sessionId}` })
    const other = await tab(theirs, { userId: 'a:b', sessionId })
    expect([ours.held.size, theirs.held.size]).to.deep.equal([1, 1])
    ours.append({ event_data: 'private' })
    await allShow(['e1', 'private'], one)
    expect(other.texts()).to.deep.equal(['e1'])
  })

  it('shares nothing between tabs that do not name their user: their credentials may be of two', async () => {
    const ours = serverWith(1)
    const theirs = serverWith(0)
    const anonymous = { userId: undefined } as unknown as ClientOptions
    const one = await tab(ours, { ...anonymous, getToken: () => 'ada' })
    const other = await tab(theirs, { ...anonymous, getToken: () => 'eve' })
    expect([ours.held.size, theirs.held.size]).to.deep.equal([1, 1])
    ours.append({ event_data: 'private' })
    await allShow(['e1', 'private'], one)
    expect(other.texts()).to.deep.equal([])
  })

  it('lets a follower that is told to be offline take what the leader brings', async () => {
    const server = serverWith(1)
    const tabs = [await tab(server), await tab(server)] as const
    tabs[1].client.signal('offline')
    server.append({})
    await allShow(eventTexts(1, 2), ...tabs)
    expect(tabs[1].client.snapshot.state).to.equal('live')
  })

  it('connects each tab by itself where locks are missing', async () => {
    const server = serverWith(1)
    Object.defineProperty(navigator, 'locks', { value: undefined, configurable: true })
    try {
      const tabs = [await tab(server), await tab(server)]
      expect(server.held.size).to.equal(2)
      server.append({})
      await allShow(['e1', 'e2'], ...tabs)
    } finally {
      delete (navigator as { locks?: unknown }).locks
    }
  })
})
