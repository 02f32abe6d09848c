/**
 * Text that is the answer itself: each chunk is a piece of one message.
 *
 * @module
 */
import type { ChunkReader, Form } from './adapter.ts'
import { guardedForm } from './guarded.ts'
import { Parts } from './parts.ts'
import { unknownChunk } from './shapes.ts'

export const plainText: Form = guardedForm((chunk) => typeof chunk === 'string', textReader)

function textReader(): ChunkReader {
  const parts = new Parts()
  let units = 0

  return {
    read: (chunk) =>
      typeof chunk === 'string' ? parts.delta('', 'message', chunk, () => 'text') : [unknownChunk(chunk)],
    finish: () => parts.endAll(),
    /**
     * Counts the UTF-16 units up to and with this chunk, so a text that is read again in other pieces continues where it
     * was. Ask once for each chunk, in order. What is no text counts as one, or it would take a unit's number.
     */
    sequence(chunk) {
      units += typeof chunk === 'string' ? chunk.length : 1
      return units - 1
    },
  }
}
