/** AG-UI events, one of each type, and what they come to. */
import { type AGUIEventByType, EventType } from '@ag-ui/core'
import { agUi } from '../../server/adapters/ag-ui.ts'
import type { Draft } from '../../server/drafts.ts'

export const messageId = 'm1'
export const toolCallId = 'c1'
export const subagentRunId = 'sub-1'
export const run = { threadId: 't', runId: 'r' }

/** One of each type, so that the compiler finds one that is missing and a field that has another name. */
export const EVENTS = {
  RUN_STARTED: { type: EventType.RUN_STARTED, ...run },
  RUN_FINISHED: { type: EventType.RUN_FINISHED, ...run, result: 7, usage: [{ inputTokens: 3 }] },
  RUN_ERROR: { type: EventType.RUN_ERROR, message: 'Busy.', code: 'overloaded' },
  STEP_STARTED: { type: EventType.STEP_STARTED, stepName: 'plan' },
  STEP_FINISHED: { type: EventType.STEP_FINISHED, stepName: 'plan' },
  TEXT_MESSAGE_START: { type: EventType.TEXT_MESSAGE_START, messageId, role: 'assistant' },
  TEXT_MESSAGE_CONTENT: { type: EventType.TEXT_MESSAGE_CONTENT, messageId, delta: 'a' },
  TEXT_MESSAGE_END: { type: EventType.TEXT_MESSAGE_END, messageId },
  TEXT_MESSAGE_CHUNK: { type: EventType.TEXT_MESSAGE_CHUNK, messageId, delta: 'a' },
  REASONING_START: { type: EventType.REASONING_START, messageId },
  REASONING_MESSAGE_START: { type: EventType.REASONING_MESSAGE_START, messageId, role: 'reasoning' },
  REASONING_MESSAGE_CONTENT: { type: EventType.REASONING_MESSAGE_CONTENT, messageId, delta: 'b' },
  REASONING_MESSAGE_END: { type: EventType.REASONING_MESSAGE_END, messageId },
  REASONING_MESSAGE_CHUNK: { type: EventType.REASONING_MESSAGE_CHUNK, messageId, delta: 'b' },
  REASONING_END: { type: EventType.REASONING_END, messageId },
  REASONING_ENCRYPTED_VALUE: {
    type: EventType.REASONING_ENCRYPTED_VALUE,
    subtype: 'message',
    entityId: messageId,
    encryptedValue: 'x',
  },
  TOOL_CALL_START: { type: EventType.TOOL_CALL_START, toolCallId, toolCallName: 'find' },
  TOOL_CALL_ARGS: { type: EventType.TOOL_CALL_ARGS, toolCallId, delta: '{"q":1}' },
  TOOL_CALL_END: { type: EventType.TOOL_CALL_END, toolCallId },
  TOOL_CALL_CHUNK: { type: EventType.TOOL_CALL_CHUNK, toolCallId, toolCallName: 'find', delta: '{"q":1}' },
  TOOL_CALL_RESULT: { type: EventType.TOOL_CALL_RESULT, toolCallId, messageId: 'm2', content: 'found' },
  STATE_SNAPSHOT: { type: EventType.STATE_SNAPSHOT, snapshot: { n: 1 } },
  STATE_DELTA: { type: EventType.STATE_DELTA, delta: [{ op: 'replace', path: '/n', value: 2 }] },
  MESSAGES_SNAPSHOT: { type: EventType.MESSAGES_SNAPSHOT, messages: [] },
  ACTIVITY_SNAPSHOT: {
    type: EventType.ACTIVITY_SNAPSHOT,
    messageId,
    activityType: 'PLAN',
    content: { n: 1 },
  },
  ACTIVITY_DELTA: { type: EventType.ACTIVITY_DELTA, messageId, activityType: 'PLAN', patch: [] },
  RAW: { type: EventType.RAW, event: {} },
  CUSTOM: { type: EventType.CUSTOM, name: 'mood', value: { happy: true } },
  SUBAGENT_STARTED: { type: EventType.SUBAGENT_STARTED, subagentRunId, name: 'scout' },
  SUBAGENT_FINISHED: { type: EventType.SUBAGENT_FINISHED, subagentRunId, result: 'done' },
  SUBAGENT_ERROR: { type: EventType.SUBAGENT_ERROR, subagentRunId, message: 'Lost.' },
} satisfies { [Type in keyof typeof EventType]: AGUIEventByType[(typeof EventType)[Type]] }

/** What the events come to. */
export function read(events: readonly unknown[]): { drafts: Draft[]; outcome: unknown } {
  const reader = agUi.adapter()
  const drafts = [...events.flatMap((event) => reader.read(event)), ...reader.finish()]
  return { drafts, outcome: reader.outcome?.() ?? null }
}

/** Everything but texts: the type, the content type where it says more, and the data. */
export const told = (...events: readonly unknown[]): unknown[] =>
  read(events).drafts.map(({ event_type, content_type, event_data }) => [
    content_type === undefined ? event_type : `${event_type} ${content_type}`,
    event_data,
  ])

/** Kind, part and text, who says it, and the mark of an end. */
export const short = (...events: readonly unknown[]): string[] =>
  read(events).drafts.map(
    (d) =>
      `${d.content_type ?? d.event_type} ${d.part ?? ''} ${JSON.stringify(d.event_data)}` +
      `${d.agent_source ? ` by ${d.agent_source}` : ''}${d.part_done ? ' end' : ''}`,
  )
