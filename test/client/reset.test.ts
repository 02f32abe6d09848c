import { expect } from '@open-wc/testing'
import { frame } from './support/model-server.ts'
import { rig, serverWith } from './support/rig.ts'

describe('RecoveryClient, when the log begins again', () => {
  it('clears and refills a restoring view', async () => {
    const reasons: string[] = []
    const { server, client, reach, texts, clock } = rig(
      { onReset: (reason) => void reasons.push(reason) },
      serverWith(3),
    )
    await reach('live')
    server.epoch = 'e2'
    server.rows.length = 2
    server.cutAll()
    await reach('waiting')
    await reach('live')
    await clock.advance(100)
    expect(reasons).to.deep.equal(['epoch'])
    expect(texts()).to.deep.equal(['e1', 'e2'])
    expect(client.snapshot.position).to.equal(server.cursor(2))
    expect(new Set(client.snapshot.items.map(({ id }) => id)).size).to.equal(2)
  })

  for (const [name, options] of [
    ['keeps what is shown when the app says so', { onReset: () => false }],
    ['keeps what is shown without history', { history: 'none', after: 'e1-0' }],
  ] as const) {
    it(`${name}, and goes on at the new start`, async () => {
      const { server, client, reach, texts, clock } = rig(options, serverWith(3))
      await reach('live')
      server.epoch = 'e2'
      server.rows.length = 1
      server.cutAll()
      await reach('waiting')
      await reach('live')
      server.append({})
      await clock.advance(100)
      expect(texts()).to.deep.equal(['e1', 'e2', 'e3', 'e1', 'e2'])
      expect(new Set(client.snapshot.items.map(({ id }) => id)).size).to.equal(5)
    })
  }

  it('begins again with what is displayed, also in an older copy of the same log', async () => {
    const told: [string, boolean][] = []
    const options = {
      getSeen: async () => 'e1-3-aaaaaa',
      onDisplayed: (cursor: string, restarts: boolean) => void told.push([cursor, restarts]),
    }
    const { server, reach, clock } = rig(options, serverWith(5))
    await reach('live')
    server.rows.length = 2
    server.cutAll()
    await reach('waiting')
    await reach('live')
    await clock.advance(1000)
    server.append({})
    await clock.advance(0)
    const [last] = told.filter(([, restarts]) => restarts)
    expect(told.slice(told.indexOf(last!)).map(([cursor]) => cursor)).to.include(server.cursor(3))
    expect(told.at(-1)).to.deep.equal([server.cursor(3), false])
    expect(told.filter(([, restarts]) => restarts).length).to.equal(1)
    server.cutAll()
    await reach('waiting')
    await reach('live')
    expect(server.asked.at(-1)!.url.searchParams.get('seen')).to.equal(server.cursor(3))
  })

  it('takes a reset in the middle of a stream', async () => {
    const { server, client, clock, reach, texts } = rig({}, serverWith(2))
    await reach('live')
    for (const held of server.held) {
      held.write(frame({ type: 'reset', reason: 'tag' }, 'e1-0'))
      held.write(frame({ type: 'no_replay', cursor: 'e1-0', seen: 0, count: 0, boot: 'b' }, 'e1-0'))
      held.write(frame({ ...server.rows[0]!, type: 'event', event_data: 'new', key: 'r9/1' }, 'e1-1-zzzzzz'))
    }
    await clock.advance(0)
    expect(texts()).to.deep.equal(['new'])
    expect(client.snapshot.state).to.equal('live')
  })

  it('asks again when the epoch changes without a word', async () => {
    const { server, clock, reach } = rig({}, serverWith(2))
    await reach('live')
    for (const held of server.held) held.write(frame({ ...server.rows[0]!, type: 'event' }, 'e7-3-zzzzzz'))
    await clock.advance(0)
    expect(server.asked.length).to.equal(2)
    expect(server.asked[1]!.headers.get('last-event-id')).to.equal(server.cursor(2))
  })

  it('starts over when a proxy that strips Last-Event-ID hides that the log is another', async () => {
    const { server, reach, texts, clock } = rig({}, serverWith(3))
    await reach('live')
    server.epoch = 'e2'
    server.rows.length = 1
    server.script.push((asked, signal) => {
      asked.headers.delete('last-event-id')
      return server.stream(asked, signal)
    })
    server.cutAll()
    await reach('waiting')
    await reach('live')
    await clock.advance(100)
    expect(texts()).to.deep.equal(['e1'])
    expect(server.asked.length).to.equal(2)
  })
})
