/**
 * One attempt to supply a view: from the request, in the pace that suits an eye, to whatever ends it.
 *
 * @module
 */
import type { Cursor } from '../../server/protocol.ts'
import { abortable, Nap } from './clock.ts'
import { ConnectionError, readStream } from './connection.ts'
import { parseFrame, type RawFrame, type Received } from './frames.ts'
import { pace, type Pacing } from './pacer.ts'
import type { Clock } from './types.ts'
import type { Verdict } from './view.ts'

/** Milliseconds: an attempt that brought nothing new must have lived so long to count as healthy. */
const HEALTHY_MS = 5000

/** Whom an attempt serves. */
export interface AttemptHost {
  /** Address and headers of the request; `once`: for what there is. `renew`: the last token was refused. */
  readonly prepare: (
    once: boolean,
    renew: boolean,
  ) => Promise<{ readonly url: string; readonly headers: { readonly [name: string]: string } }>
  /** An attempt begins; a quiet one continues a live view. */
  readonly begin: (quiet: boolean) => void
  /** Frames came, before their turn in the pace. */
  readonly heard: (frames: readonly RawFrame[], quiet: boolean) => void
  /** Nothing more of the batch may be taken in once the signal is aborted. */
  readonly receive: (batch: readonly Received[], signal: AbortSignal) => Verdict
  /** A request for what there is has ended: `hole` when more is known to exist. */
  readonly settled: () => Verdict
  readonly position: () => Cursor | null
  /** Whether the view has everything up to the end of the last stream's replay. */
  readonly live: () => boolean
}

/** What requests and their pace are made with. */
export interface AttemptOptions {
  readonly credentials: RequestCredentials
  readonly fetch: typeof fetch
  readonly clock: Clock
  readonly pacing: Omit<Pacing, 'sleep' | 'now'>
}

/** What this one is to be. */
export interface AttemptPlan {
  /** Asks for what there is and no more. */
  readonly once: boolean
  /** Continues a live view: no replay is announced and nothing is paced. */
  readonly quiet: boolean
  /** The next one comes soon: it may do without an answer while the server has none. */
  readonly polls: boolean
  readonly renew: boolean
  /** The first frame came. */
  readonly onOpen: () => void
  /** The server's `retry:`, in milliseconds. */
  readonly onRetry: (ms: number) => void
}

/** How an attempt ended. `settled`: what was asked for once is in. */
export type Outcome = 'settled' | 'complete' | 'superseded' | 'hole' | 'interrupted' | ConnectionError

/** The reason of an abort that is nobody's fault. */
const INTERRUPTED = Symbol('interrupted')

/** Runs once. */
export class Attempt {
  readonly #host: AttemptHost
  readonly #options: AttemptOptions
  readonly #plan: AttemptPlan
  readonly #abort = new AbortController()
  readonly #pause: Nap
  readonly #began: { readonly at: number; readonly position: Cursor | null }
  #lastByteAt: number
  #open = false
  #heard = false

  constructor(host: AttemptHost, options: AttemptOptions, plan: AttemptPlan) {
    this.#host = host
    this.#options = options
    this.#plan = plan
    this.#pause = new Nap(options.clock)
    this.#began = { at: options.clock.now(), position: host.position() }
    this.#lastByteAt = this.#began.at
    this.#abort.signal.addEventListener('abort', () => this.#pause.end())
  }

  /** Whether any byte came. */
  get heard(): boolean {
    return this.#heard
  }

  /** Whether it brought something new, or was open for long enough to say that the server is well. */
  get healthy(): boolean {
    const { at, position } = this.#began
    return this.#open && (this.#options.clock.now() - at >= HEALTHY_MS || this.#host.position() !== position)
  }

  /** Milliseconds since the last byte, or since the beginning. */
  get silentForMs(): number {
    return this.#options.clock.now() - this.#lastByteAt
  }

  /** Resolves when the attempt is over; never rejects. Nothing reaches the host after {@link Attempt.interrupt}. */
  async run(): Promise<Outcome> {
    const { signal } = this.#abort
    const { once, quiet, polls } = this.#plan
    try {
      signal.throwIfAborted()
      this.#host.begin(quiet)
      for await (const batch of quiet ? this.#frames() : this.#paced()) {
        signal.throwIfAborted()
        if (!this.#open) this.#plan.onOpen()
        this.#open = true
        signal.throwIfAborted()
        const verdict = this.#host.receive(batch, signal)
        signal.throwIfAborted()
        if (verdict !== 'go') return verdict
      }
      signal.throwIfAborted()
      const isAll = once && this.#host.live() && (this.#open || polls)
      if (!isAll) throw new ConnectionError('broken', 'network', 'The stream ended.')
      const verdict = this.#host.settled()
      return verdict === 'go' ? 'settled' : verdict
    } catch (error) {
      if (error === INTERRUPTED) return 'interrupted'
      if (error instanceof ConnectionError) return error
      return new ConnectionError('broken', 'internal', String(error), { cause: error })
    }
  }

  /** Ends it at once. */
  interrupt(): void {
    this.#abort.abort(INTERRUPTED)
  }

  /** Ends the pause between two groups of a replay. */
  hurry(): void {
    this.#pause.end()
  }

  #paced(): AsyncIterable<readonly Received[]> {
    const { clock, pacing } = this.#options
    const sleep = (ms: number): Promise<void> => this.#pause.take(ms)
    return pace(this.#frames(), { ...pacing, sleep, now: () => clock.now() })
  }

  async *#frames(): AsyncGenerator<readonly Received[]> {
    const { clock, credentials, fetch } = this.#options
    const { once, quiet, renew, onRetry } = this.#plan
    const { signal } = this.#abort
    const request = await abortable(this.#host.prepare(once, renew), signal)
    const onBytes = (): void => {
      this.#lastByteAt = clock.now()
      this.#heard = true
    }
    const connection = { ...request, credentials, fetch, clock, attempt: this.#abort, onBytes, onRetry }
    for await (const frames of readStream(connection)) {
      signal.throwIfAborted()
      this.#host.heard(frames, quiet)
      yield frames.map(parseFrame)
    }
  }
}
