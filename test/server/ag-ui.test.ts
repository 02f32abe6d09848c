import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EventType } from '@ag-ui/core'
import { EventSchema } from '@ag-ui/core/schemas'
import { agUi } from '../../server/adapters/ag-ui.ts'
import { EVENTS, messageId, read, run, short, subagentRunId, told } from './ag-ui-events.ts'

const piece = { type: EventType.TEXT_MESSAGE_CHUNK, delta: 'a' }

describe('AG-UI events', () => {
  it('have no type that is unknown, and are told by any but the two that say nothing', () => {
    for (const type of Object.values(EventType)) {
      const event = EVENTS[type]
      assert.deepEqual(EventSchema.safeParse(event).error, undefined)
      assert.ok(!read([event]).drafts.some(({ event_type }) => event_type === 'provider_chunk'), type)
      assert.equal(agUi.recognises(event), type !== EventType.RAW && type !== EventType.CUSTOM, type)
    }
    for (const other of [{ type: 'start' }, { type: 'message_start' }, { type: 'RUN' }, 'RUN_STARTED', null])
      assert.equal(agUi.recognises(other), false)
  })

  it('have texts and thoughts, a part each, though they may have one id', () => {
    assert.deepEqual(
      short(
        EVENTS.REASONING_MESSAGE_START,
        EVENTS.REASONING_MESSAGE_CONTENT,
        EVENTS.TEXT_MESSAGE_START,
        EVENTS.TEXT_MESSAGE_CONTENT,
        EVENTS.REASONING_MESSAGE_END,
        EVENTS.TEXT_MESSAGE_CONTENT,
        EVENTS.TEXT_MESSAGE_END,
      ),
      [
        'thought m1/0 "b"',
        'message m1/1 "a"',
        'thought m1/0 "" end',
        'message m1/1 "a"',
        'message m1/1 "" end',
      ],
    )
  })

  it('may open a message again: a part more', () => {
    const { TEXT_MESSAGE_START: start, TEXT_MESSAGE_CONTENT: content, TEXT_MESSAGE_END: end } = EVENTS
    assert.deepEqual(short(start, content, end, start, content, end), [
      'message m1/0 "a"',
      'message m1/0 "" end',
      'message m1/1 "a"',
      'message m1/1 "" end',
    ])
  })

  it('may be the THINKING ones of old, which have no id', () => {
    const content = { type: 'THINKING_TEXT_MESSAGE_CONTENT', delta: 'b' }
    const events = [
      'THINKING_START',
      'THINKING_TEXT_MESSAGE_START',
      content,
      'THINKING_TEXT_MESSAGE_END',
      'THINKING_END',
    ]
    assert.deepEqual(short(...events.map((event) => (typeof event === 'string' ? { type: event } : event))), [
      'thought thought/0 "b"',
      'thought thought/0 "" end',
    ])
  })

  it('have calls, told once their input is whole, and results', () => {
    const call = [EVENTS.TOOL_CALL_START, EVENTS.TOOL_CALL_ARGS]
    const result = ['tool_result', { id: 'c1', name: 'find', output: 'found' }]
    const whole = ['tool_call', { id: 'c1', name: 'find', input: { q: 1 } }]
    assert.deepEqual(told(...call, EVENTS.TOOL_CALL_END, EVENTS.TOOL_CALL_RESULT), [whole, result])
    assert.deepEqual(told(...call, EVENTS.TOOL_CALL_RESULT), [whole, result])
    assert.deepEqual(told(...call), [
      ['tool_call', { id: 'c1', name: 'find', input: '{"q":1}', incomplete: true }],
    ])
  })

  it('may come as chunks, which go on until something else comes', () => {
    assert.deepEqual(
      short(
        EVENTS.REASONING_MESSAGE_CHUNK,
        { ...piece, messageId },
        piece,
        EVENTS.RAW,
        piece,
        EVENTS.TOOL_CALL_CHUNK,
        { type: EventType.TOOL_CALL_CHUNK, delta: ' ' },
        EVENTS.STEP_STARTED,
      ),
      [
        'thought m1/0 "b"',
        'thought m1/0 "" end',
        ...Array.from({ length: 3 }, () => 'message m1/1 "a"'),
        'message m1/1 "" end',
        'tool_call  {"id":"c1","name":"find","input":{"q":1}}',
        'step_started  {"stepName":"plan"}',
      ],
    )
  })

  it('of several agents are told apart, also where a chunk does not say whose it is', () => {
    const first = { ...piece, messageId: 's1', subagentRunId }
    assert.deepEqual(
      short(EVENTS.SUBAGENT_STARTED, first, EVENTS.STATE_SNAPSHOT, piece, { ...piece, messageId }, piece, {
        ...first,
        messageId: undefined,
      }),
      [
        'subagent_started  {"subagentRunId":"sub-1","name":"scout"} by scout',
        'message s1/0 "a" by scout',
        'state_snapshot  {"n":1}',
        'message s1/0 "a" by scout',
        'message m1/0 "a"',
        'message m1/0 "a"',
        'message s1/0 "a" by scout',
        'message s1/0 "" by scout end',
        'message m1/0 "" end',
      ],
    )
  })

  it('may be from a subagent, which is named as often as it speaks', () => {
    const { TOOL_CALL_START: start, TOOL_CALL_END: end, SUBAGENT_STARTED, SUBAGENT_ERROR } = EVENTS
    assert.deepEqual(short(SUBAGENT_STARTED, { ...start, subagentRunId }, end, SUBAGENT_ERROR).slice(1), [
      'tool_call  {"id":"c1","name":"find","input":{}} by scout',
      'subagent_error  {"subagentRunId":"sub-1","message":"Lost."} by scout',
    ])
  })

  it('may have messages of others than the agent', () => {
    const others = [{ role: 'user' }, { role: 'assistant', name: 'Ada' }]
    for (const [index, by] of ['user', 'Ada'].entries())
      assert.deepEqual(
        short({ ...EVENTS.TEXT_MESSAGE_START, ...others[index] }, EVENTS.TEXT_MESSAGE_CONTENT),
        [`message m1/0 "a" by ${by}`, `message m1/0 "" by ${by} end`],
      )
  })

  it('have states, activities and events of the app', () => {
    const { STATE_SNAPSHOT, STATE_DELTA, ACTIVITY_SNAPSHOT, ACTIVITY_DELTA, CUSTOM } = EVENTS
    assert.deepEqual(told(STATE_SNAPSHOT, STATE_DELTA, ACTIVITY_SNAPSHOT, ACTIVITY_DELTA, CUSTOM), [
      ['state_snapshot', { n: 1 }],
      ['state_delta', [{ op: 'replace', path: '/n', value: 2 }]],
      ['activity_snapshot PLAN', { messageId, activityType: 'PLAN', content: { n: 1 } }],
      ['activity_delta PLAN', { messageId, activityType: 'PLAN', patch: [] }],
      ['custom mood', { happy: true }],
    ])
  })

  it('say how the run ended', () => {
    const finished = EVENTS.RUN_FINISHED
    assert.deepEqual(told(finished), [
      ['result', 7],
      ['usage', { inputTokens: 3 }],
    ])
    assert.deepEqual(told(EVENTS.RUN_ERROR), [['error', { code: 'overloaded', text: 'Busy.' }]])
    const interrupts = [{ id: 'i', reason: 'approval' }]
    const interrupted = { type: EventType.RUN_FINISHED, ...run, outcome: { type: 'interrupt', interrupts } }
    assert.deepEqual(told(interrupted), [['interrupt', interrupts]])
    assert.equal(read([finished, interrupted]).outcome, null)
    assert.deepEqual(read([EVENTS.RUN_ERROR]).outcome, { status: 'failed', code: 'overloaded' })
    assert.deepEqual(read([{ ...finished, outcome: { type: 'cancelled' } }]).outcome, {
      status: 'stopped',
      code: 'cancelled',
    })
  })
})
