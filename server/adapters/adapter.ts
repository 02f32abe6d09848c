/**
 * Adapters: from a provider's chunks to drafts of events.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import { LoomiError } from '../errors.ts'
import { openaiChat } from './openai-chat.ts'

/** One stream's way from chunks to events. Pure but for what it remembers of its own stream. */
export interface ChunkReader {
  /** The events that a chunk makes; none when there is nothing to show in it. */
  read(chunk: unknown): Draft[]
  /** The events that the end of the stream makes, such as the end of open parts. */
  finish(): Draft[]
}

/** Makes a reader for one stream. */
export type Adapter = () => ChunkReader

const KNOWN: readonly { readonly recognises: (chunk: unknown) => boolean; readonly adapter: Adapter }[] = [
  { recognises: openaiChat.recognises, adapter: openaiChat.adapter },
]

/** The adapter for a stream that begins with this chunk. Throws `unknown_stream_form`. */
export function detectAdapter(chunk: unknown): Adapter {
  const form = KNOWN.find(({ recognises }) => recognises(chunk))
  if (!form) {
    throw new LoomiError(
      'unknown_stream_form',
      'The form of this stream is not known. Chat Completions chunks are; for others pass record() an adapter, or emit events by hand.',
    )
  }
  return form.adapter
}
