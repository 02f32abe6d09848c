import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Item, Shown } from '../../elements/client/index.ts'
import { formatCursor } from '../../server/protocol.ts'
import { keyOf } from '../../server/store.ts'
import { newEvent } from '../server/support.ts'
import { noVerdict, Truth } from './truth.ts'

const EPOCH = 'epoch'
const ROWS = [
  newEvent(1, { part_id: 'r/m/0', event_data: '"one "' }),
  newEvent(2, { part_id: 'r/m/0', event_data: '"two "', part_done: true }),
  newEvent(3),
  newEvent(4),
].map(({ first_n: _, first_i: __, ...row }, i) => ({ ...row, seq: i + 1 }))
const truth = new Truth(EPOCH, ROWS)
const ITEMS = truth.bubbles as readonly Item[]

function show(seq: number, text = JSON.parse(ROWS[seq - 1]!.event_data) as string): Shown {
  const key = keyOf(ROWS[seq - 1]!)
  return { cursor: formatCursor(EPOCH, seq, key), event: { key }, text } as Shown
}

describe('the comparison of a view with the log', () => {
  it('finds nothing wrong with a view that showed every event once', () => {
    assert.deepEqual(
      truth.judge(
        [1, 2, 3, 4].map((seq) => show(seq)),
        ITEMS,
      ),
      noVerdict(),
    )
  })

  it('finds nothing wrong with joined deltas', () => {
    assert.deepEqual(truth.judge([show(2, 'one two '), show(3), show(4)], ITEMS), noVerdict())
  })

  it('counts what was lost, also from within a part', () => {
    assert.equal(truth.judge([show(2), show(3)], ITEMS).lost, 2)
  })

  it('counts what was shown twice, also within joined deltas', () => {
    assert.equal(truth.judge([show(1), show(2, 'one two '), show(3), show(3), show(4)], ITEMS).duplicated, 2)
  })

  it('counts what came late', () => {
    assert.equal(truth.judge([show(1), show(2), show(4), show(3)], ITEMS).reordered, 1)
  })

  it('tells of an event that the log does not have, and of a wrong text', () => {
    const foreign = { ...show(3), cursor: formatCursor(EPOCH, 3, 'other/3') }
    assert.equal(truth.judge([show(1), show(2), foreign, show(4)], ITEMS).wrong.length, 1)
    assert.equal(truth.judge([show(1), show(2), show(3, 'else'), show(4)], ITEMS).wrong.length, 1)
  })

  it('tells of items that differ from the log although every event was shown', () => {
    const items = ITEMS.map((item, i) => (i === 0 ? { ...item, done: false } : item))
    assert.equal(
      truth.judge(
        [1, 2, 3, 4].map((seq) => show(seq)),
        items,
      ).wrong.length,
      1,
    )
  })
})
