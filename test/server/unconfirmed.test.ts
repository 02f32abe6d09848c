import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SessionRef } from '../../server/store.ts'
import { Unconfirmed } from '../../server/unconfirmed.ts'
import { newEvent, REF } from './support.ts'

describe('the discards of what is unconfirmed', () => {
  it('are told apart, and a session without one has none', () => {
    const unconfirmed = new Unconfirmed(() => undefined)
    assert.equal(unconfirmed.discards(REF), 0)
    unconfirmed.discard(REF)
    const first = unconfirmed.discards(REF)
    assert.equal(unconfirmed.discards({ ...REF, sessionId: 'other' }), 0)
    unconfirmed.discard(REF)
    assert.ok(unconfirmed.discards(REF) > first && first > 0)
  })

  it('are never taken back, however many sessions have one', () => {
    const unconfirmed = new Unconfirmed(() => undefined)
    unconfirmed.discard(REF)
    let last = unconfirmed.discards(REF)
    for (let i = 0; i < 30_000; i++) {
      const ref = { ...REF, sessionId: `${i}` }
      const before = unconfirmed.discards(ref)
      unconfirmed.discard(ref)
      assert.ok(unconfirmed.discards(ref) > before)
      assert.ok(unconfirmed.discards(REF) >= last)
      last = unconfirmed.discards(REF)
    }
  })

  it('come before it is forgotten in which log something was confirmed', () => {
    const unconfirmed = new Unconfirmed(() => undefined)
    const head = { epoch: 'e', head: 1, headKey: 'r/1', closedSeq: null }
    const named = (k: number): SessionRef => ({ ...REF, sessionId: `${k}` })
    for (let k = 0; k <= 10_000; k++) {
      unconfirmed.publish(named(k), [{ of: {}, event: newEvent(1) }])
      unconfirmed.confirmIn(named(k), head)
    }
    assert.deepEqual([unconfirmed.confirmedIn(named(0)), unconfirmed.confirmedIn(named(1))], [null, head])
    assert.ok(unconfirmed.discards(named(0)) > 0)
    assert.equal(unconfirmed.discards(named(1)), 0)
  })
})
