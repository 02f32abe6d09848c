import { expect } from '@open-wc/testing'
import { Items, type Placed } from '../../elements/client/items.ts'
import type { Shown } from '../../elements/client/types.ts'
import type { LoomiEvent } from '../../server/protocol.ts'
import { makeEvent } from './support/model-server.ts'

const placed = (seq: number, event: Partial<LoomiEvent> = {}, more: Partial<Placed> = {}): Placed => ({
  event: makeEvent(seq, event),
  cursor: `e1-${seq}-aaaaaa`,
  seq,
  phase: 'live',
  unseen: false,
  ...more,
})
const show = (): boolean => true

function filled(...events: Partial<LoomiEvent>[]): Items {
  const items = new Items()
  events.forEach((event, index) => items.add(placed(index + 1, event), show))
  return items
}

describe('Items', () => {
  it('grows one item from the deltas of a part, also when others come between', () => {
    const { list } = filled({ part_id: 'p' }, {}, { part_id: 'p' }, { part_id: 'p', part_done: true })
    expect(list.map(({ id, text, done }) => [id, text, done])).to.deep.equal([
      ['p', 'e1e3e4', true],
      ['r1/2', 'e2', true],
    ])
    expect(list[0]!.event.event_data).to.equal('e1')
  })

  it('closes the open parts of a run that ends, and no others', () => {
    const end = { event_type: 'run_end', content_type: 'failed', event_data: null }
    const { list } = filled({ part_id: 'p' }, { part_id: 'q', run_id: 'r2' }, end)
    expect(list.map(({ id, done }) => [id, done])).to.deep.equal([
      ['p', true],
      ['q', false],
      ['r1/3', true],
    ])
  })

  it('keeps a list that somebody holds as it was', () => {
    const items = filled({ part_id: 'p' })
    const before = items.list
    items.add(placed(2, { part_id: 'p' }), show)
    expect(before.map(({ text }) => text)).to.deep.equal(['e1'])
    expect(items.list).to.not.equal(before)
    expect(items.list).to.equal(items.list)
  })

  it('is running while the newest run that did something has no end', () => {
    const items = filled({ event_type: 'user_message', content_type: 'user', run_id: 'u1' })
    expect(items.running).to.equal(false)
    items.add(placed(2, { run_id: 'r1' }), show)
    expect(items.running).to.equal(true)
    items.add(placed(3, { run_id: 'r2' }), show)
    items.add(placed(4, { run_id: 'r1', event_type: 'run_end' }), show)
    expect(items.running).to.equal(true)
    items.add(placed(5, { run_id: 'r2', event_type: 'run_end' }), show)
    expect(items.running).to.equal(false)
  })

  it('is running again when a producer takes up a run that had ended', () => {
    const items = filled({ part_id: 'p' }, { event_type: 'run_end', content_type: 'interrupted' })
    expect(items.running).to.equal(false)
    items.add(placed(3, { part_id: 'p' }), show)
    expect(items.running).to.equal(true)
    expect(items.list[0]!.text).to.equal('e1e3')
    items.add(placed(4, { event_type: 'run_end', content_type: 'complete' }), show)
    expect(items.running).to.equal(false)
  })

  it('leaves out what beforeShow refuses, but tells it all the text of the part', () => {
    const items = new Items()
    const told: string[] = []
    const answers = [false, true, false, true]
    for (const [index, answer] of answers.entries()) {
      const refuse = ({ text, item }: Shown): boolean => {
        told.push(`${text} of ${item.text}`)
        return answer
      }
      items.add(placed(index + 1, { part_id: 'p' }), refuse)
    }
    expect(told).to.deep.equal(['e1 of e1', 'e2 of e1e2', 'e3 of e1e2e3', 'e4 of e1e2e3e4'])
    expect(items.list.map(({ text }) => text)).to.deep.equal(['e2e4'])
  })

  it('marks as unseen what came or grew out of sight, until it is seen', () => {
    const items = filled({ part_id: 'p' }, {})
    items.add(placed(3, { part_id: 'p' }, { unseen: true }), show)
    items.add(placed(4, {}, { unseen: true }), show)
    expect(items.list.map(({ unseen }) => unseen)).to.deep.equal([true, false, true])
    items.see()
    expect(items.list.map(({ unseen }) => unseen)).to.deep.equal([false, false, false])
  })

  it('is empty once it is cleared, also of a part that was still open', () => {
    const items = filled({ part_id: 'p' }, {})
    items.clear()
    expect(items.list).to.deep.equal([])
    items.add(placed(1, { part_id: 'p' }), show)
    expect(items.list.map(({ id, text, done }) => [id, text, done])).to.deep.equal([['p', 'e1', false]])
  })

  it('gives ids that come back in another log a new name, and lets no old part grow', () => {
    const items = filled({ part_id: 'p' }, {})
    items.detach()
    items.add(placed(1, { part_id: 'p' }), show)
    items.add(placed(2), show)
    const ids = items.list.map(({ id }) => id)
    expect(new Set(ids).size).to.equal(4)
    expect(items.list.map(({ text, done }) => [text, done])).to.deep.equal([
      ['e1', true],
      ['e2', true],
      ['e1', false],
      ['e2', true],
    ])
  })
})
