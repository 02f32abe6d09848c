import { expect } from '@open-wc/testing'
import { frame, hold, ModelServer } from './support/model-server.ts'
import { eventTexts, rig, serverWith } from './support/rig.ts'

/** A server whose frames come byte by byte. */
function serverOfBytes(): ModelServer {
  const server = new ModelServer()
  server.pieceBytes = () => 1
  return server
}

describe('RecoveryClient, what it shows', () => {
  it('is live before the session exists and shows its first event as live', async () => {
    const { server, client, clock, reach, texts, notices } = rig()
    await reach('live')
    expect(client.snapshot.position).to.equal(null)
    server.append({})
    await clock.advance(0)
    expect(texts()).to.deep.equal(['e1'])
    expect(client.snapshot.items[0]!.phase).to.equal('live')
    expect(client.snapshot.position).to.equal(server.cursor(1))
    expect(notices).to.deep.equal([])
  })

  it('restores what was seen at once and without an indicator', async () => {
    const server = serverWith(20)
    server.pieceBytes = () => 300
    const { client, reach, snapshots, notices, clock } = rig(
      { getSeen: () => Promise.resolve(server.head) },
      server,
    )
    const began = clock.now()
    await reach('live')
    expect(clock.now()).to.equal(began)
    expect(client.snapshot.items.map(({ phase }) => phase)).to.deep.equal(
      Array.from({ length: 20 }, () => 'restored'),
    )
    expect(new Set(snapshots.map(({ items }) => items.length))).to.deep.equal(new Set([0, 20]))
    expect(client.snapshot.missed).to.equal(0)
    expect(notices).to.deep.equal([])
  })

  it('does not keep restored events back for more than a second when they come slowly', async () => {
    const server = serverWith(2)
    server.script.push((asked, signal) => {
      const { response, held } = hold(signal)
      held.write(frame({ type: 'no_replay', cursor: 'e1-0', seen: 2, count: 2, boot: 'b' }, 'e1-0'))
      held.write(frame({ type: 'event', ...server.rows[0]! }, server.cursor(1)))
      return response
    })
    const { clock, texts, states } = rig({ getSeen: () => Promise.resolve(server.head) }, server)
    await clock.advance(999)
    expect(texts()).to.deep.equal([])
    expect(states.at(-1)).to.equal('replaying')
    await clock.advance(1)
    expect(texts()).to.deep.equal(['e1'])
  })

  it('paces what was missed and says so, start to end', async () => {
    const server = serverWith(6)
    const { client, clock, states, notices, texts, reach } = rig(
      { getSeen: () => Promise.resolve(server.cursor(2)) },
      server,
    )
    await reach('replaying')
    await clock.advance(0)
    expect(texts()).to.deep.equal(eventTexts(1, 3))
    expect(client.snapshot).to.include({ missed: 4, caughtUp: 1 })
    await clock.advance(50)
    expect(client.snapshot.caughtUp).to.equal(2)
    expect(notices).to.deep.equal([{ type: 'replay', phase: 'start', missed: 4 }])
    server.append({})
    await clock.advance(100)
    expect(texts()).to.deep.equal(eventTexts(1, 7))
    expect(client.snapshot.items.map(({ phase }) => phase[2]).join('')).to.equal('ssppppv')
    expect(client.snapshot).to.include({ state: 'live', missed: 4, caughtUp: 4 })
    expect(notices[1]).to.deep.equal({ type: 'replay', phase: 'end', missed: 4 })
    expect(states).to.deep.equal(['connecting', 'replaying', 'live'])
  })

  it('shows the rest at once when asked to, when hidden, and where motion is not wanted', async () => {
    const seen = { getSeen: () => Promise.resolve('e1-0') }
    const asked = rig(seen, serverWith(9))
    await asked.clock.advance(100)
    expect(asked.texts().length).to.equal(3)
    asked.client.showAll()
    await asked.clock.advance(0)
    expect(asked.client.snapshot).to.include({ state: 'live', caughtUp: 9 })

    const hidden = rig(seen, serverWith(9))
    await hidden.clock.advance(100)
    hidden.client.signal('hidden')
    await hidden.clock.advance(0)
    expect(hidden.client.snapshot).to.include({ state: 'live', caughtUp: 9 })

    const still = rig({ ...seen, instant: () => true }, serverWith(9))
    await still.clock.advance(0)
    expect(still.client.snapshot).to.include({ state: 'live', caughtUp: 9 })
  })

  it('paces the next replay when asked for all while it merely restores', async () => {
    const server = serverWith(3)
    const { client, clock, reach, texts } = rig({ getSeen: () => Promise.resolve(server.head) }, server)
    const end = client.subscribe(() => client.snapshot.state === 'replaying' && client.showAll())
    await reach('live')
    end()
    server.cutAll()
    await reach('waiting')
    server.append({}, {}, {}, {})
    await reach('replaying')
    await clock.advance(50)
    expect(texts()).to.deep.equal(eventTexts(1, 5))
    expect(client.snapshot).to.include({ missed: 4, caughtUp: 2 })
  })

  it('continues the count of a replay that was interrupted', async () => {
    const { server, client, clock, notices, reach } = rig(
      { getSeen: () => Promise.resolve('e1-0') },
      serverWith(9),
    )
    server.merges = false
    server.cutAfter = () => 1500
    await reach('waiting')
    expect(client.snapshot.caughtUp).to.be.within(1, 8)
    server.cutAfter = () => Infinity
    await reach('live')
    await clock.advance(0)
    expect(client.snapshot).to.include({ missed: 9, caughtUp: 9 })
    expect(notices).to.deep.equal([
      { type: 'replay', phase: 'start', missed: 9 },
      { type: 'replay', phase: 'end', missed: 9 },
    ])
  })

  it('joins deltas, whether they come joined or one by one, and across a reconnect', async () => {
    const part = { part_id: 'r1/0/0' }
    const { server, client, clock, texts, reach } = rig()
    server.append(part, part)
    await reach('live')
    server.append(part)
    await clock.advance(0)
    server.cutAll()
    server.append(
      part,
      { ...part, part_done: true },
      { event_type: 'run_end', content_type: 'complete', event_data: null },
    )
    await reach('waiting')
    expect(client.snapshot.running).to.equal(true)
    await reach('live')
    expect(texts()).to.deep.equal(['e1e2e3e4e5', ''])
    expect(client.snapshot.items[0]!.done).to.equal(true)
    expect(client.snapshot.running).to.equal(false)
  })

  it('fetches the last rows of a replay when its end comes without them', async () => {
    const server = serverWith(3)
    server.script.push((asked, signal) => {
      const { response, held } = hold(signal)
      held.write(frame({ type: 'no_replay', cursor: 'e1-0', seen: 3, count: 3, boot: 'b' }, 'e1-0'))
      held.write(frame({ type: 'event', ...server.rows[0]! }, server.cursor(1)))
      held.write(frame({ type: 'replay_complete', count: 3 }, server.cursor(3)))
      return response
    })
    const { reach, texts } = rig({ getSeen: () => Promise.resolve(server.head) }, server)
    await reach('live')
    expect(texts()).to.deep.equal(eventTexts(1, 3))
    expect(server.asked[1]!.headers.get('last-event-id')).to.equal(server.cursor(1))
  })

  it('is complete when the session is closed, with everything shown', async () => {
    const { server, client, clock, reach, texts } = rig()
    await reach('live')
    server.append({}, { event_type: 'session_complete' })
    await reach('complete')
    expect(texts()).to.deep.equal(['e1'])
    expect(client.snapshot.position).to.equal(server.cursor(2))
    await clock.advance(60_000)
    expect(server.asked.length).to.equal(1)
  })

  it('notes what was pruned and goes on after it', async () => {
    const server = serverWith(5)
    server.prunedTo = 3
    const { client, reach, texts, notices } = rig({ getSeen: () => Promise.resolve(server.head) }, server)
    await reach('live')
    expect(texts()).to.deep.equal(['e4', 'e5'])
    expect(client.snapshot.gaps).to.deep.equal([[1, 3]])
    expect(notices).to.deep.equal([{ type: 'gap', from: 1, to: 3 }])
  })

  it('lets frames pass that it does not know, and honours their place', async () => {
    const { server, client, clock, reach, texts } = rig({}, serverWith(1))
    await reach('live')
    for (const held of server.held) {
      held.write(frame({ type: 'weather' }, null))
      held.write('data: not even json\n\n')
      held.write(frame({ ...server.rows[0]!, type: 'event' }, null))
      held.write(frame({ type: 'weather' }, 'e1-2-bbbbbb'))
      held.write(frame({ ...server.rows[0]!, type: 'event', key: 'r1/3', event_data: 'e3' }, 'e1-3-cccccc'))
    }
    await clock.advance(0)
    expect(texts()).to.deep.equal(['e1', 'e3'])
    expect(client.snapshot.position).to.equal('e1-3-cccccc')
    expect(server.asked.length).to.equal(1)
  })

  it('reads frames whatever the pieces they come in', async () => {
    const { server, clock, reach, client } = rig({}, serverOfBytes())
    await reach('live')
    const text = frame({ ...serverWith(1).rows[0]!, type: 'event', event_data: 'naïve 🚆 ﬁn' }, 'e1-1-aaaaaa')
    for (const held of server.held) held.write(text)
    await clock.advance(0)
    expect(client.snapshot.items[0]!.text).to.equal('naïve 🚆 ﬁn')
  })
})
