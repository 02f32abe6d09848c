/**
 * Chat Completions chunks (https://platform.openai.com/docs/api-reference/chat-streaming), with what other providers
 * add: reasoning in `reasoning_content` (DeepSeek), `reasoning` (OpenRouter, vLLM) or in content blocks (Mistral), and
 * images and errors in the stream (OpenRouter).
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { ChunkReader, Form, Outcome } from './adapter.ts'
import { errorCode, providerError, source, toolCall, unknownChunk, usage } from './shapes.ts'
import { Parts, type TextKind } from './parts.ts'
import { ToolCalls } from './tool-calls.ts'
import { type Fields, fieldsOf, isFields, jsonOf, listOf, partWord, stringOf } from './values.ts'

export const openaiChat: Form = {
  recognises: (chunk) => {
    const { object, choices } = fieldsOf(jsonOf(chunk))
    return object === 'chat.completion.chunk' || listOf(choices).some(({ delta }) => isFields(delta))
  },
  adapter: chatReader,
}

function chatReader(): ChunkReader {
  const parts = new Parts()
  const calls = new ToolCalls()
  /** Where a call is being written, and whether what its tool gets is text even if it looks like JSON. */
  const places = new Map<string, boolean>()
  const usages = { last: '', told: '' }
  let names = 0
  let outcome: Outcome | null = null

  return {
    read(given) {
      const chunk = jsonOf(given)
      return isFields(chunk) ? readChunk(chunk) : [unknownChunk(chunk)]
    },
    finish: () => [...parts.endAll(), ...calls.cutAll(), ...tellUsage()],
    outcome: () => outcome,
  }

  function readChunk(chunk: Fields): Draft[] {
    const { id, object, error, usage: counts } = chunk
    const choices = listOf(chunk['choices'])
    const drafts = choices.flatMap((choice) => readChoice(choice, partWord(id, 'chat')))
    if (isFields(counts)) usages.last = JSON.stringify(counts)
    // Some count in every chunk; what they say while text comes is not worth an event.
    if (choices.every((choice) => choice['finish_reason'])) drafts.push(...tellUsage())
    if (error || object === 'error') drafts.push(fail(error || chunk))
    const isKnown = Array.isArray(chunk['choices']) || isFields(counts) || drafts.length > 0
    return isKnown ? drafts : [unknownChunk(chunk, object)]
  }

  function readChoice(choice: Fields, message: string): Draft[] {
    const slot = `${typeof choice['index'] === 'number' ? choice['index'] : 0}`
    const delta = fieldsOf(choice['delta'])
    const drafts: Draft[] = []
    const text = (kind: TextKind, value: unknown): void => {
      const before = parts.at(slot)
      const name = before?.kind === kind ? before.name : `${message}/${names}`
      const added = parts.delta(slot, kind, name, stringOf(value))
      if (added.length > 0 && name !== before?.name) names++
      drafts.push(...added)
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
    if (choice['finish_reason']) drafts.push(...parts.end(slot), ...endCalls(slot))
    if (choice['finish_reason'] === 'error') outcome ??= { status: 'failed', code: 'error' }
    if (choice['error']) drafts.push(fail(choice['error']))
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
      if (isNamed && isOther) ended.push(...endCall(place))
      calls.add(place, { id, name, text: text ?? input })
      places.set(place, places.get(place) === true || isFields(custom))
    }
    // The way of before there were tools.
    const old = delta['function_call']
    if (isFields(old)) {
      calls.add(`${slot}/0`, { name: old['name'], text: old['arguments'] })
      places.set(`${slot}/0`, false)
    }
    return ended
  }

  function endCalls(slot: string): Draft[] {
    return [...places.keys()].filter((place) => place.startsWith(`${slot}/`)).flatMap(endCall)
  }

  function endCall(place: string): Draft[] {
    const isText = places.get(place)
    places.delete(place)
    const call = calls.at(place)
    if (!isText || !call) return calls.end(place)
    calls.drop(place)
    return [toolCall(call.id, call.name, call.text)]
  }

  function tellUsage(): Draft[] {
    if (usages.last === usages.told) return []
    usages.told = usages.last
    return [usage(JSON.parse(usages.last))]
  }

  function fail(error: unknown): Draft {
    const draft = providerError(error)
    outcome = { status: 'failed', code: errorCode(fieldsOf(draft.event_data)['code']) }
    return draft
  }
}

/** What a block holds that is no text. */
function readBlock(block: Fields): Draft[] {
  const { type, url, title, image_url } = block
  const image = isFields(image_url) ? image_url['url'] : image_url
  if (type === 'image_url')
    return [
      { event_type: 'file', event_data: jsonOf({ media_type: mediaType(stringOf(image)), url: image }) },
    ]
  return type === 'tool_reference' && url ? [source(url, title)] : []
}

/** An address tells it only if it holds the image itself. */
function mediaType(url: string): string {
  return /^data:(image\/[\w.+-]+)[;,]/.exec(url)?.[1] ?? 'image/*'
}
