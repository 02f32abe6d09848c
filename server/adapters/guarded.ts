/**
 * The promise that no adapter throws, kept in one place: a chunk may have getters that throw, or be a broken proxy.
 *
 * @module
 */
import type { Adapter, ChunkReader, Form } from './adapter.ts'
import { unknownChunk } from './shapes.ts'

/** A form that keeps the promise, in its test of a chunk and in its readers. */
export function guardedForm(recognises: Form['recognises'], adapter: Adapter): Form {
  return {
    recognises: (chunk) => attempt(() => recognises(chunk), false),
    adapter: () => guarded(adapter()),
  }
}

/** A chunk that the reader stumbles over is kept as far as JSON can hold it. */
function guarded(reader: ChunkReader): ChunkReader {
  return {
    read: (chunk) => attempt(() => reader.read(chunk), null) ?? [unknownChunk(chunk)],
    finish: () => attempt(() => reader.finish(), []),
    outcome: () => attempt(() => reader.outcome?.(), null) ?? null,
    sequence: (chunk) => attempt(() => reader.sequence?.(chunk), null) ?? null,
    answerId: (chunk) => attempt(() => reader.answerId?.(chunk), null) ?? null,
  }
}

function attempt<T, U>(act: () => T, otherwise: U): T | U {
  try {
    return act()
  } catch {
    return otherwise
  }
}
