/**
 * The producer's handle on a session.
 *
 * @module
 */
import type { Clock } from './clock.ts'
import { type Draft, stampDraft } from './drafts.ts'
import { LoomiError } from './errors.ts'
import type { Log } from './log.ts'
import {
  type Cursor,
  formatCursor,
  type Json,
  type LoomiEvent,
  parseCursor,
  type RunEnd,
} from './protocol.ts'
import { type Recording, type RecordSource, startRecording } from './record.ts'
import type { Adapter } from './adapters/adapter.ts'
import type { SessionWriter } from './session-writer.ts'
import { keyOf, type SessionRef, type Store } from './store.ts'

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
  /** Gives a new run its id. */
  readonly newRunId: () => string
}

/**
 * One conversation, to be written to. Nothing here waits for the store or throws on its account; bad input throws
 * at once and takes nothing. Events go to the current run, which begins with the first of them and ends with
 * `end()` or `fail()`; the next event begins another.
 */
export class Session {
  readonly sessionId: string
  readonly userId: string
  readonly #ref: SessionRef
  readonly #deps: SessionDeps
  #run: { readonly id: string; n: number } | null = null

  /** @internal */
  constructor(ref: SessionRef, deps: SessionDeps, runId: string | undefined) {
    this.#ref = ref
    this.#deps = deps
    this.sessionId = ref.sessionId
    this.userId = ref.userId
    if (runId !== undefined) {
      this.#run = { id: runId, n: 0 }
      deps.writer.resumeRun(runId)
    }
  }

  /** What the user said, whole. */
  user(text: string): void {
    this.emit({
      event_type: 'user_message',
      content_type: 'user',
      agent_source: 'user',
      event_data: checkText(text),
    })
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
    this.emitChunk([event])
  }

  /** Records a provider's stream as this run; see {@link Recording}. Without `adapter` the form is detected. */
  record<T>(source: RecordSource<T>, adapter?: Adapter): Recording<T> {
    return startRecording(this, source, adapter)
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
    if (typeof error === 'string')
      return this.#endRun('failed', { code: 'agent_failed', text: error.slice(0, MAX_REASON_LENGTH) })
    const code = (error as { code?: unknown } | null)?.code
    return this.#endRun('failed', { code: typeof code === 'string' ? code.slice(0, 64) : 'agent_failed' })
  }

  /** Closes the session for good: every stream of it ends, later events are refused. Resolves like `end()`. */
  close(): Promise<void> {
    this.emit({ event_type: 'session_complete', agent_source: 'loomi' })
    this.#run = null
    return this.#deps.writer.flush()
  }

  /** The cursor of the newest event, counting what was emitted so far; `0` while there is none. For a page that renders its own history. */
  async cursor(): Promise<Cursor> {
    await this.#deps.writer.flush()
    const head = await this.#deps.log.head(this.#ref)
    return head ? formatCursor(head.epoch, head.head, head.headKey) : '0'
  }

  /** The log as it is now, after a cursor (default: from the beginning), in order. Throws `bad_request` for a cursor of another log. */
  async *read({ after = '0' }: { after?: Cursor } = {}): AsyncGenerator<
    LoomiEvent & { readonly cursor: Cursor }
  > {
    await this.#deps.writer.flush()
    const from = parseCursor(after)
    const head = await this.#deps.log.head(this.#ref)
    if (!from || (from.epoch !== null && from.epoch !== head?.epoch)) {
      throw new LoomiError(
        'bad_request',
        `${after} is not a cursor of this session. Use '0' for the beginning.`,
      )
    }
    for (let seq = from.seq; head && seq < head.head;) {
      const rows = await this.#deps.store.read(this.#ref, seq, 500)
      if (rows.length === 0) return
      for (const row of rows) {
        seq = row.seq
        if (seq > head.head) return
        yield {
          event_type: row.event_type,
          content_type: row.content_type,
          agent_source: row.agent_source,
          event_data: JSON.parse(row.event_data) as Json,
          ...(row.event_metadata !== null && {
            event_metadata: JSON.parse(row.event_metadata) as { [name: string]: Json },
          }),
          run_id: row.run_id,
          ...(row.part_id !== null && { part_id: row.part_id }),
          ...(row.part_done && { part_done: true as const }),
          created_at: row.created_at,
          key: keyOf(row),
          cursor: formatCursor(head.epoch, row.seq, keyOf(row)),
        }
      }
    }
  }

  /** Why the store refuses this session for good, null as long as it doesn't. */
  get refused(): LoomiError | null {
    return this.#deps.writer.refused
  }

  /**
   * Takes the events of the current run's next input chunk.
   *
   * @internal
   */
  emitChunk(drafts: readonly Draft[]): void {
    const run = this.#currentRun()
    const n = run.n + 1
    const createdAt = new Date(this.#deps.clock.now()).toISOString()
    const events = drafts.map((draft, i) => stampDraft(draft, { runId: run.id, n, i, createdAt }))
    run.n = n
    if (events.length > 0) this.#deps.writer.push(events)
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

  #endRun(status: RunEnd, data: { readonly [name: string]: Json } = {}): Promise<void> {
    // A run that took nothing has nothing to end.
    if (this.#run && this.#run.n > 0) {
      this.emit({
        event_type: 'run_end',
        content_type: status,
        agent_source: 'loomi',
        event_data: { status, ...data },
      })
      this.#run = null
    }
    return this.#deps.writer.flush()
  }

  #currentRun(): { readonly id: string; n: number } {
    this.#run ??= { id: this.#deps.newRunId(), n: 0 }
    return this.#run
  }
}

function checkText(text: unknown): string {
  if (typeof text !== 'string')
    throw new LoomiError(
      'bad_event',
      'The text is a string. For other data use emit({ event_type, event_data }).',
    )
  return text
}
