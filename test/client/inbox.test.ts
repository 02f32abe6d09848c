import { expect } from '@open-wc/testing'
import type { RawFrame } from '../../elements/client/frames.ts'
import { parseFrame } from '../../elements/client/frames.ts'
import { Inbox } from '../../elements/client/inbox.ts'
import { View } from '../../elements/client/view.ts'
import { makeEvent } from './support/model-server.ts'

const raw = (id: string, data: object): RawFrame => ({ id, data: JSON.stringify(data) })
const event = (seq: number, epoch = 'e1'): RawFrame =>
  raw(`${epoch}-${seq}-aaaaaa`, { type: 'event', ...makeEvent(seq) })
const provisional = (seq: number): object => ({ type: 'event', ...makeEvent(seq), provisional: true })
const replayStart = (seq: number, missed: number): RawFrame => {
  const counts = { count: missed, missed, seen: seq, to: seq + missed }
  return raw(`e1-${seq}-aaaaaa`, { type: 'replay_start', reason: 'cursor_behind', ...counts, boot: 'b' })
}

const opening = (seq: number): RawFrame => {
  const cursor = seq === 0 ? 'e1-0' : `e1-${seq}-aaaaaa`
  return raw(cursor, { type: 'no_replay', cursor, seen: 0, count: 0, boot: 'b' })
}

function emptyView(): View {
  return new View(
    { visible: () => true, opened() {}, beforeShow: () => true, notice() {}, reset: () => true },
    true,
  )
}

/** A live view of the events 1 to `to`. */
function liveView(to: number): View {
  const view = emptyView()
  view.take(parseFrame(opening(0)))
  for (let seq = 1; seq <= to; seq++) view.take(parseFrame(event(seq)))
  return view
}
const seqs = (view: View): (number | null)[] => view.items.list.map(({ seq }) => seq)

describe('the inbox of a following tab', () => {
  it('hands over what fits and keeps what comes after a hole until that is filled', () => {
    const view = liveView(1)
    const inbox = new Inbox()
    inbox.add([event(1), event(2), event(4), event(5)], false)
    expect(inbox.drain(view)).to.equal('hole')
    expect(seqs(view)).to.deep.equal([1, 2])
    view.take(parseFrame(event(3)))
    expect(inbox.drain(view)).to.equal('go')
    expect(seqs(view)).to.deep.equal([1, 2, 3, 4, 5])
  })

  it('does not keep what is of another log: the catch-up tells which one counts', () => {
    const view = liveView(1)
    const inbox = new Inbox()
    inbox.add([event(7, 'e0'), event(2)], false)
    expect(inbox.drain(view)).to.equal('hole')
    expect(inbox.drain(view)).to.equal('go')
    expect(seqs(view)).to.deep.equal([1, 2])
  })

  it('does not keep an opening beyond the end of what the server has: that was of a log that was set back', () => {
    const view = liveView(2)
    const inbox = new Inbox()
    const opening = { type: 'no_replay', cursor: 'e1-4-bbbbbb', seen: 0, count: 0, boot: 'b' }
    inbox.add([raw('e1-4-bbbbbb', opening)], true)
    inbox.beginCatchUp()
    inbox.add([{ ...event(3), after: 'e1-2-aaaaaa' }], false)
    expect(inbox.drain(view)).to.equal('hole')
    expect(inbox.drain(view)).to.equal('go')
    expect(seqs(view)).to.deep.equal([1, 2, 3])
  })

  it('forgets what was heard of unstored events, and nothing else', () => {
    const view = liveView(1)
    const inbox = new Inbox()
    inbox.add([{ id: null, data: JSON.stringify(provisional(2)) }, event(2)], false)
    inbox.dropUnstored()
    inbox.add([{ id: null, data: JSON.stringify(provisional(3)) }], false)
    inbox.drain(view)
    expect(view.items.list.map(({ text, seq }) => [text, seq])).to.deep.equal([
      ['e1', 1],
      ['e2', 2],
      ['e3', null],
    ])
  })

  it('asks the server when the leader hears of a reset', () => {
    const view = liveView(2)
    const inbox = new Inbox()
    inbox.add([raw('e2-0', { type: 'reset', reason: 'epoch' })], false)
    expect(inbox.drain(view)).to.equal('hole')
    expect(seqs(view)).to.deep.equal([1, 2])
    expect(inbox.drain(view)).to.equal('go')
  })

  it('replays with a leader that was away, when both stand at the same place', () => {
    const view = liveView(2)
    const inbox = new Inbox()
    inbox.add([replayStart(2, 2), event(3)], false)
    inbox.drain(view)
    expect(view).to.include({ stage: 'replaying', missed: 2, caughtUp: 1 })
    expect(view.items.list.at(-1)!.phase).to.equal('replay')
  })

  it('takes no replay for its own that begins elsewhere or is none', () => {
    for (const [start, quiet] of [
      [replayStart(1, 3), false],
      [replayStart(2, 2), true],
    ] as const) {
      const view = liveView(2)
      const inbox = new Inbox()
      inbox.add([start, event(3)], quiet)
      inbox.drain(view)
      expect(view).to.include({ stage: 'live', missed: 0 })
      expect(view.items.list.at(-1)!.phase).to.equal('live')
    }
  })

  it('ends a replay that the lost connection of the leader left open', () => {
    const view = liveView(2)
    const inbox = new Inbox()
    inbox.add([replayStart(2, 2), event(3)], false)
    inbox.drain(view)
    inbox.add(
      [raw('e1-3-aaaaaa', { type: 'no_replay', cursor: 'e1-3-aaaaaa', seen: 3, count: 0, boot: 'b' })],
      false,
    )
    inbox.drain(view)
    expect(view).to.include({ stage: 'live', missed: 2, caughtUp: 2 })
  })

  it('takes back only what the leader’s process does not show, also when that was heard of first', () => {
    const view = liveView(1)
    const unstored = (seq: number): RawFrame => ({ id: null, data: JSON.stringify(provisional(seq)) })
    view.take(parseFrame(unstored(2)))
    view.loseTouch()
    const inbox = new Inbox()
    inbox.add([unstored(3)], false)
    inbox.drain(view)
    const opening = { type: 'no_replay', cursor: 'e1-1-aaaaaa', seen: 0, count: 0, boot: 'b2' }
    inbox.add([raw('e1-1-aaaaaa', opening), unstored(3), unstored(4)], true)
    expect(inbox.drain(view)).to.equal('go')
    expect(view.items.list.map(({ text }) => text)).to.deep.equal(['e1', 'e3', 'e4'])
    expect(view.unsaved).to.deep.equal([{ after: 'r1/1', count: 1 }])
  })

  it('shows nothing unstored from before a beginning that only the app knows, and asks anew when the leader has got there', () => {
    const view = emptyView()
    view.take(parseFrame(opening(5)))
    let asked = 0
    const inbox = new Inbox(() => asked++)
    const unstored = (seq: number, after: number): RawFrame => ({
      id: null,
      data: JSON.stringify(provisional(seq)),
      after: `e1-${after}-aaaaaa`,
    })
    inbox.add([unstored(5, 4), { ...event(5), after: 'e1-4-aaaaaa' }], false)
    expect(inbox.drain(view)).to.equal('go')
    expect([asked, view.items.list.length]).to.deep.equal([1, 0])
    inbox.add([opening(5), unstored(6, 5)], true)
    inbox.drain(view)
    expect(view.items.list.map(({ text }) => text)).to.deep.equal(['e6'])
    inbox.add([unstored(5, 4)], false)
    inbox.drain(view)
    expect([asked, view.items.list.length]).to.deep.equal([1, 1])
    // What tells that the leader has got there may have come during the request.
    inbox.drain(view, true)
    expect(asked).to.equal(2)
  })

  it('shows nothing unstored whose row it hears before it, though that is not its own to show', () => {
    const view = emptyView()
    view.take(parseFrame(opening(5)))
    const inbox = new Inbox()
    const unstored = { id: null, data: JSON.stringify(provisional(5)), after: 'e1-5-aaaaaa' }
    inbox.add([{ ...event(5), after: 'e1-4-aaaaaa' }, unstored], false)
    inbox.drain(view)
    expect(view.items.list).to.deep.equal([])
  })

  it('asks the server when all that the leader’s stream opens with ends before its own place', () => {
    for (const shorter of [replayStart(1, 1), opening(2)]) {
      const view = liveView(3)
      const inbox = new Inbox()
      inbox.add([shorter], false)
      expect(inbox.drain(view)).to.equal('hole')
      expect(inbox.drain(view)).to.equal('go')
    }
  })

  it('takes nothing back as long as it does not know which process shows it', () => {
    const view = liveView(1)
    view.take(parseFrame({ id: null, data: JSON.stringify(provisional(2)) }))
    view.loseTouch()
    const inbox = new Inbox()
    inbox.add([raw('e1-1-aaaaaa', { type: 'replay_complete', count: 1 })], false)
    expect(inbox.drain(view)).to.equal('go')
    expect(view.items.list.length).to.equal(2)
  })

  it('does not put rows of another log behind its own, though they fit by their numbers', () => {
    const view = liveView(2)
    const inbox = new Inbox()
    const restored = { ...event(3), after: 'e1-2-bbbbbb' }
    inbox.add([restored, { ...event(4), after: 'e1-3-aaaaaa' }], false)
    expect(inbox.drain(view)).to.equal('hole')
    expect(seqs(view)).to.deep.equal([1, 2])
    view.take(parseFrame(event(3)))
    expect(inbox.drain(view)).to.equal('go')
    expect(seqs(view)).to.deep.equal([1, 2, 3, 4])
  })

  it('asks the server when the leader has another row in the place of the newest', () => {
    const view = liveView(2)
    const inbox = new Inbox()
    inbox.add([{ ...raw('e1-2-bbbbbb', { type: 'event', ...makeEvent(2) }), after: 'e1-1-aaaaaa' }], false)
    expect(inbox.drain(view)).to.equal('hole')
    expect(inbox.drain(view)).to.equal('go')
  })

  it('hears from the leader that began after a gap what is still to be stored', () => {
    const view = liveView(1)
    view.take(parseFrame({ id: null, data: JSON.stringify(provisional(2)) }))
    const inbox = new Inbox()
    const gap = { ...raw('e1-3-000000', { type: 'gap', from: 2, to: 3 }), after: 'e1-1-aaaaaa' }
    const other = raw('e1-4-aaaaaa', { type: 'event', ...makeEvent(4, { run_id: 'r2' }) })
    inbox.add([gap, { ...other, after: 'e1-3-000000' }], false)
    expect(inbox.drain(view)).to.equal('hole')
    expect(view.position).to.equal('e1-3-000000')
    expect(inbox.drain(view)).to.equal('go')
    expect(view.items.list.length).to.equal(3)
    const opening = { type: 'no_replay', cursor: 'e1-4-aaaaaa', seen: 0, count: 0, boot: 'b' }
    inbox.add([raw('e1-4-aaaaaa', opening)], true)
    inbox.drain(view)
    expect(seqs(view)).to.deep.equal([1, 4])
  })

  it('keeps what is not stored, however much the leader has to tell', () => {
    const view = liveView(1)
    const inbox = new Inbox()
    const unstored = { id: null, data: JSON.stringify(provisional(5000)) }
    inbox.add([unstored, ...Array.from({ length: 1500 }, (_, index) => event(index + 3))], false)
    expect(inbox.drain(view)).to.equal('hole')
    expect(view.items.list.at(-1)!.seq).to.equal(null)
  })

  it('keeps what is not stored once, however often the leader’s stream begins anew behind a hole', () => {
    const view = liveView(1)
    const inbox = new Inbox()
    inbox.add([event(3)], false)
    for (let stream = 0; stream < 5; stream++) {
      inbox.add([opening(3)], false)
      for (let n = 4; n < 8; n++) inbox.add([{ id: null, data: JSON.stringify(provisional(n)) }], false)
      expect(inbox.drain(view)).to.equal('hole')
    }
    expect(inbox.size).to.be.lessThan(12)
  })

  it('shows nothing unstored of another log than its own, and asks anew', () => {
    let asked = 0
    const view = liveView(1)
    const inbox = new Inbox(() => asked++)
    inbox.add([{ id: null, data: JSON.stringify(provisional(2)), after: 'e0-7-aaaaaa' }], false)
    inbox.drain(view)
    expect(view.items.list.length).to.equal(1)
    inbox.drain(view, true)
    expect(asked).to.equal(1)
  })

  it('keeps the newest thousand frames and no more', () => {
    const view = liveView(1)
    const inbox = new Inbox()
    inbox.add(
      Array.from({ length: 1500 }, (_, index) => event(index + 2)),
      false,
    )
    expect(inbox.drain(view)).to.equal('hole')
    for (let seq = 2; seq <= 501; seq++) view.take(parseFrame(event(seq)))
    expect(inbox.drain(view)).to.equal('go')
    expect(view.items.list.length).to.equal(1501)
  })
})
