/**
 * Chat Completions chunks (https://platform.openai.com/docs/api-reference/chat-streaming), with the reasoning fields
 * that other providers add: `reasoning_content` (DeepSeek) or `reasoning` (OpenRouter, vLLM).
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { Adapter, ChunkReader } from './adapter.ts'

interface Choice {
  readonly index?: unknown
  readonly delta?: {
    readonly content?: unknown
    readonly reasoning_content?: unknown
    readonly reasoning?: unknown
  } | null
  readonly finish_reason?: unknown
}

type Kind = 'thought' | 'message'

export const openaiChat: { readonly recognises: (chunk: unknown) => boolean; readonly adapter: Adapter } = {
  recognises: (chunk) =>
    isRecord(chunk) &&
    (chunk['object'] === 'chat.completion.chunk' || choicesOf(chunk).some((c) => isRecord(c.delta))),
  adapter: chatReader,
}

function chatReader(): ChunkReader {
  /** The part that each choice is writing. */
  const open = new Map<number, { readonly kind: Kind; readonly part: string }>()
  let parts = 0

  return {
    read(chunk) {
      if (!isRecord(chunk)) return []
      const message = typeof chunk['id'] === 'string' && chunk['id'] !== '' ? partName(chunk['id']) : 'chat'
      return choicesOf(chunk).flatMap((choice) => readChoice(choice, message))
    },
    finish: () => [...open.keys()].flatMap(close),
  }

  function readChoice(choice: Choice, message: string): Draft[] {
    const index = typeof choice.index === 'number' ? choice.index : 0
    const { reasoning_content, reasoning, content } = choice.delta ?? {}
    return [
      ...delta(index, message, 'thought', reasoning_content ?? reasoning),
      ...delta(index, message, 'message', content),
      ...(choice.finish_reason ? close(index) : []),
    ]
  }

  function delta(index: number, message: string, kind: Kind, text: unknown): Draft[] {
    if (typeof text !== 'string' || text === '') return []
    const before = open.get(index)
    const closing = before && before.kind !== kind ? close(index) : []
    const { part } = open.get(index) ?? { part: `${message}/${parts++}` }
    open.set(index, { kind, part })
    return [...closing, { event_type: 'llm_chunk', content_type: kind, event_data: text, part }]
  }

  /** An empty last delta: it joins the one before while that is still waiting, so it seldom costs a row. */
  function close(index: number): Draft[] {
    const last = open.get(index)
    open.delete(index)
    if (!last) return []
    return [
      { event_type: 'llm_chunk', content_type: last.kind, event_data: '', part: last.part, part_done: true },
    ]
  }
}

/** A provider's id as a part may carry it: short, one word, and without what no id may hold. */
function partName(id: string): string {
  return id.slice(0, 80).replaceAll(/[/\p{Cc}\p{Cs}]/gu, '_')
}

function choicesOf(chunk: { readonly [name: string]: unknown }): Choice[] {
  return Array.isArray(chunk['choices'])
    ? chunk['choices'].filter((choice): choice is Choice => isRecord(choice))
    : []
}

function isRecord(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null
}
