import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { decideReplay, type ReplayDecision, type ReplayInput } from '../../server/replay-decision.ts'
import { SEED } from './support.ts'

const HERE = (seq: number): ReplayInput['mark'] => ({ seq, pending: false })
const AWAY = (seq: number): ReplayInput['mark'] => ({ seq, pending: true })
/** Somebody never seen, without a cursor, on a log of twenty rows. */
const NOBODY: ReplayInput = { cursor: null, head: 20, displayed: null, mark: null, pileUp: 10 }

const none = (start: number, seen: number): ReplayDecision => ({ start, seen, missed: 0, reason: null })

const TABLE: { name: string; input: Partial<ReplayInput>; expected: ReplayDecision }[] = [
  // With a cursor the rows after it follow.
  {
    name: 'a cursor in the middle',
    input: { cursor: 15 },
    expected: { start: 15, seen: 15, missed: 5, reason: 'cursor_behind' },
  },
  {
    name: 'a cursor one row behind, however small the pile',
    input: { cursor: 19, mark: HERE(20) },
    expected: { start: 19, seen: 19, missed: 1, reason: 'cursor_behind' },
  },
  { name: 'a cursor at the head', input: { cursor: 20 }, expected: none(20, 20) },
  {
    name: 'a cursor at the head and a pending mark',
    input: { cursor: 20, mark: AWAY(5) },
    expected: none(20, 20),
  },
  {
    name: 'the cursor 0 of somebody never seen',
    input: { cursor: 0 },
    expected: { start: 0, seen: 0, missed: 20, reason: 'first_visit' },
  },
  {
    name: 'the cursor 0 of somebody known by beats alone',
    input: { cursor: 0, mark: HERE(12) },
    expected: { start: 0, seen: 0, missed: 20, reason: 'cursor_behind' },
  },
  {
    name: 'the cursor 0 and a displayed place: history is restored, the rest was missed',
    input: { cursor: 0, displayed: 12 },
    expected: { start: 0, seen: 12, missed: 8, reason: 'cursor_behind' },
  },
  {
    name: 'the cursor 0 with everything displayed: all is restored, nothing was missed',
    input: { cursor: 0, displayed: 20 },
    expected: none(0, 20),
  },
  {
    name: 'a cursor behind the displayed place',
    input: { cursor: 8, displayed: 12 },
    expected: { start: 8, seen: 12, missed: 8, reason: 'cursor_behind' },
  },
  {
    name: 'a cursor beyond the displayed place, as a hidden tab has it',
    input: { cursor: 15, displayed: 12 },
    expected: { start: 15, seen: 12, missed: 5, reason: 'cursor_behind' },
  },
  { name: 'the cursor 0 of an empty log', input: { cursor: 0, head: 0 }, expected: none(0, 0) },
  // Without a cursor: the displayed place.
  {
    name: 'a displayed place and a small pile while present',
    input: { displayed: 15, mark: HERE(20) },
    expected: none(15, 20),
  },
  {
    name: 'a displayed place and exactly ten rows',
    input: { displayed: 10, mark: HERE(20) },
    expected: none(10, 20),
  },
  {
    name: 'a displayed place and eleven rows',
    input: { displayed: 9, mark: HERE(20) },
    expected: { start: 9, seen: 9, missed: 11, reason: 'too_many_unreplayed' },
  },
  {
    name: 'a displayed place and an absence with events after it',
    input: { displayed: 15, mark: AWAY(17) },
    expected: { start: 15, seen: 15, missed: 5, reason: 'has_disconnect_events' },
  },
  {
    name: 'a displayed place after the mark of an absence, events after both',
    input: { displayed: 18, mark: AWAY(12) },
    expected: { start: 18, seen: 18, missed: 2, reason: 'has_disconnect_events' },
  },
  {
    name: 'a displayed place at the head though the mark of an absence is behind',
    input: { displayed: 20, mark: AWAY(12) },
    expected: none(20, 20),
  },
  {
    name: 'an absence without an event in it, and a small pile from before',
    input: { displayed: 15, mark: AWAY(20) },
    expected: none(15, 20),
  },
  {
    name: 'an absence without an event in it, and a large pile from before',
    input: { displayed: 5, mark: AWAY(20) },
    expected: { start: 5, seen: 5, missed: 15, reason: 'too_many_unreplayed' },
  },
  {
    name: 'a displayed place without any mark',
    input: { displayed: 19 },
    expected: none(19, 20),
  },
  { name: 'a displayed place beyond the head', input: { displayed: 25 }, expected: none(20, 20) },
  // Without a cursor and a displayed place: the mark.
  { name: 'a mark at the head', input: { mark: HERE(20) }, expected: none(20, 20) },
  { name: 'a mark and ten rows', input: { mark: HERE(10) }, expected: none(10, 20) },
  {
    name: 'a mark and eleven rows',
    input: { mark: HERE(9) },
    expected: { start: 9, seen: 9, missed: 11, reason: 'too_many_unreplayed' },
  },
  {
    name: 'a pending mark and one row after it',
    input: { mark: AWAY(19) },
    expected: { start: 19, seen: 19, missed: 1, reason: 'has_disconnect_events' },
  },
  {
    name: 'a pending mark and many rows: the absence is the reason',
    input: { mark: AWAY(2) },
    expected: { start: 2, seen: 2, missed: 18, reason: 'has_disconnect_events' },
  },
  { name: 'a pending mark at the head', input: { mark: AWAY(20) }, expected: none(20, 20) },
  {
    name: 'a mark from before the first event, few rows',
    input: { mark: HERE(0), head: 3 },
    expected: none(0, 3),
  },
  // pileUp is an option.
  { name: 'three rows at pileUp 3', input: { mark: HERE(17), pileUp: 3 }, expected: none(17, 20) },
  {
    name: 'four rows at pileUp 3',
    input: { mark: HERE(16), pileUp: 3 },
    expected: { start: 16, seen: 16, missed: 4, reason: 'too_many_unreplayed' },
  },
  {
    name: 'one row at pileUp 0',
    input: { mark: HERE(19), pileUp: 0 },
    expected: { start: 19, seen: 19, missed: 1, reason: 'too_many_unreplayed' },
  },
  // Never seen.
  { name: 'nobody known', input: {}, expected: { start: 0, seen: 0, missed: 20, reason: 'first_visit' } },
  {
    name: 'nobody known and a single row',
    input: { head: 1 },
    expected: { start: 0, seen: 0, missed: 1, reason: 'first_visit' },
  },
  { name: 'nobody known and an empty log', input: { head: 0 }, expected: none(0, 0) },
]

describe('the replay decision', () => {
  for (const { name, input, expected } of TABLE) {
    it(name, () => assert.deepEqual(decideReplay({ ...NOBODY, ...input }), expected))
  }

  const seq = fc.nat(40)
  const inputs: fc.Arbitrary<ReplayInput> = fc.record({
    cursor: fc.option(seq),
    head: fc.constant(40),
    displayed: fc.option(seq),
    mark: fc.option(fc.record({ seq, pending: fc.boolean() })),
    pileUp: fc.nat(15),
  })

  it('never begins beyond a cursor, never says more missed than follow, and gives a reason exactly then', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const { start, seen, missed, reason } = decideReplay(input)
        if (input.cursor !== null) assert.equal(start, input.cursor)
        else if (input.displayed !== null) assert.equal(start, input.displayed)
        assert.ok(missed >= 0 && missed <= input.head - start)
        assert.equal(missed, Math.max(0, input.head - Math.max(start, seen)))
        assert.equal(reason !== null, missed > 0)
      }),
      SEED,
    )
  })
})
