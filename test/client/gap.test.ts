import { expect } from '@open-wc/testing'
import { parseFrame, type RawFrame } from '../../elements/client/frames.ts'
import type { Notice } from '../../elements/client/index.ts'
import { View } from '../../elements/client/view.ts'
import { makeEvent } from './support/model-server.ts'
import { rig, serverWith } from './support/rig.ts'

const raw = (id: string | null, data: object): RawFrame => ({ id, data: JSON.stringify(data) })
const opening = (seq: number, boot = 'b'): RawFrame => {
  const cursor = seq === 0 ? 'e1-0' : `e1-${seq}-aaaaaa`
  return raw(cursor, { type: 'no_replay', cursor, seen: 0, count: 0, boot })
}
const event = (seq: number): RawFrame => raw(`e1-${seq}-aaaaaa`, { type: 'event', ...makeEvent(seq) })
const provisional = (seq: number): RawFrame =>
  raw(null, { type: 'event', ...makeEvent(seq), provisional: true })
const gap = (from: number, to: number): RawFrame => raw(`e1-${to}-000000`, { type: 'gap', from, to })

/** A view that has taken in the first row, and events 2 and 3 before they were stored. */
function viewWithTail(): { view: View; notices: Notice[]; take: (...frames: RawFrame[]) => string[] } {
  const notices: Notice[] = []
  const hooks = {
    visible: () => true,
    opened() {},
    beforeShow: () => true,
    notice: (notice: Notice) => void notices.push(notice),
    reset: () => true,
  }
  const view = new View(hooks, true)
  const take = (...frames: RawFrame[]): string[] => frames.map((frame) => view.take(parseFrame(frame)))
  take(opening(0), event(1), provisional(2), provisional(3))
  return { view, notices, take }
}
const texts = (view: View): string[] => view.items.list.map(({ text }) => text)

describe('a gap', () => {
  it('ends what was under way before it, whose own end may be among the rows that are gone', () => {
    const { view, take } = viewWithTail()
    const delta = { ...makeEvent(4), event_type: 'llm_chunk', part_id: 'r1/m/0', event_data: 'one ' }
    take(event(2), event(3), raw('e1-4-aaaaaa', { type: 'event', ...delta }))
    expect(view.items).to.include({ running: true })
    expect(view.items.list.at(-1)).to.include({ text: 'one ', done: false })
    take(gap(5, 7))
    expect(view.items).to.include({ running: false })
    expect(view.items.list.at(-1)).to.include({ text: 'one ', done: true })
    take(raw('e1-8-aaaaaa', { type: 'event', ...makeEvent(8), ...delta, key: 'r1/8', event_data: 'four' }))
    expect(view.items).to.include({ running: true })
    expect(view.items.list.at(-1)).to.include({ text: 'one four' })
  })
})

describe('a gap while events are shown that are not stored', () => {
  it('asks for a stream that begins after it, and lets go of what that one does not bring again', () => {
    const { view, notices, take } = viewWithTail()
    expect(take(gap(2, 2))).to.deep.equal(['hole'])
    expect(texts(view)).to.deep.equal(['e1', 'e2', 'e3'])
    view.begin(false)
    take(opening(2), provisional(3))
    expect(texts(view)).to.deep.equal(['e1', 'e3'])
    take(event(3))
    expect(texts(view)).to.deep.equal(['e1', 'e3'])
    expect(view.items.unconfirmed.size).to.equal(0)
    expect(notices.map(({ type }) => type)).to.deep.equal(['gap'])
  })

  it('keeps what such a stream brings again before its catch-up is over', () => {
    const { view, take } = viewWithTail()
    take(gap(2, 2))
    view.begin(false)
    const counts = { count: 1, missed: 0, seen: 3, to: 3, boot: 'b' }
    take(raw('e1-2-000000', { type: 'replay_start', reason: 'cursor_behind', ...counts }), provisional(3))
    take(raw('e1-3-bbbbbb', { type: 'event', ...makeEvent(3, { run_id: 'r2' }) }))
    take(raw('e1-3-bbbbbb', { type: 'replay_complete', count: 1 }))
    expect(view.items.list.map(({ id }) => id)).to.deep.equal(['r1/1', 'r2/3', 'r1/3'])
  })

  it('believes nobody who began before it', () => {
    const { view, take } = viewWithTail()
    take(gap(2, 4))
    take(opening(1), provisional(2), provisional(4))
    expect(texts(view)).to.deep.equal(['e1', 'e2', 'e3', 'e4'])
    take(opening(4))
    expect(texts(view)).to.deep.equal(['e1'])
  })

  it('says of another process that its events could not be saved', () => {
    const { view, notices, take } = viewWithTail()
    take(gap(2, 2))
    view.begin(false)
    take(opening(2, 'b2'))
    expect(texts(view)).to.deep.equal(['e1'])
    expect(notices.at(-1)).to.deep.equal({ type: 'unsaved', count: 2 })
  })

  it('comes right by itself when rows are pruned before they are read', async () => {
    const { server, client, clock, reach, texts, notices } = rig({}, serverWith(1))
    await reach('live')
    server.showUnconfirmed({}, {}, {})
    await clock.advance(0)
    expect(texts()).to.deep.equal(['e1', 'e2', 'e3', 'e4'])
    server.prunedTo = 3
    server.confirm(2)
    await clock.advance(1000)
    expect(client.snapshot.gaps).to.deep.equal([[2, 3]])
    expect(texts()).to.deep.equal(['e1', 'e4'])
    server.confirm()
    await clock.advance(1000)
    expect(client.snapshot.items.map(({ text, seq }) => [text, seq])).to.deep.equal([
      ['e1', 1],
      ['e4', 4],
    ])
    expect(notices.filter(({ type }) => type === 'unsaved')).to.deep.equal([])
    client.disconnect()
  })
})
