import { expect } from '@open-wc/testing'
import { settle, until } from './support/fake-clock.ts'
import { frame, hold, makeEvent, type ModelServer } from './support/model-server.ts'
import { eventTexts, rig, type Rig, serverWith } from './support/rig.ts'

type Answer = (signal: AbortSignal | null | undefined) => Response | Promise<Response>

interface Pair {
  readonly server: ModelServer
  readonly leader: Rig
  readonly follower: Rig
  readonly name: string
  /** What the follower's own requests get; null: what the server says. */
  answer: Answer | null
}

let sessions = 0
const down = (): Response => new Response(null, { status: 503 })

describe('a following tab whose own requests fail', () => {
  let pair: Pair
  afterEach(() => {
    for (const { client } of [pair.leader, pair.follower]) client.disconnect()
  })

  /** Two live tabs of a session with so many events. */
  async function open(count: number): Promise<Pair> {
    const sessionId = `waiting-${++sessions}`
    const server = serverWith(count)
    const options = { sessionId, shareTabs: true, instant: () => true }
    const leader = rig(options, server)
    await until(() => leader.client.snapshot.state === 'live')
    const fetch: typeof globalThis.fetch = async (input, init) =>
      pair.answer ? pair.answer(init?.signal) : server.fetch(input, init)
    const name = JSON.stringify(['loomi', '/api/loomi', 'ada', sessionId])
    pair = { server, leader, follower: undefined as never, name, answer: null }
    const follower = rig({ ...options, fetch }, server)
    pair = { ...pair, follower }
    await until(() => follower.client.snapshot.state === 'live')
    return pair
  }

  /** The follower asks for itself. */
  async function ask(answer: Answer): Promise<void> {
    pair.answer = answer
    pair.follower.client.signal('visible')
    await until(() => pair.follower.client.snapshot.state === 'waiting')
  }

  /** The leader's connection breaks, something happens, and it comes back. */
  async function reconnect(meanwhile: () => void): Promise<void> {
    const { server, leader } = pair
    server.cutAll()
    await until(() => leader.client.snapshot.state === 'waiting')
    meanwhile()
    await leader.clock.advance(2000)
    await until(() => leader.client.snapshot.state === 'live')
  }

  it('shows what the leader brings, for as long as they fail', async () => {
    const { server, follower } = await open(1)
    await ask(down)
    server.showUnconfirmed({})
    await until(() => follower.texts().length === 2)
    for (let k = 0; k < 5; k++) await follower.clock.advance(20_000)
    expect(follower.client.snapshot.attempt).to.be.greaterThan(3)
    server.confirm()
    server.append({})
    server.showUnconfirmed({})
    await until(() => follower.texts().length === 4)
    expect(follower.texts()).to.deep.equal(eventTexts(1, 4))
  })

  it('asks the leader once what is not stored, though its answer leads to the same hole', async () => {
    const { server, follower, name } = await open(1)
    server.showUnconfirmed({ run_id: 'r2' })
    await until(() => follower.texts().length === 2)
    await ask(down)
    const more = serverWith(3).rows.slice(1)
    server.rows.push(...more)
    const channel = new BroadcastChannel(name)
    let asked = 0
    channel.addEventListener('message', ({ data }: MessageEvent<{ type: string }>) => {
      if (data.type === 'hello') asked++
    })
    const data = JSON.stringify({ type: 'event', ...more[1] })
    channel.postMessage({ type: 'frames', frames: [{ id: server.cursor(3), data }], quiet: false })
    // Each question and answer takes one of these.
    for (let k = 0; k < 10; k++) await settle()
    channel.close()
    expect(asked).to.be.lessThan(5)
  })

  it('takes the leader’s replay in, however it is cut up', async () => {
    const { server, follower } = await open(1)
    await ask(() => new Response(null, { status: 429, headers: { 'retry-after': '120' } }))
    server.pieceBytes = () => 200
    await reconnect(() => server.append({}, {}))
    server.append({}, {})
    await until(() => follower.texts().length === 5)
    expect(follower.texts()).to.deep.equal(eventTexts(1, 5))
    expect(follower.client.snapshot.state).to.equal('waiting')
  })

  for (const how of ['is another one', 'was set back'])
    it(`shows what is not stored when it hears at last that the log ${how}`, async () => {
      const { server, leader, follower } = await open(3)
      await ask(down)
      await reconnect(() => {
        if (how === 'is another one') server.epoch = 'e2'
        server.rows.length = 1
        server.unconfirmed = [makeEvent(2, { run_id: 'r2', event_data: 'new' })]
      })
      await until(() => leader.texts().join() === 'e1,new')
      await settle()
      pair.answer = null
      await follower.clock.advance(1000)
      await until(() => follower.texts().join() === 'e1,new')
      server.confirm()
      server.append({ run_id: 'r2', key: 'r2/3', event_data: 'newer' })
      await until(() => follower.texts().length === 3)
      expect(follower.texts()).to.deep.equal(['e1', 'new', 'newer'])
    })

  for (const how of ['is another one', 'was set back'])
    it(`shows nothing unconfirmed of before when it hears at last that the log ${how}`, async () => {
      const { server, leader, follower } = await open(2)
      const url = new URL(`http://m/?follow=0&merge=1&after=${server.cursor(2)}`)
      let answer: (() => void) | null = null
      pair.answer = (signal) =>
        new Promise((resolve) => {
          answer = () => resolve(server.stream({ url, headers: new Headers() }, signal))
        })
      follower.client.signal('visible')
      await until(() => answer !== null)
      server.showUnconfirmed({ run_id: 'r2', event_data: 'ghost' })
      await until(() => leader.texts().length === 3)
      server.confirm()
      await settle()
      await reconnect(() => {
        if (how === 'is another one') server.epoch = 'e2'
        server.rows.length = 1
      })
      await until(() => leader.texts().join() === 'e1')
      pair.answer = null
      answer!()
      await until(() => follower.texts().join() === 'e1')
      server.append({ run_id: 'r3', key: 'r3/1', event_data: 'new' })
      await until(() => follower.texts().length === 2)
      await settle()
      expect(follower.texts()).to.deep.equal(['e1', 'new'])
    })

  it('does not take an answer that says nothing for all there is', async () => {
    const { server, follower, name } = await open(1)
    const headers = { 'content-type': 'text/event-stream' }
    pair.answer = () => new Response(': the log does not answer yet\n\n', { headers })
    const more = serverWith(3).rows.slice(1)
    server.rows.push(...more)
    const channel = new BroadcastChannel(name)
    const data = JSON.stringify({ type: 'event', ...more[1] })
    channel.postMessage({ type: 'frames', frames: [{ id: server.cursor(3), data }], quiet: false })
    await until(() => follower.client.snapshot.state === 'waiting')
    channel.close()
    pair.answer = null
    await follower.clock.advance(30_000)
    await until(() => follower.texts().length === 3)
    expect(follower.texts()).to.deep.equal(eventTexts(1, 3))
  })

  it('shows what came while its own request was under way that ends superseded', async () => {
    const { server, leader, follower } = await open(1)
    const { response, held } = hold(null)
    let isAsked = false
    pair.answer = () => {
      isAsked = true
      return response
    }
    follower.client.signal('visible')
    await until(() => isAsked)
    server.append({})
    await until(() => leader.texts().length === 2)
    await settle()
    held.write(frame({ type: 'superseded', reason: 'too_many_streams' }, null))
    held.end()
    await until(() => follower.texts().length === 2)
    expect(follower.client.snapshot.state).to.equal('waiting')
  })
})
