/**
 * The producer's handle on a session.
 *
 * @module
 */
import type { Clock } from './clock.ts'
import type { Draft } from './drafts.ts'
import { LoomiError } from './errors.ts'
import type { Log } from './log.ts'
import { type Cursor, formatCursor, isId, type Json, tagOf } from './protocol.ts'
import { type ReadEvent, readLog } from './read-log.ts'
import {
  type Recorded,
  type Recording,
  type RecordOptions,
  type RecordSource,
  startRecording,
} from './record.ts'
import type { Adapter } from './adapters/adapter.ts'
import { Run } from './run.ts'
import type { RunBook } from './runs.ts'
import type { SessionWriter } from './session-writer.ts'
import type { SessionRef, Store } from './store.ts'

/** Of the text of a failure only so many characters travel. */
const MAX_REASON_LENGTH = 2000

/** What text methods take beside the text. */
export interface TextOptions {
  /** Joins deltas to one text; without it the text is whole. */
  readonly part?: string
  /** With `part`: this is its last delta. */
  readonly done?: boolean
  /** Who says it. Default `agent`. */
  readonly agent_source?: string
}

/** What a session works with. */
export interface SessionDeps {
  readonly writer: SessionWriter
  readonly log: Log
  readonly store: Store
  readonly clock: Clock
  readonly runs: RunBook
}

/**
 * One conversation, to be written to. Nothing here waits for the store or throws on its account; bad input throws
 * at once and takes nothing. What is emitted by hand goes to the current run, which begins with the first of it and
 * ends with `end()` or `fail()`; the next event begins another. A recording is a run of its own, and so is what the
 * user says.
 */
export class Session {
  readonly sessionId: string
  /** Whom the handle was made for, also when the session is somebody else's by now. */
  readonly userId: string
  readonly #deps: SessionDeps
  /** The run that the app named, as long as no run has that name. */
  #name: string | undefined
  #userRun: Run | null = null
  #run: Run | null = null

  /** @internal */
  constructor(ref: SessionRef, deps: SessionDeps, runId: string | undefined) {
    this.#deps = deps
    this.sessionId = ref.sessionId
    this.userId = ref.userId
    this.#name = runId
    // Named after the run, so that a process which does it all again adds no second question either.
    if (runId !== undefined) this.#userRun = this.#newRun(userRunOf(runId), true)
  }

  /** What the user said, whole. */
  user(text: string): void {
    this.#userRun ??= this.#newRun(randomId(), false)
    // Whatever was stopped before is over: what follows answers this.
    if (this.#run?.hasEnded) this.#run = null
    this.#userRun.emit([
      {
        event_type: 'user_message',
        content_type: 'user',
        agent_source: 'user',
        event_data: checkText(text),
      },
    ])
  }

  /** What the agent thinks. */
  thought(text: string, options?: TextOptions): void {
    this.#text('thought', text, options)
  }

  /** What the agent says. */
  message(text: string, options?: TextOptions): void {
    this.#text('message', text, options)
  }

  /** Any event. Throws `bad_event` or `event_too_large`. */
  emit(event: Draft): void {
    this.#currentRun().emit([event])
  }

  /**
   * Fires when the user stops the answer that is being made, wherever that was asked for; give it to the model's SDK and to
   * tools. Reading it says that an answer begins, which `record()`, `end()` or `fail()` must end. After a stop it stays
   * fired, and what is emitted is dropped, until `end()`, `fail()`, `user()` or `record()` begins something new.
   */
  get signal(): AbortSignal {
    const run = this.#currentRun()
    run.begin()
    return run.signal
  }

  /**
   * Records a provider's stream as a run of its own; see {@link Recording}. Without `adapter` its form is detected. Where
   * the provider numbers its chunks (OpenAI Responses), the run has the answer's own id unless the app named one, and a
   * stream that is read again adds only what is new.
   */
  record<T>(source: RecordSource<T>, adapter?: Adapter): Recording<T> {
    return this.recordWith(source, { adapter })
  }

  /**
   * As {@link record}, with all that can be chosen.
   *
   * @internal
   */
  recordWith<T>(source: RecordSource<T>, options: RecordOptions): Recording<T> {
    const isNameless = this.#name === undefined
    // One that was begun for its signal is the run that this stream was asked for in.
    const begun = this.#run?.isEmpty && !this.#run.hasEnded ? this.#run : null
    const run = begun ?? this.#namedRun()
    if (begun || this.#run?.hasEnded) this.#run = null
    const end = async (status: Recorded['status'], error?: unknown): Promise<void> => {
      run.end(status, status === 'failed' ? failureOf(error) : {})
      // What was emitted by hand beside it has nobody else to end it; one begun for its signal is the next answer's.
      if (this.#run && !this.#run.isEmpty) {
        this.#run.end('complete')
        this.#run = null
      }
      await this.#deps.writer.flush()
    }
    return startRecording({ run, isNameless, end }, source, options)
  }

  /**
   * Records the answer of a route that streams already, and gives it back: same status, same headers, same bytes at the same
   * time. When its reader leaves, the recording goes on.
   */
  tee(response: Response, adapter?: Adapter): Response {
    if (!response.body) return response
    const [theirs, ours] = response.body.tee()
    void this.recordWith(new Response(ours, response), { adapter, keep: false })
    return new Response(theirs, response)
  }

  /** Ends the run as complete. Resolves when all that was emitted so far is stored or refused; never rejects. */
  end(): Promise<void> {
    return this.#endRun('complete')
  }

  /**
   * Ends the run as failed. A text is shown to the user; of an `Error` only its `code` travels, since its message may
   * hold what is not for users. Resolves like `end()`.
   */
  fail(error: unknown): Promise<void> {
    return this.#endRun('failed', failureOf(error))
  }

  /**
   * Closes the session for good: what is still being answered here ends, every stream of it ends, later events are refused.
   * Resolves like `end()`.
   */
  close(): Promise<void> {
    void this.#endRun('complete')
    this.#deps.runs.leaveSession(this.sessionId)
    this.#newRun(randomId(), false).record([{ event_type: 'session_complete', agent_source: 'loomi' }], 1)
    return this.#deps.writer.flush()
  }

  /**
   * The cursor of the newest event, counting what was emitted so far; `0` while there is none, or when the session was
   * given to another user. For a page that renders its own history.
   */
  async cursor(): Promise<Cursor> {
    await this.#deps.writer.flush()
    // Appends follow the session to another user, reads do not.
    const head = await this.#deps.log.head(this)
    return head ? formatCursor(head.epoch, head.head, head.headKey) : '0'
  }

  /**
   * The log as it is now, after a cursor (default: from the beginning), in order; nothing of it when the session was given to
   * another user: that one's handle reads it. Throws `bad_request` for a cursor of another log.
   */
  async *read({ after = '0' }: { after?: Cursor } = {}): AsyncGenerator<ReadEvent> {
    await this.#deps.writer.flush()
    yield* readLog(this, after, this.#deps)
  }

  /** Why the store refuses what is emitted; null as long as it doesn't, and again once it does no more. */
  get refused(): LoomiError | null {
    return this.#deps.writer.refused
  }

  #text(
    content_type: 'thought' | 'message',
    text: string,
    { part, done, agent_source }: TextOptions = {},
  ): void {
    this.emit({
      event_type: 'llm_chunk',
      content_type,
      event_data: checkText(text),
      ...(agent_source !== undefined && { agent_source }),
      ...(part !== undefined && { part, part_done: done === true }),
    })
  }

  #endRun(status: 'complete' | 'failed', data: { readonly [name: string]: Json } = {}): Promise<void> {
    if (status === 'complete' && this.#run?.isEmpty) this.#run.leave()
    else this.#run?.end(status, data)
    this.#run = null
    return this.#deps.writer.flush()
  }

  #currentRun(): Run {
    // One that was stopped stays, or an agent that does not look at its signal would go on in another.
    this.#run ??= this.#namedRun()
    return this.#run
  }

  #namedRun(): Run {
    const name = this.#name
    this.#name = undefined
    return this.#newRun(name ?? randomId(), name !== undefined)
  }

  #newRun(id: string, isResumed: boolean): Run {
    return new Run(id, isResumed, this.#deps)
  }
}

/** A name for what the user says beside a run, as long as a name may be. */
function userRunOf(runId: string): string {
  const name = `${runId}.user`
  return isId(name) ? name : `${runId.slice(0, 100).toWellFormed()}~${tagOf(runId)}.user`
}

/** 52 random bits and more: enough for the runs of one session. */
function randomId(): string {
  return crypto.randomUUID().slice(0, 13)
}

/** What of a failure may travel. */
function failureOf(error: unknown): { readonly [name: string]: Json } {
  if (typeof error === 'string') return { code: 'agent_failed', text: error.slice(0, MAX_REASON_LENGTH) }
  let code: unknown
  try {
    code = (error as { code?: unknown } | null)?.code
  } catch {
    // What is thrown may be anything, and it is not ours to fail over.
  }
  return { code: typeof code === 'string' ? code.slice(0, 64) : 'agent_failed' }
}

function checkText(text: unknown): string {
  if (typeof text !== 'string')
    throw new LoomiError(
      'bad_event',
      'The text is a string. For other data use emit({ event_type, event_data }).',
    )
  return text
}
