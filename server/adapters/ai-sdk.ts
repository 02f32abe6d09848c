/**
 * What the AI SDK streams (https://ai-sdk.dev): the parts of `fullStream` and the chunks of a UI message stream. Both
 * begin alike and have most kinds in common, under fields of other names, so one reader takes either.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { ChunkReader, Form, Outcome } from './adapter.ts'
import { guardedForm } from './guarded.ts'
import { failedBy, outcomeOf } from './outcomes.ts'
import { Parts, type TextKind } from './parts.ts'
import {
  event,
  file,
  providerError,
  said,
  source,
  toolCall,
  toolResult,
  unknownChunk,
  usage,
} from './shapes.ts'
import { ToolCalls } from './tool-calls.ts'
import { type Fields, fieldsOf, isFields, listOf, stringOf } from './values.ts'

export const aiSdk: Form = guardedForm(recognises, aiSdkReader)

/** Kinds that no other form has. */
const OWN_KINDS = new RegExp(
  '^(?:(?:text|reasoning)-(?:start|delta|end)|(?:start|finish|reset)-step|tool-(?:call|result|error)' +
    '|tool-(?:input|output|approval)-[a-z]+|source-(?:url|document)|reasoning-file|message-metadata|steering-message)$',
)
/** What an approval says of its call, under names of its own. */
const CALL_FIELDS: readonly string[] = ['type', 'toolCall', 'toolCallId']
const START_FIELDS: readonly string[] = ['type', 'messageId', 'messageMetadata']

function recognises(chunk: unknown): boolean {
  if (!isFields(chunk)) return false
  const type = stringOf(chunk['type'])
  if (type === 'start') return Object.keys(chunk).every((name) => START_FIELDS.includes(name))
  return OWN_KINDS.test(type) || (type.startsWith('data-') && 'data' in chunk)
}

function aiSdkReader(): ChunkReader {
  const parts = new Parts()
  const calls = new ToolCalls()
  const toolNames = new Map<string, string>()
  const approvedCalls = new Map<string, string>()
  let step = 0
  let partsInStep = 0
  let hasUsage = false
  let outcome: Outcome | null = null

  return {
    read: (chunk) => (isFields(chunk) ? readChunk(stringOf(chunk['type']), chunk) : [unknownChunk(chunk)]),
    finish: () => [...parts.endAll(), ...calls.cutAll()],
    outcome: () => outcome,
  }

  function readChunk(type: string, chunk: Fields): Draft[] {
    switch (type) {
      case 'text-start':
      case 'text-delta':
      case 'text-end':
        return readText('message', type, chunk)
      case 'reasoning-start':
      case 'reasoning-delta':
      case 'reasoning-end':
        return readText('thought', type, chunk)
      case 'file':
      case 'reasoning-file':
        return [readFile(chunk, type === 'reasoning-file' ? { reasoning: true } : {})]
      case 'source':
      case 'source-url':
      case 'source-document':
        return [readSource(chunk)]
      case 'start':
      case 'message-metadata':
        return metadata(chunk)
      case 'start-step':
        step++
        partsInStep = 0
        return []
      case 'reset-step':
        // What the step said so far does not count, but a log takes nothing back: whoever shows it has to know.
        return [...parts.endAll(), ...calls.cutAll(), event('reset_step', null)]
      case 'steering-message':
        return [readSteering(chunk)]
      case 'finish-step':
        return count(chunk['usage'])
      case 'finish':
        outcome ??= outcomeOf(chunk['finishReason'])
        // The sum of what the steps told; `streamObject`, which has no steps, tells it here alone.
        return [...(hasUsage ? [] : count(chunk['totalUsage'] ?? chunk['usage'])), ...metadata(chunk)]
      case 'abort':
        outcome ??= { status: 'stopped', code: 'abort' }
        return []
      case 'error':
        return [fail(chunk)]
      case 'custom':
        return [unknownChunk(chunk, chunk['kind'])]
      // `raw` is what the other parts were made of, `object` what the text deltas of `streamObject` spell.
      case 'raw':
      case 'object':
      case 'ping':
        return []
    }
    if (type.startsWith('data-')) return [readData(type, chunk)]
    return (type.startsWith('tool-') && readTool(type, chunk)) || [unknownChunk(chunk)]
  }

  /** Ids of texts begin anew in each step, and one may be used again within it, so names are counted. */
  function readText(kind: TextKind, type: string, chunk: Fields): Draft[] {
    const slot = `${kind}/${stringOf(chunk['id'])}`
    if (!type.endsWith('-delta')) return [...parts.end(slot), ...listOf(chunk['citations']).map(readCitation)]
    const text = stringOf(chunk['text'] ?? chunk['delta'] ?? chunk['textDelta'])
    return parts.delta(slot, kind, text, () => `step-${step}/${partsInStep++}`)
  }

  function readTool(type: string, chunk: Fields): Draft[] | null {
    const { id, name } = toolOf(chunk)
    switch (type) {
      case 'tool-input-start': {
        const cut = calls.cut(id)
        calls.add(id, { id, name })
        return cut
      }
      case 'tool-input-delta':
        calls.add(id, { id, name, text: chunk['delta'] ?? chunk['inputTextDelta'] })
        return []
      case 'tool-input-end':
        // The call itself follows, with its input parsed.
        return []
      case 'tool-call':
      case 'tool-input-available':
      case 'tool-input-error': {
        calls.drop(id)
        const isInvalid = chunk['invalid'] === true || type === 'tool-input-error'
        const more = isInvalid ? { is_error: true, error: failureOf(chunk) } : {}
        return [toolCall(id, name, chunk['input'], more)]
      }
      case 'tool-result':
      case 'tool-output-available': {
        const more = chunk['preliminary'] === true ? { preliminary: true } : {}
        return [toolResult(id, name, chunk['output'], more)]
      }
      case 'tool-error':
      case 'tool-output-error':
        return [toolResult(id, name, failureOf(chunk), { is_error: true })]
      case 'tool-output-denied':
        return [toolResult(id, name, null, { denied: true })]
      case 'tool-approval-request':
      case 'tool-approval-response': {
        const rest = Object.entries(chunk).filter(([field]) => !CALL_FIELDS.includes(field))
        return [event(type.replaceAll('-', '_'), { id, name, ...Object.fromEntries(rest) })]
      }
      default:
        return null
    }
  }

  /** Which tool a chunk is about. Not every kind says it all: the results of a UI stream have no name, its answers to approvals no call. */
  function toolOf(chunk: Fields): { readonly id: string; readonly name: string } {
    const call = fieldsOf(chunk['toolCall'])
    const approval = stringOf(chunk['approvalId'])
    const id = stringOf(
      chunk['toolCallId'] ?? call['toolCallId'] ?? approvedCalls.get(approval) ?? chunk['id'],
    )
    const name = stringOf(chunk['toolName'] ?? call['toolName'] ?? toolNames.get(id))
    toolNames.set(id, name)
    if (approval !== '') approvedCalls.set(approval, id)
    return { id, name }
  }

  function count(counts: unknown): Draft[] {
    const told = usage(counts)
    if (Object.keys(fieldsOf(told.event_data)).length === 0) return []
    hasUsage = true
    return [told]
  }

  function fail(chunk: Fields): Draft {
    const { error } = chunk
    const draft = providerError(error instanceof Error ? { code: wordOf(error) } : failureOf(chunk))
    outcome ??= failedBy(draft)
    return draft
  }
}

function readData(type: string, { id, transient, data }: Fields): Draft {
  const marks = { ...(typeof id === 'string' && { id }), ...(transient === true && { transient }) }
  const draft = event('data', data, type)
  return Object.keys(marks).length > 0 ? { ...draft, event_metadata: marks } : draft
}

function readFile(chunk: Fields, more: Fields): Draft {
  const { mediaType, base64 } = fieldsOf(chunk['file'])
  const { url } = chunk
  const bytes = typeof url === 'string' ? { url } : { data: base64 }
  return file({ media_type: chunk['mediaType'] ?? mediaType, ...bytes, ...more })
}

function readSource({ url, title, sourceId, id, mediaType, filename }: Fields, more: Fields = {}): Draft {
  return source(url, title, { id: sourceId ?? id, media_type: mediaType, filename, ...more })
}

function readCitation(citation: Fields): Draft {
  return readSource(fieldsOf(citation['source']), { cited_text: citation['citedText'] })
}

function metadata({ messageMetadata }: Fields): Draft[] {
  return messageMetadata === undefined ? [] : [event('message_metadata', messageMetadata)]
}

/** What the user said while the agent was at work, when it reached the model. */
function readSteering({ id, parts, message }: Fields): Draft {
  const { content } = fieldsOf(message)
  const told = typeof content === 'string' ? [{ type: 'text', text: content }] : content
  return said(event('steering_message', { id, parts: parts ?? told }), 'user')
}

/** What failed, in words that may be shown: the message of an app's own error may hold what is not for users. */
function failureOf({ error, errorText }: Fields): unknown {
  return errorText ?? (error instanceof Error ? wordOf(error) : (error ?? null))
}

function wordOf(error: Error): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : error.name
}
