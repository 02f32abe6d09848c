/**
 * Recording: a provider's stream goes to the log and, unchanged, to whoever reads it here.
 *
 * @module
 */
import { type Adapter, type ChunkReader, detectAdapter } from './adapters/adapter.ts'
import type { RunEnd } from './protocol.ts'
import type { Session } from './session.ts'

/** What can be recorded: an iterable of chunks, async or not, a web stream, or a promise of one. */
export type RecordSource<T> = Streamed<T> | Promise<Streamed<T>>
type Streamed<T> = AsyncIterable<T> | Iterable<T> | ReadableStream<T>

/** How a recording went. */
export interface Recorded {
  readonly status: Extract<RunEnd, 'complete' | 'failed'>
  /** What the source threw. */
  readonly error?: unknown
}

/**
 * A stream being recorded. It starts at once, goes on when its reader leaves, ends or fails the run by itself. Awaiting
 * it waits for the end and the store and never rejects; iterating it yields the source's own chunks, and throws what
 * the source threw.
 */
export interface Recording<T> extends PromiseLike<Recorded>, AsyncIterable<T> {}

/** Starts to record `source` as the session's current run. */
export function startRecording<T>(
  session: Session,
  source: RecordSource<T>,
  adapter?: Adapter,
): Recording<T> {
  const chunks: T[] = []
  let done = false
  let failure: { readonly error: unknown } | null = null
  let news = Promise.withResolvers<void>()
  const recorded = record()

  return {
    // oxlint-disable-next-line unicorn/no-thenable -- `await session.record(…)` is the point
    then: (onFulfilled, onRejected) => recorded.then(onFulfilled, onRejected),
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (chunks.length > 0) yield chunks.shift()!
        if (failure) throw failure.error
        if (done) return
        await news.promise
      }
    },
  }

  async function record(): Promise<Recorded> {
    let reader: ChunkReader | null = null
    let result: Recorded = { status: 'complete' }
    try {
      reader = adapter ? adapter() : null
      for await (const chunk of iterate(await source)) {
        chunks.push(chunk)
        tell()
        reader ??= detectAdapter(chunk)()
        session.emitChunk(reader.read(chunk))
      }
      session.emitChunk(reader?.finish() ?? [])
    } catch (error) {
      result = { status: 'failed', error }
      failure = { error }
      endParts(reader)
    }
    done = true
    tell()
    await (result.status === 'complete' ? session.end() : session.fail(result.error))
    return result
  }

  function tell(): void {
    news.resolve()
    news = Promise.withResolvers()
  }

  /** Ends what a broken stream left open. An adapter that can't is the failure already told, or adds nothing to it. */
  function endParts(reader: ChunkReader | null): void {
    try {
      session.emitChunk(reader?.finish() ?? [])
    } catch {}
  }
}

/** Not every engine iterates a ReadableStream by itself. */
async function* iterate<T>(source: Streamed<T>): AsyncGenerator<T> {
  if (!('getReader' in source) || Symbol.asyncIterator in source) {
    yield* source as AsyncIterable<T>
    return
  }
  const reader = (source as ReadableStream<T>).getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}
