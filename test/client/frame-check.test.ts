import { expect } from '@open-wc/testing'
import { checkTurn, compareCursors, parseFrame } from '../../elements/client/frames.ts'
import type { CursorParts } from '../../server/protocol.ts'

const at = (seq: number, epoch = 'e1'): CursorParts => ({ epoch, seq, tag: 'tttttt' })

describe('the frame check', () => {
  const table: [string, CursorParts | null, number, CursorParts, string][] = [
    ['takes the next event', at(4), 5, at(5), 'next'],
    ['drops what it has', at(4), 4, at(4), 'old'],
    ['drops what lies far behind', at(40), 3, at(3), 'old'],
    ['sees a hole', at(4), 6, at(6), 'hole'],
    ['takes joined events that follow', at(4), 5, at(9), 'next'],
    ['drops joined events that it has', at(9), 5, at(9), 'old'],
    ['fetches joined events that overlap', at(6), 5, at(9), 'hole'],
    ['sees a hole before joined events', at(4), 7, at(9), 'hole'],
    ['fetches when the epoch changes unannounced', at(4), 5, at(5, 'e2'), 'hole'],
    ['fetches when the epoch changes, also for a seq that it has', at(4), 2, at(2, 'e2'), 'hole'],
    ['begins with the first event', null, 1, at(1), 'next'],
    ['begins with joined first events', null, 1, at(3), 'next'],
    ['can not begin in the middle', null, 3, at(3), 'hole'],
    ['goes on from the start of a log', { epoch: 'e1', seq: 0, tag: null }, 1, at(1), 'next'],
    ['goes on from the cursor 0', { epoch: null, seq: 0, tag: null }, 1, at(1), 'next'],
  ]
  for (const [name, position, from, cursor, turn] of table) {
    it(name, () => expect(checkTurn(position, from, cursor)).to.equal(turn))
  }
})

describe('parseFrame', () => {
  const type = (data: string): string => parseFrame({ id: 'e1-1-aaaaaa', data }).frame.type

  it('reads what the wire knows', () => {
    expect(type('{"type":"gap","from":1,"to":2}')).to.equal('gap')
    expect(type('{"type":"superseded","reason":"too_many_streams"}')).to.equal('superseded')
  })

  it('makes everything else an unknown frame that keeps its place', () => {
    for (const data of [
      '{"type":"poll_vote"}',
      '{"type":"gap"}',
      '{"type":"event"}',
      'no json',
      'null',
      '7',
      '"gap"',
    ]) {
      const received = parseFrame({ id: 'e1-1-aaaaaa', data })
      expect(received.frame.type, data).to.equal('unknown')
      expect(received.at?.seq, data).to.equal(1)
    }
  })

  it('takes an id that is no cursor for none', () => {
    expect(parseFrame({ id: 'what?', data: '{"type":"unknown"}' }).cursor).to.equal(null)
  })
})

describe('compareCursors', () => {
  it('orders the cursors of one log and no others', () => {
    expect(compareCursors('e1-2-aaaaaa', 'e1-5-bbbbbb')).to.equal(-3)
    expect(compareCursors('e1-5-bbbbbb', 'e1-5-bbbbbb')).to.equal(0)
    expect(compareCursors('e2-5-bbbbbb', 'e1-2-aaaaaa')).to.equal(null)
    expect(compareCursors('nonsense', 'e1-2-aaaaaa')).to.equal(null)
  })
})
