/**
 * AG-UI events (https://docs.ag-ui.com), and the THINKING ones of before 1.0.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { ChunkReader, Form, Outcome } from './adapter.ts'
import { by, type Family, Pieces, type Speaker } from './ag-ui-pieces.ts'
import { guardedForm } from './guarded.ts'
import { failed } from './outcomes.ts'
import { event, providerError, toolResult, unknownChunk, usage } from './shapes.ts'
import { type Fields, fieldsOf, isFields, listOf, nameWord, stringOf } from './values.ts'

export const agUi: Form = guardedForm(recognises, agUiReader)

const KINDS =
  /^(?:RUN|STEP|TEXT_MESSAGE|TOOL_CALL|REASONING|THINKING|STATE|MESSAGES|ACTIVITY|SUBAGENT)_[A-Z_]+$/
const IN_PIECES = /^(TEXT_MESSAGE|REASONING_MESSAGE|TOOL_CALL)_(START|CONTENT|ARGS|END|CHUNK)$/
/** Events that leave open what CHUNK events write. All others end it. */
const PASSING: readonly string[] = [
  'RAW',
  'ACTIVITY_SNAPSHOT',
  'ACTIVITY_DELTA',
  'REASONING_ENCRYPTED_VALUE',
  'SUBAGENT_STARTED',
]
/** Events that concern every agent of the run. */
const RUN_WIDE: readonly string[] = ['RUN_STARTED', 'RUN_FINISHED', 'RUN_ERROR', 'MESSAGES_SNAPSHOT']
/** Fields of any event, which say nothing of its own. */
const COMMON: readonly string[] = ['type', 'timestamp', 'rawEvent', 'metadata']

function recognises(chunk: unknown): boolean {
  return isFields(chunk) && KINDS.test(stringOf(chunk['type']))
}

function agUiReader(): ChunkReader {
  const pieces = new Pieces()
  /** The names of the run's subagents. */
  const agents = new Map<string, string>()
  /** Messages from before the run. */
  const earlier = new Set<unknown>()
  let outcome: Outcome | null = null

  return {
    read: (chunk) => (isFields(chunk) ? readEvent(stringOf(chunk['type']), chunk) : [unknownChunk(chunk)]),
    finish: () => pieces.finish(),
    outcome: () => outcome,
  }

  function readEvent(given: string, chunk: Fields): Draft[] {
    const type = given.replace(/^THINKING_(?:TEXT_)?/, 'REASONING_')
    const [, family, verb] = IN_PIECES.exec(type) ?? []
    if (family && verb) {
      const speaker = speakerOf(family as Family, chunk)
      if (verb === 'CHUNK') return pieces.readShort(family as Family, chunk, speaker)
      return [...endShort(type, chunk), ...pieces.read(family as Family, verb, chunk, speaker)]
    }
    const ended = endShort(type, chunk)
    const whole = readWhole(type, chunk) ?? [unknownChunk(chunk)]
    return [...ended, ...by(agentOf(chunk), whole)]
  }

  function endShort(type: string, chunk: Fields): Draft[] {
    if (PASSING.includes(type)) return []
    return RUN_WIDE.includes(type) ? pieces.endAllShort() : pieces.endShort(stringOf(chunk['subagentRunId']))
  }

  function speakerOf(family: Family, chunk: Fields): Speaker {
    const { name, role } = chunk
    const speaker = stringOf(name) || (family === 'TEXT_MESSAGE' && role !== 'assistant' && stringOf(role))
    return agentOf(chunk) ?? (speaker ? nameWord(speaker, 'agent') : undefined)
  }

  function agentOf(chunk: Fields): Speaker {
    const id = stringOf(chunk['subagentRunId'])
    return id === '' ? undefined : nameWord(agents.get(id) ?? id, 'subagent')
  }

  /** The events of a chunk that is no piece of anything; null when nobody knows it. */
  function readWhole(type: string, chunk: Fields): Draft[] | null {
    const own = type.toLowerCase()
    switch (type) {
      case 'TOOL_CALL_RESULT': {
        const id = stringOf(chunk['toolCallId'])
        const result = toolResult(id, pieces.toolOf(id), chunk['content'])
        // Its input is whole, whether its end was told or not.
        return [...pieces.read('TOOL_CALL', 'END', chunk, undefined), result]
      }
      case 'STATE_SNAPSHOT':
        return [event(own, chunk['snapshot'])]
      case 'STATE_DELTA':
        return [event(own, chunk['delta'])]
      case 'MESSAGES_SNAPSHOT':
        return readMessages(listOf(chunk['messages']))
      case 'CUSTOM':
        return [event(own, chunk['value'], chunk['name'])]
      case 'ACTIVITY_SNAPSHOT':
      case 'ACTIVITY_DELTA':
        return [event(own, ownFields(chunk), chunk['activityType'])]
      case 'SUBAGENT_STARTED':
        agents.set(stringOf(chunk['subagentRunId']), stringOf(chunk['name']))
        return [event(own, ownFields(chunk))]
      case 'SUBAGENT_FINISHED':
      case 'SUBAGENT_ERROR':
      case 'STEP_STARTED':
      case 'STEP_FINISHED':
        return [event(own, ownFields(chunk))]
      case 'RUN_STARTED':
        for (const { id } of listOf(fieldsOf(chunk['input'])['messages'])) earlier.add(id)
        return []
      case 'RUN_FINISHED':
        return readEnd(chunk)
      case 'RUN_ERROR': {
        const { code, message } = chunk
        outcome ??= failed(code)
        return [...listOf(chunk['usage']).map(usage), providerError({ code, message })]
      }
      // What the other events were made of, what only the provider can read, and what only begins or ends.
      case 'RAW':
      case 'REASONING_ENCRYPTED_VALUE':
      case 'REASONING_START':
      case 'REASONING_END':
        return []
      default:
        return null
    }
  }

  function readEnd(chunk: Fields): Draft[] {
    const { type, interrupts } = fieldsOf(chunk['outcome'])
    if (type === 'cancelled') outcome ??= { status: 'stopped', code: type }
    return [
      ...(type === 'interrupt' ? [event('interrupt', interrupts)] : []),
      ...((chunk['result'] ?? null) === null ? [] : [event('result', chunk['result'])]),
      ...listOf(chunk['usage']).map(usage),
    ]
  }

  /**
   * A snapshot has all messages of the conversation. Of the newest it tells what was not written yet, for some agents
   * write nothing else. What stands before a message of the user or of a tool may be another run's, so it is left out.
   */
  function readMessages(messages: readonly Fields[]): Draft[] {
    const newest = messages.findLastIndex(({ role }) => role === 'user' || role === 'tool') + 1
    return messages.slice(newest).flatMap((message) => {
      const { id, role, content, toolCalls } = message
      if (earlier.has(id) || (role !== 'assistant' && role !== 'reasoning')) return []
      const family = role === 'assistant' ? 'TEXT_MESSAGE' : 'REASONING_MESSAGE'
      const speaker = speakerOf(family, message)
      return [
        ...pieces.tell(family, stringOf(id), stringOf(content), speaker),
        ...listOf(toolCalls).flatMap((call) => {
          const { name, arguments: input } = fieldsOf(call['function'])
          return pieces.tellCall(stringOf(call['id']), stringOf(name), stringOf(input), speaker)
        }),
      ]
    })
  }
}

function ownFields(chunk: Fields): Fields {
  return Object.fromEntries(Object.entries(chunk).filter(([field]) => !COMMON.includes(field)))
}
