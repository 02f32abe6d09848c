/**
 * The promise that reading never throws, kept in one place: a chunk may have getters that throw, or be a broken proxy.
 *
 * @module
 */
import type { ChunkReader } from './adapter.ts'
import { unknownChunk } from './shapes.ts'
import { jsonOf } from './values.ts'

/** The reader itself, but a chunk that it stumbles over is kept as far as JSON can hold it. */
export function guarded(reader: ChunkReader): ChunkReader {
  return {
    ...reader,
    read(chunk) {
      try {
        return reader.read(chunk)
      } catch {
        return [unknownChunk(jsonOf(chunk))]
      }
    },
  }
}

/** Whether a test of a chunk holds; one that throws does not. */
export function holds(test: (chunk: unknown) => boolean): (chunk: unknown) => boolean {
  return (chunk) => {
    try {
      return test(chunk)
    } catch {
      return false
    }
  }
}
