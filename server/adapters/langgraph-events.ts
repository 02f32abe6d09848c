/**
 * The events of LangChain's `streamEvents` v2, and those of LangGraph's tools mode, which have the same names.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { Json } from '../protocol.ts'
import type { Answers } from './langchain-answers.ts'
import { type Message, messageOf } from './langchain-message.ts'
import { graphEvent, type Place, sourceOf } from './langgraph-frame.ts'
import type { Keys } from './langgraph-keys.ts'
import { isOwnEvent } from './loomi-events.ts'
import { fieldsOf, isFields, jsonOf, parsed, stringOf } from './values.ts'

/** What the reader knows. */
export interface Known {
  readonly answers: Answers
  readonly keys: Keys
  readonly custom: (payload: unknown, speaker: string | undefined) => Draft
}

/** Beginnings, pieces and ends of what is on its way to a message or a tool, and is shown there. */
const SILENT = /^on_(?:chat_model|llm|chain|tool|retriever|prompt|parser)_(?:start|stream|end)$/

/** The drafts that an event makes, null when it is none that is known. */
export function readGraphEvent(event: unknown, place: Place, known: Known): Draft[] | null {
  if (!isFields(event)) return null
  const { answers } = known
  const kind = stringOf(event['event'])
  const data = fieldsOf(event['data'])
  const speaker = sourceOf(place, fieldsOf(event['metadata']))
  const run = stringOf(event['run_id']) || stringOf(event['toolCallId'])
  const name = stringOf(event['name'])

  switch (kind) {
    case 'on_chat_model_stream':
    case 'on_llm_stream': {
      const message = spokenIn(data['chunk'])
      return message && answers.delta(known.keys.ofRun(run, message.id), message, speaker)
    }
    case 'on_chat_model_end':
    case 'on_llm_end': {
      const message = spokenIn(data['output'])
      if (!message) return answers.end(known.keys.ofRun(run, ''))
      const { drafts, differs } = answers.whole(known.keys.ofRun(run, message.id), message, speaker)
      return differs ? [...drafts, graphEvent('events', event, speaker)] : drafts
    }
    case 'on_tool_start': {
      const { id, input } = inputOf(data['input'] ?? event['input'])
      return answers.toolStart(run, stringOf(event['toolCallId']) || id, name, input, speaker)
    }
    case 'on_tool_end': {
      const output = data['output'] ?? event['output']
      const message = messageOf(output)
      return result(message?.kind === 'tool' ? message.result : { id: '', name: '', output, more: {} })
    }
    case 'on_tool_error': {
      const output = errorText(data['error'] ?? event['error'])
      return result({ id: '', name: '', output, more: { is_error: true } })
    }
    case 'on_custom_event':
      return [
        known.custom(isOwnEvent(event['data']) ? event['data'] : { name, data: event['data'] }, speaker),
      ]
  }
  return SILENT.test(kind) ? [] : null

  function result(told: Message['result']): Draft[] {
    return answers.result({ ...told, id: told.id || answers.callOf(run), name: told.name || name }, speaker)
  }
}

/** The message in a model's chunk or output; a model without chat has its text in a generation. */
function spokenIn(value: unknown): Message | null {
  const { generations, text, message } = fieldsOf(value)
  const first: unknown = Array.isArray(generations) ? (generations as unknown[]).flat()[0] : null
  const found = messageOf(value) ?? messageOf(message) ?? messageOf(fieldsOf(first)['message'])
  const said = stringOf(text) || stringOf(fieldsOf(first)['text'])
  return found ?? (typeof said === 'string' && said !== '' ? messageOf({ type: 'ai', content: said }) : null)
}

/** A tool's input as its call has it: some reports carry it as text, some in a field of its own, some in the call. */
function inputOf(value: unknown): { readonly id: string; readonly input: Json } {
  const { type, args, id, input } = fieldsOf(value)
  if (type === 'tool_call' && isFields(args)) return { id: stringOf(id), input: jsonOf(args) }
  if (typeof value === 'string') return { id: '', input: parsed(value) }
  const inner = typeof input === 'string' && Object.keys(fieldsOf(value)).length === 1 ? parsed(input) : null
  return { id: '', input: isFields(inner) ? (inner as Json) : jsonOf(value) }
}

/** What an error says, without the stack that LangChain puts behind it: that is nobody's business but the server's. */
function errorText(error: unknown): unknown {
  const text = stringOf(fieldsOf(error)['message']) || stringOf(error)
  return text === '' ? error : text.replace(/\n+\w*Error\b[^]*?\n +at [^]*$/, '')
}
