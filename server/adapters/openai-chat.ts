/**
 * Chat Completions chunks (https://platform.openai.com/docs/api-reference/chat-streaming), with what other providers
 * add: reasoning in `reasoning_content` (DeepSeek), `reasoning` (OpenRouter, vLLM) or in content blocks (Mistral), and
 * images and errors in the stream (OpenRouter).
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { ChunkReader, Form, Outcome } from './adapter.ts'
import { guardedForm } from './guarded.ts'
import { failedBy, outcomeOf } from './outcomes.ts'
import { Parts, type TextKind } from './parts.ts'
import { file, providerError, source, unknownChunk, usage } from './shapes.ts'
import { ToolCalls } from './tool-calls.ts'
import { type Fields, fieldsOf, isFields, listOf, partWord, stringOf } from './values.ts'

export const openaiChat: Form = guardedForm((chunk) => {
  const { object, choices } = fieldsOf(chunk)
  return (
    /^chat\.completion(?:\.chunk)?$/.test(stringOf(object)) ||
    listOf(choices).some(({ delta }) => isFields(delta))
  )
}, chatReader)

function chatReader(): ChunkReader {
  const parts = new Parts()
  const calls = new ToolCalls()
  let names = 0
  /** What the answer cost as far as it was not told yet, and what was told of it. */
  let counts: Fields | null = null
  let toldCounts = ''
  let outcome: Outcome | null = null

  return {
    read: (chunk) => (isFields(chunk) ? readChunk(chunk) : [unknownChunk(chunk)]),
    finish: () => [...parts.endAll(), ...calls.cutAll(), ...tellUsage()],
    outcome: () => outcome,
  }

  function readChunk(chunk: Fields): Draft[] {
    const { id, object, error, usage: counted } = chunk
    const choices = listOf(chunk['choices'])
    const drafts = choices.flatMap((choice) => readChoice(choice, id))
    if (isFields(counted)) counts = counted
    // Some count in every chunk; what they say while text comes is not worth an event.
    if (choices.every((choice) => choice['finish_reason'])) drafts.push(...tellUsage())
    if (error || object === 'error') drafts.push(fail(error || chunk))
    const isKnown = Array.isArray(chunk['choices']) || isFields(counted) || drafts.length > 0
    return isKnown ? drafts : [unknownChunk(chunk, object)]
  }

  function readChoice(choice: Fields, id: unknown): Draft[] {
    const { index, finish_reason: reason, error } = choice
    const slot = `${typeof index === 'number' ? index : 0}`
    // An answer that was not streamed has it all in a message.
    const delta = fieldsOf(choice['delta'] ?? choice['message'])
    const drafts: Draft[] = []
    const newName = (): string => `${partWord(id, 'chat')}/${names++}`
    const text = (kind: TextKind, value: unknown): void => {
      drafts.push(...parts.delta(slot, kind, stringOf(value), newName))
    }
    text('thought', delta['reasoning_content'] || delta['reasoning'])
    for (const block of listOf(delta['content'])) {
      for (const { text: thought } of listOf(block['thinking'])) text('thought', thought)
      text('message', block['text'])
      drafts.push(...readBlock(block))
    }
    text('message', delta['content'])
    text('message', fieldsOf(delta['audio'])['transcript'])
    text('refusal', delta['refusal'])
    drafts.push(...listOf(delta['images']).flatMap(readBlock))
    for (const { url_citation } of listOf(delta['annotations'])) {
      const { url, title, ...more } = fieldsOf(url_citation)
      if (url) drafts.push(source(url, title, more))
    }
    drafts.push(...readCalls(slot, delta))
    if (reason) drafts.push(...parts.end(slot), ...calls.endAll(`${slot}/`))
    outcome ??= outcomeOf(reason)
    if (error) drafts.push(fail(error))
    return drafts
  }

  function readCalls(slot: string, delta: Fields): Draft[] {
    const ended: Draft[] = []
    for (const { id, index, custom, function: fn } of listOf(delta['tool_calls'])) {
      const { name, arguments: text, input } = fieldsOf(custom ?? fn)
      const place = `${slot}/${typeof index === 'number' ? index : 0}`
      const open = calls.at(place)
      // Gemini's calls all have the index 0, or none: there, one begins where a name comes.
      const isNamed = open !== undefined && open.name !== '' && stringOf(name) !== ''
      const isOther = typeof index !== 'number' || (stringOf(id) !== '' && id !== open?.id)
      if (isNamed && isOther) ended.push(...calls.end(place))
      calls.add(place, { id, name, text: text ?? input, isText: isFields(custom) })
    }
    // The way of before there were tools.
    const old = delta['function_call']
    if (isFields(old)) calls.add(`${slot}/0`, { name: old['name'], text: old['arguments'] })
    return ended
  }

  function tellUsage(): Draft[] {
    if (counts === null) return []
    const draft = usage(counts)
    const text = JSON.stringify(draft.event_data)
    counts = null
    if (text === toldCounts) return []
    toldCounts = text
    return [draft]
  }

  function fail(error: unknown): Draft {
    const draft = providerError(error)
    outcome = failedBy(draft)
    return draft
  }
}

/** What a block holds that is no text. */
function readBlock(block: Fields): Draft[] {
  const { type, url, title, image_url } = block
  const image = isFields(image_url) ? image_url['url'] : image_url
  if (type === 'image_url') return [file({ media_type: mediaType(stringOf(image)), url: image })]
  return type === 'tool_reference' && url ? [source(url, title)] : []
}

/** An address tells it only if it holds the image itself. */
function mediaType(url: string): string {
  return /^data:(image\/[\w.+-]+)[;,]/.exec(url)?.[1] ?? 'image/*'
}
