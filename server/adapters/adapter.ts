/**
 * Adapters: from a provider's chunks to drafts of events. What every adapter promises stands here.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { RunEnd } from '../protocol.ts'

/** How a provider says that its answer ended, when it was not well. */
export interface Outcome {
  readonly status: Extract<RunEnd, 'failed' | 'stopped'>
  /** A word to switch on: the provider's own, as far as it has one. */
  readonly code: string
}

/**
 * One stream's way from chunks to events. Pure but for what it remembers of its own stream, and it never throws:
 * a chunk of a kind that it does not know becomes an event under the provider's own name for it.
 */
export interface ChunkReader {
  /** The events that a chunk makes; none when there is nothing to show in it. */
  read(chunk: unknown): Draft[]
  /** The events that the end of the stream makes, such as the end of open parts. */
  finish(): Draft[]
  /** How the provider said that the answer ended; null when it said nothing, or that all went well. */
  outcome?(): Outcome | null
  /**
   * The provider's own number of a chunk, from 0, rising; null when it has none. It becomes the event's n, so a stream
   * that is read again, from wherever, adds only what is new.
   */
  sequence?(chunk: unknown): number | null
  /** The provider's own id of the answer, when this chunk tells it; of use only where chunks are numbered. */
  answerId?(chunk: unknown): string | null
}

/** Makes a reader for one stream. */
export type Adapter = () => ChunkReader

/** A form of stream that is told by its chunks. */
export interface Form {
  /** Whether a chunk can only be of this form. */
  readonly recognises: (chunk: unknown) => boolean
  readonly adapter: Adapter
}
