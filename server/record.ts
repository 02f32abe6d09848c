/**
 * Recording: a provider's stream goes to the log and, unchanged, to whoever reads it here.
 *
 * @module
 */
import type { Adapter, Outcome } from './adapters/adapter.ts'
import { type ChunkDecoder, chunkDecoder } from './adapters/chunk-decoder.ts'
import { detect } from './adapters/forms.ts'
import { Intake } from './intake.ts'
import type { RunEnd } from './protocol.ts'
import type { Run } from './run.ts'

/** What can be recorded: an iterable of chunks, async or not, a web stream, a response, or a promise of one. */
export type RecordSource<T> = Streamed<T> | Promise<Streamed<T>>
type Streamed<T> = AsyncIterable<T> | Iterable<T> | ReadableStream<T> | Response

/** How a recording went. */
export interface Recorded {
  readonly status: RunEnd
  /** What the source threw, or the code under which the provider told of its failure. */
  readonly error?: unknown
}

/**
 * A stream being recorded. It starts at once, goes on when its reader leaves, ends or fails the run by itself. Awaiting
 * it waits for the end and the store and never rejects; iterating it yields the source's own chunks (of a response, its
 * bytes), throws what the source threw, and ends when the run is stopped.
 */
export interface Recording<T> extends PromiseLike<Recorded>, AsyncIterable<T> {}

/** What a recording is made with. */
export interface RecordOptions {
  readonly adapter?: Adapter | undefined
  /** From what the source yields to provider chunks. Default: found by itself. */
  readonly decoder?: ChunkDecoder
  /** Whether chunks are kept for a reader; one that nobody reads keeps them all to its end. Default true. */
  readonly keep?: boolean
}

/** Where a recording goes. */
export interface RecordTarget {
  readonly run: Run
  /** The provider's id of the answer may name the run. */
  readonly isNameless: boolean
  /** Ends the run; resolves when all is stored. */
  readonly end: (status: Recorded['status'], error?: unknown) => Promise<void>
}

/** Starts to record `source`. */
export function startRecording<T>(
  target: RecordTarget,
  source: RecordSource<T>,
  { adapter = detect, decoder = chunkDecoder(), keep = true }: RecordOptions = {},
): Recording<T> {
  let chunks: T[] = []
  let keeps = keep
  let done = false
  let failure: { readonly error: unknown } | null = null
  let news = Promise.withResolvers<void>()
  const recorded = record()

  return {
    // oxlint-disable-next-line unicorn/no-thenable -- `await session.record(…)` is the point
    then: (onFulfilled, onRejected) => recorded.then(onFulfilled, onRejected),
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          while (chunks.length > 0) yield chunks.shift()!
          if (failure) throw failure.error
          if (done) return
          await news.promise
        }
      } finally {
        // Nobody will ask for the rest.
        keeps = false
        chunks = []
      }
    },
  }

  async function record(): Promise<Recorded> {
    const { run } = target
    let intake: Intake | null = null
    let result: Recorded = { status: 'complete' }
    run.begin()
    try {
      const stream = await untilFired(source, run.signal)
      const refusal = refusalOf(stream)
      intake = new Intake(run, target.isNameless, adapter())
      for await (const chunk of untilStopped(stream, run.signal)) {
        if (keeps) chunks.push(chunk as T)
        tell()
        // What a provider says when it refuses may hold what is not for users.
        if (!refusal) for (const decoded of decoder.decode(chunk)) intake.take(decoded)
      }
      for (const decoded of decoder.end()) intake.take(decoded)
      result = refusal ?? resultOf(intake.finish())
    } catch (error) {
      // A source that was told to stop may say so by throwing.
      if (!run.signal.aborted) {
        result = { status: 'failed', error }
        failure = { error }
      }
      finishQuietly(intake)
    }
    if (run.signal.aborted) result = { status: run.ending ?? 'stopped' }
    done = true
    tell()
    await target.end(result.status, result.error)
    return result
  }

  function tell(): void {
    news.resolve()
    news = Promise.withResolvers()
  }
}

/** Ends what a broken stream left open. An adapter that can't is the failure already told, or adds nothing to it. */
function finishQuietly(intake: Intake | null): void {
  try {
    intake?.breakOff()
  } catch {}
}

function resultOf(outcome: Outcome | null): Recorded {
  return outcome ? { status: outcome.status, error: { code: outcome.code } } : { status: 'complete' }
}

/** How a recording of a response ends that is no answer. */
function refusalOf(source: unknown): Recorded | null {
  if (!(source instanceof Response) || source.ok) return null
  return { status: 'failed', error: { code: `http_${source.status}` } }
}

/** What a promise brings; of one that comes after the signal nothing is taken, and its stream is told to end. */
async function untilFired<T>(
  source: Streamed<T> | Promise<Streamed<T>>,
  signal: AbortSignal,
): Promise<Streamed<T>> {
  const late = Promise.resolve(source)
  const fired = new Promise<[]>((resolve) => {
    if (signal.aborted) resolve([])
    else signal.addEventListener('abort', () => resolve([]), { once: true })
  })
  const stream = await Promise.race([late, fired])
  if (signal.aborted) void late.then((unwanted) => iteratorOf(unwanted).return?.()).catch(() => undefined)
  return stream
}

/** The items of a source, until the signal fires; a source that is left before its end is told so, and not waited for. */
async function* untilStopped<T>(source: Streamed<T>, signal: AbortSignal): AsyncGenerator {
  const iterator = iteratorOf(source)
  let isOver = false
  let halt = (): void => undefined
  const stop = (): void => halt()
  signal.addEventListener('abort', stop, { once: true })
  try {
    while (!signal.aborted) {
      const item = await new Promise<IteratorResult<unknown> | null>((resolve, reject) => {
        halt = () => resolve(null)
        Promise.resolve(iterator.next()).then(resolve, reject)
      }).catch((error: unknown) => {
        isOver = true
        throw error
      })
      isOver = item?.done === true
      if (!item || item.done === true) break
      yield item.value
    }
  } finally {
    signal.removeEventListener('abort', stop)
    if (!isOver) Promise.resolve(iterator.return?.()).catch(() => undefined)
  }
}

type AnyIterator = Iterator<unknown> | AsyncIterator<unknown>

function iteratorOf<T>(source: Streamed<T>): AnyIterator {
  if (source instanceof Response) return source.body ? iteratorOf(source.body) : [][Symbol.iterator]()
  if (Symbol.asyncIterator in source) return (source as AsyncIterable<unknown>)[Symbol.asyncIterator]()
  // Not every engine iterates a ReadableStream by itself.
  if ('getReader' in source) return readerIterator(source as unknown as ReadableStream<unknown>)
  return (source as Iterable<unknown>)[Symbol.iterator]()
}

function readerIterator(stream: ReadableStream<unknown>): AsyncIterator<unknown> {
  const reader = stream.getReader()
  return {
    async next() {
      const { done, value } = await reader.read()
      return done ? { done: true, value: undefined } : { done: false, value }
    },
    async return() {
      await reader.cancel()
      return { done: true, value: undefined }
    },
  }
}
