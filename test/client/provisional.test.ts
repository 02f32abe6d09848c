import { expect } from '@open-wc/testing'
import type { ClientOptions, Shown } from '../../elements/client/index.ts'
import type { LoomiEvent } from '../../server/protocol.ts'
import { settle, until } from './support/fake-clock.ts'
import { frame, makeEvent, type ModelServer, provisionalFrame } from './support/model-server.ts'
import { eventTexts, rig, type Rig, serverWith } from './support/rig.ts'

const part = { part_id: 'r1/m/0' }
const told: string[] = []
/** Notes what is shown, the key with the new text. */
const beforeShow = ({ event, text }: Shown): void => void told.push(`${event.key} ${text}`)

/** A live view of a log with so many events. */
async function live(count: number, options: Partial<ClientOptions> = {}): Promise<Rig> {
  const opened = rig({ beforeShow, ...options }, serverWith(count))
  await opened.reach('live')
  told.length = 0
  return opened
}

/** Writes to all connections. */
async function write({ server, clock }: Rig, ...texts: string[]): Promise<void> {
  for (const held of server.held) held.write(texts.join(''))
  await clock.advance(0)
}

/** A stored event of another process, with the next seq. */
function foreign(server: ModelServer, event: Partial<LoomiEvent>): void {
  server.append({ run_id: 'r9', key: `r9/${server.rows.length + 1}`, ...event })
}

describe('RecoveryClient, events that are not stored yet', () => {
  it('shows them after the stored ones, live, without moving the position or what is displayed', async () => {
    const { server, client, clock, displayed, texts } = await live(2)
    server.showUnconfirmed({}, {})
    await clock.advance(0)
    expect(texts()).to.deep.equal(eventTexts(1, 4))
    const { items, position } = client.snapshot
    expect(items.slice(2).map(({ phase, seq, done }) => [phase, seq, done])).to.deep.equal([
      ['live', null, true],
      ['live', null, true],
    ])
    expect(position).to.equal(server.cursor(2))
    expect(displayed.at(-1)).to.equal(server.cursor(2))
    server.confirm(1)
    await clock.advance(0)
    expect(client.snapshot.position).to.equal(server.cursor(3))
    expect(displayed.at(-1)).to.equal(server.cursor(3))
    client.disconnect()
  })

  it('tells of each once, before it is stored, with no cursor', async () => {
    const cursors: unknown[] = []
    const { server, client, clock, texts } = await live(0, {
      beforeShow: (shown) => {
        cursors.push(shown.cursor)
        beforeShow(shown)
      },
    })
    server.showUnconfirmed(part, { ...part, part_done: true }, {})
    await clock.advance(0)
    const [before] = client.snapshot.items
    server.confirm()
    await clock.advance(0)
    expect(told).to.deep.equal(['r1/1 e1', 'r1/2 e2', 'r1/3 e3'])
    expect(cursors).to.deep.equal([null, null, null])
    expect(texts()).to.deep.equal(['e1e2', 'e3'])
    expect(client.snapshot.items.map(({ seq }) => seq)).to.deep.equal([1, 3])
    expect(client.snapshot.items[0]).to.deep.equal({ ...before, seq: 1 })
    client.disconnect()
  })

  it('puts what others stored meanwhile before them', async () => {
    const { server, client, clock, texts } = await live(1)
    server.showUnconfirmed({ event_data: 'mine' })
    foreign(server, { event_data: 'theirs' })
    await clock.advance(0)
    expect(texts()).to.deep.equal(['e1', 'theirs', 'mine'])
    server.confirm()
    await clock.advance(0)
    expect(texts()).to.deep.equal(['e1', 'theirs', 'mine'])
    expect(told).to.deep.equal(['r1/2 mine', 'r9/2 theirs'])
    client.disconnect()
  })

  it('never shortens or doubles a text whose stored deltas come in under those that are not', async () => {
    const opened = await live(0)
    const { server, client, clock, snapshots, texts } = opened
    // The store had taken the first two, but its answer was late.
    const [one, two] = [makeEvent(1, part), makeEvent(2, part)]
    server.unconfirmed = [one, two]
    const later = [3, 4, 5].map((n) => makeEvent(n, part))
    await write(opened, ...later.map(provisionalFrame))
    server.unconfirmed.push(...later)
    const { id } = client.snapshot.items[0]!
    expect(texts()).to.deep.equal(['e3e4e5'])
    const seen = snapshots.length
    for (const expected of ['e1e3e4e5', 'e1e2e3e4e5', 'e1e2e3e4e5', 'e1e2e3e4e5', 'e1e2e3e4e5']) {
      server.confirm(1)
      await clock.advance(0)
      expect(texts()).to.deep.equal([expected])
    }
    expect(new Set(snapshots.slice(seen).flatMap(({ items }) => items.map((item) => item.id)))).to.deep.equal(
      new Set([id]),
    )
    expect(told).to.deep.equal(['r1/3 e3', 'r1/4 e4', 'r1/5 e5', 'r1/1 e1', 'r1/2 e2'])
    client.disconnect()
  })

  it('says so when the log went on without what was shown', async () => {
    const { server, client, clock, notices, texts } = await live(0)
    server.showUnconfirmed(part, part, {})
    await clock.advance(0)
    // The first was stored in a log that is no more.
    server.unconfirmed.shift()
    server.confirm()
    await clock.advance(0)
    expect(texts()).to.deep.equal(['e2', 'e3'])
    expect(notices.filter(({ type }) => type === 'unsaved')).to.deep.equal([{ type: 'unsaved', count: 1 }])
    client.disconnect()
  })

  it('drops what is stored or there already, however often the server repeats it', async () => {
    const opened = await live(2)
    const { server, client, clock, reach, notices, texts } = opened
    server.showUnconfirmed({}, {})
    await write(opened, provisionalFrame(server.rows[1]!), ...server.unconfirmed.map(provisionalFrame))
    expect(texts()).to.deep.equal(eventTexts(1, 4))
    for (let round = 0; round < 3; round++) {
      server.cutAll()
      await reach('waiting')
      await reach('live')
      await clock.advance(0)
      expect(texts()).to.deep.equal(eventTexts(1, 4))
    }
    expect(told).to.deep.equal(['r1/3 e3', 'r1/4 e4'])
    expect(notices).to.not.deep.include({ type: 'unsaved', count: 2 })
    client.disconnect()
  })

  it('asks for rows one by one as long as it knows some by their keys alone', async () => {
    const { server, client, clock, reach } = await live(1)
    const merge = (): string | null => server.asked.at(-1)!.url.searchParams.get('merge')
    expect(merge()).to.equal('1')
    server.showUnconfirmed(part, part)
    await clock.advance(0)
    server.cutAll()
    await reach('waiting')
    server.confirm()
    await reach('live')
    expect(merge()).to.equal('0')
    await clock.advance(100)
    server.cutAll()
    await reach('waiting')
    await reach('live')
    expect(merge()).to.equal('1')
    client.disconnect()
  })

  it('finds out what joined rows stand for, and tells of what is new in them', async () => {
    const opened = await live(0)
    const { server, client, clock, texts } = opened
    const rows = [1, 2, 3, 4, 5].map((n) => makeEvent(n, part))
    await write(opened, ...rows.slice(1, 4).map(provisionalFrame))
    expect(texts()).to.deep.equal(['e2e3e4'])
    server.rows = rows
    const joined = { ...rows[0]!, type: 'event', event_data: 'e1e2e3', key: 'r1/3', from: 1 }
    await write(opened, frame(joined, server.cursor(3)))
    expect(texts()).to.deep.equal(['e1e2e3e4'])
    const more = { ...rows[3]!, type: 'event', event_data: 'e4e5', key: 'r1/5', from: 4 }
    await write(opened, frame(more, server.cursor(5)))
    await clock.advance(0)
    expect(texts()).to.deep.equal(['e1e2e3e4e5'])
    expect(told).to.deep.equal(['r1/2 e2', 'r1/3 e3', 'r1/4 e4', 'r1/3 e1', 'r1/5 e5'])
    expect([...client.snapshot.items].map(({ seq }) => seq)).to.deep.equal([1])
    client.disconnect()
  })

  it('lets a word about dropped events take the place of what it stands for', async () => {
    const { server, client, clock, texts, notices } = await live(0)
    server.showUnconfirmed({}, { event_data: 'b' }, { event_data: 'c' })
    await clock.advance(0)
    server.unconfirmed.splice(0, 2)
    const dropped = { event_type: 'loomi_dropped', content_type: 'loomi_dropped', event_data: { count: 2 } }
    server.append({ ...dropped, key: 'r1/2' })
    await clock.advance(0)
    expect(client.snapshot.items.map(({ event }) => event.content_type)).to.deep.equal([
      'loomi_dropped',
      'message',
    ])
    expect(texts()).to.deep.equal(['', 'c'])
    expect(told.at(-1)).to.equal('r1/2 ')
    expect(notices).to.deep.equal([])
    client.disconnect()
  })

  it('counts them for what runs and for what has ended', async () => {
    const { server, client, clock } = await live(0)
    const state = (): unknown[] => [client.snapshot.running, client.snapshot.items[0]?.done]
    server.showUnconfirmed(part)
    await clock.advance(0)
    expect(state()).to.deep.equal([true, false])
    server.confirm()
    server.showUnconfirmed({ event_type: 'run_end', content_type: 'complete', event_data: null })
    await clock.advance(0)
    expect(state()).to.deep.equal([false, true])
    server.restart()
    await clock.advance(1000)
    await clock.runUntil(() => client.snapshot.state === 'live')
    expect(state()).to.deep.equal([true, false])
    client.disconnect()
  })

  it('marks them as unseen while hidden, until they are seen', async () => {
    const { server, client, clock } = await live(0)
    client.signal('hidden')
    server.showUnconfirmed({})
    await clock.advance(0)
    server.confirm()
    await clock.advance(0)
    expect(client.snapshot.items[0]!.unseen).to.equal(true)
    client.signal('visible')
    expect(client.snapshot.items[0]!.unseen).to.equal(false)
    client.disconnect()
  })

  it('keeps out what beforeShow refuses, also once it is stored', async () => {
    const { server, client, clock, texts } = await live(0, { beforeShow: ({ text }) => text !== 'e2' })
    server.showUnconfirmed(part, part, part)
    await clock.advance(0)
    expect(texts()).to.deep.equal(['e1e3'])
    server.confirm(2)
    await clock.advance(0)
    expect(texts()).to.deep.equal(['e1e3'])
    server.confirm()
    await clock.advance(0)
    expect(texts()).to.deep.equal(['e1e3'])
    client.disconnect()
  })

  describe('that never will be', () => {
    it('are withdrawn and said so after the first catch-up from another process', async () => {
      const { server, client, clock, reach, notices, texts } = await live(1)
      server.showUnconfirmed(part, part, {}, {})
      await clock.advance(0)
      server.confirm(1)
      await clock.advance(0)
      server.restart()
      await reach('waiting')
      foreign(server, { event_data: 'theirs' })
      await reach('live')
      await clock.advance(100)
      expect(texts()).to.deep.equal(['e1', 'e2', 'theirs'])
      expect(notices.filter(({ type }) => type === 'unsaved')).to.deep.equal([{ type: 'unsaved', count: 3 }])
      const { id } = client.snapshot.items.at(-1)!
      expect(client.snapshot.unsaved).to.deep.equal([{ after: id, count: 3 }])
      client.disconnect()
    })

    it('are withdrawn also when nothing else came, and not before the catch-up has ended', async () => {
      const { server, client, clock, reach, notices, texts } = await live(1)
      server.showUnconfirmed({})
      await clock.advance(0)
      server.restart()
      await reach('waiting')
      expect(texts()).to.deep.equal(['e1', 'e2'])
      await reach('live')
      expect(texts()).to.deep.equal(['e1'])
      expect(notices.at(-1)).to.deep.equal({ type: 'unsaved', count: 1 })
      client.disconnect()
    })

    it('are not those that the other process had stored, or shows itself', async () => {
      const { server, client, clock, reach, notices, texts } = await live(1)
      server.showUnconfirmed({}, {}, {})
      await clock.advance(0)
      const [stored, shown] = server.unconfirmed
      server.restart()
      server.append(stored!)
      await reach('waiting')
      server.script.push((asked, signal) => {
        const answer = server.stream(asked, signal)
        for (const held of server.held) held.write(provisionalFrame(shown!))
        return answer
      })
      await reach('live')
      await clock.advance(100)
      // The third is gone, and the second came again after that.
      expect(texts()).to.deep.equal(['e1', 'e2', 'e3'])
      expect(notices.filter(({ type }) => type === 'unsaved')).to.deep.equal([{ type: 'unsaved', count: 2 }])
      client.disconnect()
    })

    it('are withdrawn by whatever ends the session', async () => {
      const { server, client, clock, reach, notices, texts } = await live(1)
      server.showUnconfirmed({})
      await clock.advance(0)
      server.append({ event_type: 'session_complete', key: 'r5/1', run_id: 'r5' })
      await reach('complete')
      expect(texts()).to.deep.equal(['e1'])
      expect(notices.at(-1)).to.deep.equal({ type: 'unsaved', count: 1 })
      expect(clock.pending).to.equal(0)
      client.disconnect()
    })

    it('go silently with an old log that is cleared, and are told of in one that is kept', async () => {
      for (const [onReset, expected] of [
        [() => true, []],
        [() => false, [{ type: 'unsaved', count: 1 }]],
      ] as const) {
        const { server, client, clock, reach, notices, texts } = await live(1, { onReset })
        server.showUnconfirmed({})
        await clock.advance(0)
        server.epoch = 'e2'
        server.rows = []
        server.append({ event_data: 'new' })
        server.restart(server.boot)
        await reach('waiting')
        await reach('live')
        await clock.advance(100)
        expect(texts()).to.deep.equal(onReset() ? ['new'] : ['e1', 'new'])
        expect(notices.filter(({ type }) => type === 'unsaved')).to.deep.equal(expected)
        client.disconnect()
      }
    })

    it('may be shown again when they are stored after all', async () => {
      const { server, client, clock, reach, texts } = await live(1)
      server.showUnconfirmed({})
      await clock.advance(0)
      const [late] = server.unconfirmed
      server.restart()
      await reach('waiting')
      await reach('live')
      server.append(late!)
      await clock.advance(0)
      expect(texts()).to.deep.equal(['e1', 'e2'])
      expect(client.snapshot.items[1]!.id).to.equal('r1/2')
      client.disconnect()
    })
  })

  describe('in several tabs', () => {
    let tabs: Rig[] = []
    let sessionId = ''
    let sessions = 0
    beforeEach(() => (sessionId = `provisional-${++sessions}`))
    afterEach(() => {
      for (const { client } of tabs) client.disconnect()
      tabs = []
    })
    async function tab(server: ModelServer, options: Partial<ClientOptions> = {}): Promise<Rig> {
      const opened = rig({ sessionId, shareTabs: true, instant: () => true, ...options }, server)
      tabs.push(opened)
      await until(() => ['replaying', 'live'].includes(opened.client.snapshot.state))
      return opened
    }
    async function allShow(texts: string[]): Promise<void> {
      await until(() => tabs.every((one) => one.texts().join() === texts.join()))
      await settle()
      for (const one of tabs) expect(one.texts()).to.deep.equal(texts)
    }
    const unsaved = ({ notices }: Rig): unknown[] => notices.filter(({ type }) => type === 'unsaved')

    it('are shown in each, also in one that is opened later, and confirmed in each', async () => {
      const server = serverWith(1)
      await tab(server)
      await tab(server)
      server.showUnconfirmed(part, part)
      await allShow(['e1', 'e2e3'])
      await tab(server)
      await allShow(['e1', 'e2e3'])
      server.showUnconfirmed(part)
      await allShow(['e1', 'e2e3e4'])
      server.confirm()
      await allShow(['e1', 'e2e3e4'])
      // The words are the same; that they have a place now reaches the other tabs a little later.
      await until(() => tabs.every(({ client }) => client.snapshot.items[1]!.seq === 2))
      expect(server.held.size).to.equal(1)
      expect(tabs.flatMap(unsaved)).to.deep.equal([])
    })

    it('are withdrawn in each when the leader meets another process', async () => {
      const server = serverWith(1)
      const first = await tab(server)
      await tab(server)
      server.showUnconfirmed({}, {})
      await allShow(eventTexts(1, 3))
      server.restart()
      await first.clock.advance(1000)
      await allShow(['e1'])
      for (const one of tabs) expect(unsaved(one)).to.deep.equal([{ type: 'unsaved', count: 2 }])
    })

    it('are withdrawn also in a tab that was opened while the leader replayed', async () => {
      const server = serverWith(3)
      const paced = { instant: () => false, replayMs: 1000, replayBudgetMs: 60_000 }
      const first = await tab(server, paced)
      expect(first.client.snapshot.state).to.equal('replaying')
      const second = await tab(server)
      await until(() => second.texts().length === 3)
      await first.clock.advance(5000)
      server.showUnconfirmed({})
      await allShow(eventTexts(1, 4))
      server.restart()
      await first.clock.advance(1000)
      await allShow(eventTexts(1, 3))
      expect(unsaved(second)).to.deep.equal([{ type: 'unsaved', count: 1 }])
    })

    it('stay when a follower’s own request is answered by another process', async () => {
      const server = serverWith(1)
      await tab(server)
      const second = await tab(server)
      server.showUnconfirmed({})
      await allShow(eventTexts(1, 2))
      server.boot = 'elsewhere'
      second.client.signal('visible')
      await until(() => server.asked.length === 3)
      await settle()
      await allShow(eventTexts(1, 2))
      expect(unsaved(second)).to.deep.equal([])
    })

    it('stay when the lead changes and the process does not', async () => {
      const server = serverWith(1)
      const first = await tab(server)
      const second = await tab(server)
      server.showUnconfirmed({})
      await allShow(eventTexts(1, 2))
      tabs = [second]
      first.client.disconnect()
      await until(() => server.held.size === 1 && second.client.snapshot.state === 'live')
      await allShow(eventTexts(1, 2))
      server.confirm()
      await allShow(eventTexts(1, 2))
      expect(unsaved(second)).to.deep.equal([])
    })

    it('are withdrawn in a tab that slept through the restart', async () => {
      const server = serverWith(1)
      const first = await tab(server)
      const second = await tab(server)
      server.showUnconfirmed({})
      await allShow(eventTexts(1, 2))
      second.client.signal('freeze')
      server.restart()
      await first.clock.advance(1000)
      await until(() => first.texts().join() === 'e1')
      server.showUnconfirmed({ event_data: 'again', key: 'r2/1', run_id: 'r2' })
      second.client.signal('resume')
      await allShow(['e1', 'again'])
      expect(unsaved(second)).to.deep.equal([{ type: 'unsaved', count: 1 }])
    })
  })
})
