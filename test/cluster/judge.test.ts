import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Item, Shown } from '../../elements/client/index.ts'
import { formatCursor } from '../../server/protocol.ts'
import { keyOf } from '../../server/store.ts'
import { newEvent } from '../server/support.ts'
import { noVerdict, Truth, type Verdict } from '../wire/truth.ts'
import { judge, type Judged } from './judge.ts'

const EPOCH = 'epoch'
const ROWS = [1, 2, 3].map((n) => {
  const { first_n: _, first_i: __, ...row } = newEvent(n)
  return { ...row, seq: n }
})
const truth = new Truth(EPOCH, ROWS)

function show(seq: number, isStored = true): Shown {
  const key = keyOf(ROWS[seq - 1]!)
  return { cursor: isStored ? formatCursor(EPOCH, seq, key) : null, event: { key } } as Shown
}

function verdictOn(shown: Shown[], withdrawals: Judged['withdrawals'] = []): Verdict {
  const sum = noVerdict()
  const items = truth.bubbles as readonly Item[]
  judge({ shown, withdrawals, complaints: [], snapshot: { items } }, truth, sum)
  return sum
}

describe('the judgement of a view that shows events before they are stored', () => {
  it('finds nothing wrong with what was shown once, stored or not', () => {
    assert.deepEqual(verdictOn([show(1), show(2, false), show(3)]), noVerdict())
  })

  it('lets come again what was withdrawn with a word', () => {
    const shown = [show(1), show(2, false), show(3, false), show(2), show(3)]
    assert.deepEqual(verdictOn(shown, [{ at: 3, count: 2 }]), noVerdict())
    assert.equal(verdictOn(shown).duplicated, 2)
  })

  it('counts what came again before the word, oftener than it says, or was stored', () => {
    const shown = [show(1), show(2, false), show(3, false), show(2), show(3)]
    assert.equal(verdictOn(shown, [{ at: 4, count: 2 }]).duplicated, 1)
    assert.equal(verdictOn(shown, [{ at: 3, count: 1 }]).duplicated, 1)
    assert.equal(verdictOn([show(1), show(1), show(2), show(3)], [{ at: 1, count: 1 }]).duplicated, 1)
  })

  it('counts what came late', () => {
    assert.equal(verdictOn([show(1), show(3), show(2)]).reordered, 1)
  })
})
