import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EventType, type Message } from '@ag-ui/core'
import fc from 'fast-check'
import { agUi } from '../../server/adapters/ag-ui.ts'
import { textOf } from '../../server/protocol.ts'
import { EVENTS, messageId, read, run, short, told, toolCallId } from './ag-ui-events.ts'
import { SEED, TIMES } from './support.ts'

const snapshot = (...messages: Message[]): unknown => ({ type: EventType.MESSAGES_SNAPSHOT, messages })
const user: Message = { id: 'u1', role: 'user', content: 'Hi' }

describe('a snapshot of all messages', () => {
  const call = { id: 'c1', type: 'function' as const, function: { name: 'find', arguments: '{"q":1}' } }
  const answer: Message = { id: messageId, role: 'assistant', content: 'aaa', toolCalls: [call] }
  const content = EVENTS.TEXT_MESSAGE_CONTENT
  const whole = { ...content, delta: 'aaa' }

  it('tells the answer when nothing else did', () => {
    const thought: Message = { id: 'm0', role: 'reasoning', content: 'b' }
    assert.deepEqual(short(snapshot(user, thought, answer)), [
      'thought m0/0 "b"',
      'thought m0/0 "" end',
      'message m1/0 "aaa"',
      'message m1/0 "" end',
      'tool_call  {"id":"c1","name":"find","input":{"q":1}}',
    ])
  })

  it('tells what the deltas did not, and nothing twice', () => {
    const texts = (...events: unknown[]): string =>
      read(events)
        .drafts.map((d) => (d.part ? textOf(d.event_data ?? null) : ''))
        .join('')
    assert.equal(texts(content, snapshot(user, answer)), 'aaa')
    assert.equal(texts(whole, snapshot(user, answer), snapshot(user, answer)), 'aaa')
    assert.equal(texts(whole, snapshot(user, { ...answer, id: 'another' })), 'aaa')
    assert.equal(texts(whole, snapshot(user, { ...answer, content: 'edited' })), 'aaa')
    const calls = told(EVENTS.TOOL_CALL_CHUNK, snapshot(user, answer)).filter((event) =>
      JSON.stringify(event).includes('tool_call'),
    )
    assert.equal(calls.length, 1)
  })

  it('tells nothing of what may be from another run', () => {
    const result: Message = { id: 'm3', role: 'tool', toolCallId, content: 'found' }
    const started = { ...EVENTS.RUN_STARTED, input: { ...run, messages: [user, answer] } }
    for (const events of [
      [snapshot(answer, user)],
      [snapshot(user, answer, result)],
      [started, snapshot(user, answer)],
    ])
      assert.deepEqual(told(...events), [])
  })
})

describe('any AG-UI stream', () => {
  it('has its texts in the log to the letter', () => {
    const unit = fc.integer({ min: 0, max: 0xff_ff }).map((code) => String.fromCharCode(code))
    const event = fc.record({
      verb: fc.constantFrom('START', 'CONTENT', 'CONTENT', 'CONTENT', 'END', 'CHUNK'),
      family: fc.constantFrom('TEXT_MESSAGE', 'REASONING_MESSAGE'),
      messageId: fc.constantFrom('a', 'a/b', 'a_b', 'x'.repeat(90), `${'x'.repeat(90)}y`),
      delta: fc.string({ unit, maxLength: 4 }),
    })
    fc.assert(
      fc.property(fc.array(event), (events) => {
        const { drafts } = read(
          events.map(({ family, verb, ...fields }) => ({ type: `${family}_${verb}`, ...fields })),
        )
        for (const [family, kind] of [
          ['TEXT_MESSAGE', 'message'],
          ['REASONING_MESSAGE', 'thought'],
        ] as const) {
          const sent = events.filter(
            (e) => e.family === family && (e.verb === 'CONTENT' || e.verb === 'CHUNK'),
          )
          const got = drafts.filter(({ content_type }) => content_type === kind)
          assert.equal(
            got.map(({ event_data }) => textOf(event_data ?? null)).join(''),
            sent.map(({ delta }) => delta).join(''),
          )
        }
        const parts = new Set(drafts.map(({ part }) => part))
        assert.equal(drafts.filter(({ part_done }) => part_done).length, parts.size)
        // No part has pieces of two messages: each was ended before another event had its name.
        const ended = new Set<unknown>()
        for (const { part, part_done } of drafts) {
          assert.ok(!ended.has(part))
          if (part_done) ended.add(part)
        }
      }),
      { ...SEED, numRuns: 200 * TIMES },
    )
  })

  it('may be anything at all, and never throws', () => {
    const fields = Object.values(EVENTS).flatMap((event) => Object.keys(event))
    const event = fc
      .record({ type: fc.constantFrom(...Object.keys(EVENTS), 'THINKING_START', 'STATE_NEW') })
      .chain((base) =>
        fc
          .dictionary(fc.constantFrom(...new Set(fields)), fc.anything())
          .map((more) => ({ ...more, ...base })),
      )
    const throwing = new Proxy({}, { get: () => assert.fail(), ownKeys: () => assert.fail() })
    assert.equal(agUi.recognises(throwing), false)
    assert.equal(read([throwing]).drafts.length, 1)
    assert.deepEqual(told({ type: 'STATE_NEW', n: 1 }), [
      ['provider_chunk STATE_NEW', { type: 'STATE_NEW', n: 1 }],
    ])
    fc.assert(
      fc.property(fc.array(fc.oneof(event, fc.anything())), (events) => {
        JSON.stringify(read(events).drafts)
        events.forEach((event) => agUi.recognises(event))
      }),
      SEED,
    )
  })
})
