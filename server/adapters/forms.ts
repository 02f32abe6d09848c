/**
 * The forms of streams that are known, and how one is told from another.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { Adapter, ChunkReader, Form } from './adapter.ts'
import { agUi } from './ag-ui.ts'
import { aiSdk } from './ai-sdk.ts'
import { anthropic } from './anthropic.ts'
import { langGraph } from './langgraph.ts'
import { loomiEvents } from './loomi-events.ts'
import { openaiChat } from './openai-chat.ts'
import { openaiResponses } from './openai-responses.ts'
import { plainText } from './plain-text.ts'
import { unknownChunk } from './shapes.ts'

/** By the names that `feed --format` takes. */
export const FORMS: Readonly<Record<string, Form>> = {
  'openai-responses': openaiResponses,
  'openai-chat': openaiChat,
  anthropic,
  'ai-sdk': aiSdk,
  langgraph: langGraph,
  'ag-ui': agUi,
  loomi: loomiEvents,
  text: plainText,
}

/** The same adapters by name, to be given to `session.record` where a form must not be guessed. */
export const adapters: {
  readonly openaiResponses: Adapter
  readonly openaiChat: Adapter
  readonly anthropic: Adapter
  readonly aiSdk: Adapter
  readonly langGraph: Adapter
  readonly agUi: Adapter
  readonly loomiEvents: Adapter
  readonly plainText: Adapter
} = {
  openaiResponses: openaiResponses.adapter,
  openaiChat: openaiChat.adapter,
  anthropic: anthropic.adapter,
  aiSdk: aiSdk.adapter,
  langGraph: langGraph.adapter,
  agUi: agUi.adapter,
  loomiEvents: loomiEvents.adapter,
  plainText: plainText.adapter,
}

/**
 * Finds the form by itself. Chunks that come before one that tells it are kept as they are; text is taken for the answer
 * until something else comes.
 */
export const detect: Adapter = () => {
  let form: Form | null = null
  let found: ChunkReader | null = null
  /** What ends the text that came before the form was told. */
  let ending: Draft[] = []

  const at = (chunk: unknown): ChunkReader | null => {
    if (form !== null && form !== plainText) return found
    const told = Object.values(FORMS).find((known) => known.recognises(chunk)) ?? form
    if (told !== form) {
      ending = found?.finish() ?? []
      form = told
      found = told?.adapter() ?? null
    }
    return found
  }

  return {
    read(chunk) {
      const drafts = at(chunk)?.read(chunk) ?? [unknownChunk(chunk)]
      const before = ending
      ending = []
      return [...before, ...drafts]
    },
    finish: () => [...ending, ...(found?.finish() ?? [])],
    outcome: () => found?.outcome?.() ?? null,
    sequence: (chunk) => at(chunk)?.sequence?.(chunk) ?? null,
    answerId: (chunk) => at(chunk)?.answerId?.(chunk) ?? null,
  }
}
