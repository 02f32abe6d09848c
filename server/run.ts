/**
 * A run: one answer of an agent, as the process that produces it sees it.
 *
 * @module
 */
import type { Clock } from './clock.ts'
import { type Draft, stampChunk, stampRecorded } from './drafts.ts'
import { LoomiError } from './errors.ts'
import { isId, type Json, type RunEnd } from './protocol.ts'
import type { RunBook } from './runs.ts'
import type { SessionWriter } from './session-writer.ts'
import { NOWHERE, opensRun, type RunPlace, type RunRef } from './store.ts'

/** What a run works with. */
export interface RunDeps {
  readonly writer: SessionWriter
  readonly runs: RunBook
  readonly clock: Clock
}

/** One answer; see the module. */
export class Run {
  readonly #deps: RunDeps
  readonly #abort = new AbortController()
  #id: string
  /** The names that it was leased under before. */
  readonly #former: RunRef[] = []
  #place: RunPlace = NOWHERE
  #isEmpty = true
  #state: 'new' | 'open' | RunEnd = 'new'

  /** `isResumed`: it may have been fed before, here or elsewhere; what is stored of it adds nothing. */
  constructor(id: string, isResumed: boolean, deps: RunDeps) {
    this.#id = id
    this.#deps = deps
    if (isResumed) deps.writer.resumeRun(id)
  }

  get ref(): RunRef {
    return { ...this.#deps.writer.ref, runId: this.#id }
  }

  /** All the names under which somebody may stop it. */
  get refs(): readonly RunRef[] {
    return [this.ref, ...this.#former]
  }

  /** Where it is; `n` is the number of its newest chunk. */
  get place(): RunPlace {
    return this.#place
  }

  /** It has no event yet. */
  get isEmpty(): boolean {
    return this.#isEmpty
  }

  /** Whether it has ended here, by itself or because it was stopped. */
  get hasEnded(): boolean {
    return this.#state !== 'new' && this.#state !== 'open'
  }

  /** How it ended here, null as long as it has not. */
  get ending(): RunEnd | null {
    return this.#state === 'new' || this.#state === 'open' ? null : this.#state
  }

  /** Fires when the run is stopped, by whom and wherever that was asked for. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Says that an answer is being made, before it has an event: from now on it can be stopped, and is missed when its process dies. */
  begin(): void {
    if (this.#state !== 'new') return
    this.#state = 'open'
    this.#deps.runs.begin(this)
  }

  /** Takes the provider's id of the answer for its own, as long as it has no event. */
  rename(id: string): void {
    if (!this.isEmpty || this.#id === id || !isId(id)) return
    const former = this.ref
    this.#id = id
    this.#deps.writer.resumeRun(id)
    if (this.#state !== 'open') return
    this.#former.push(former)
    this.#deps.runs.renamed(this, former)
  }

  /** Takes the events of the next chunk. Throws `bad_event` or `event_too_large`; then nothing of it was taken. */
  emit(drafts: readonly Draft[]): void {
    if (this.hasEnded) return
    const n = this.#place.n + 1
    this.#push(stampChunk(drafts, { runId: this.#id, n, i: 0, firstN: n, createdAt: this.#now() }), n)
  }

  /**
   * Takes the events of a recorded chunk, number `n`; what can't be stored of them is replaced by a word about it. `firstN`:
   * the chunk stands for all numbers from there.
   */
  record(drafts: readonly Draft[], n: number, firstN = n): void {
    if (this.hasEnded) return
    const i = n === this.#place.n ? this.#place.i + 1 : 0
    this.#push(stampRecorded(drafts, { runId: this.#id, n, i, firstN, createdAt: this.#now() }), n)
  }

  /** Takes events that belong to no chunk of their own: they stand behind the newest one's and take no number from the next. */
  add(drafts: readonly Draft[]): void {
    this.record(drafts, this.#place.n)
  }

  /** Ends it. Does nothing when it has ended or never began. */
  end(status: RunEnd, data: { readonly [name: string]: Json } = {}): void {
    if (this.#state !== 'open') return
    this.add([
      { event_type: 'run_end', content_type: status, agent_source: 'loomi', event_data: { status, ...data } },
    ])
    this.#state = status
    this.#deps.runs.ended(this, this.#deps.writer.flush())
  }

  /** Takes it back: it was begun, and nothing came of it. */
  leave(): void {
    if (this.#state !== 'open') return
    this.#deps.runs.leave(this)
    this.#state = 'new'
  }

  /** Ends it as stopped and fires its signal. */
  stop(): void {
    if (this.hasEnded) return
    this.end('stopped')
    this.#abort.abort(stopReason())
  }

  /** Takes note that it was stopped elsewhere, where its end was also written. */
  wasStopped(): void {
    if (this.hasEnded) return
    this.#state = 'stopped'
    this.#deps.runs.leave(this)
    this.#abort.abort(stopReason())
  }

  /** Takes note that its process goes away, which writes its end: nothing is taken any more. */
  interrupt(): void {
    if (this.hasEnded) return
    this.#state = 'interrupted'
    const message = 'The process that makes the answer is going away.'
    this.#abort.abort(new LoomiError('closed', message))
  }

  #push(events: ReturnType<typeof stampChunk>, n: number): void {
    const last = events.at(-1)
    this.#place = last ? { n, i: last.i } : n === this.#place.n ? this.#place : { n, i: -1 }
    if (!last) return
    this.#isEmpty = false
    if (this.#state === 'new' && events.some((event) => opensRun(event.event_type))) this.begin()
    this.#deps.writer.push(events)
  }

  #now(): string {
    return new Date(this.#deps.clock.now()).toISOString()
  }
}

function stopReason(): LoomiError {
  return new LoomiError('stopped', 'The answer was stopped by its user.')
}
