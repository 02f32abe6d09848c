/**
 * The stream endpoint in memory, small enough to be checked by eye: the rows after the cursor, then whatever is appended.
 *
 * @module
 */
import {
  type Cursor,
  formatCursor,
  type Frame,
  type LoomiEvent,
  parseCursor,
  type ResetReason,
  textOf,
} from '../../../server/protocol.ts'

/** What the client asked. */
export interface Asked {
  readonly url: URL
  readonly headers: Headers
}

/** A connection that is held open. */
export interface Held {
  /** Sends bytes as they are. */
  write(text: string): void
  /** Ends it properly. */
  end(): void
  /** Breaks it. */
  cut(): void
}

type Answer = (asked: Asked, signal: AbortSignal | null | undefined) => Response | Promise<Response>

const encoder = new TextEncoder()

/** One session of one user. */
export class ModelServer {
  epoch = 'e1'
  /** The word of the process: another one has forgotten what was unconfirmed. */
  boot = 'b'
  /** Events that the store has not confirmed, in order. */
  unconfirmed: LoomiEvent[] = []
  rows: LoomiEvent[] = []
  readonly asked: Asked[] = []
  /** Rows up to this seq are gone. */
  prunedTo = 0
  /** Answers of the next requests, in order, in place of the stream. */
  readonly script: (Answer | undefined)[] = []
  /** Bytes after which a connection breaks; asked once for each. */
  cutAfter: () => number = () => Infinity
  /** Bytes of the next piece of a frame. */
  pieceBytes: () => number = () => Infinity
  /** Sent as `retry:` on each connection. */
  retryMs: number | null = null
  /** Joins deltas when asked to. */
  merges = true
  readonly held = new Set<Held>()
  readonly #watchers = new Set<() => void>()
  readonly #followers = new Set<Held>()

  /** The `fetch` of a client of this server. */
  readonly fetch: typeof fetch = async (input, init) => {
    const asked = {
      url: new URL(input instanceof Request ? input.url : input, 'http://model'),
      headers: new Headers(init?.headers),
    }
    this.asked.push(asked)
    const answer = this.script.shift() ?? ((one, signal) => this.stream(one, signal))
    return answer(asked, init?.signal)
  }

  get head(): Cursor {
    return this.cursor(this.rows.length)
  }

  cursor(seq: number): Cursor {
    return formatCursor(this.epoch, seq, this.rows[seq - 1]?.key)
  }

  /** Adds events and sends them to whoever watches. */
  append(...events: Partial<LoomiEvent>[]): void {
    for (const event of events) this.rows.push(makeEvent(this.rows.length + 1, event))
    for (const wake of this.#watchers) wake()
  }

  /** Shows events that the store has not confirmed to whoever watches. */
  showUnconfirmed(...events: Partial<LoomiEvent>[]): void {
    for (const event of events) {
      const given = makeEvent(this.rows.length + this.unconfirmed.length + 1, event)
      this.unconfirmed.push(given)
      for (const held of this.#followers) held.write(provisionalFrame(given))
    }
  }

  /** The store takes the first of them. */
  confirm(count = this.unconfirmed.length): void {
    this.append(...this.unconfirmed.splice(0, count))
  }

  /** The process dies, and what the store has not confirmed is lost with it. */
  restart(boot = `${this.boot}+`): void {
    this.boot = boot
    this.unconfirmed = []
    this.cutAll()
  }

  /** Breaks all connections. */
  cutAll(): void {
    for (const held of this.held) held.cut()
  }

  stream({ url, headers }: Asked, signal: AbortSignal | null | undefined): Response {
    const { response, held } = hold(signal, this.cutAfter(), this.pieceBytes, () => {
      this.held.delete(held)
      this.#followers.delete(held)
      this.#watchers.delete(pump)
    })
    this.held.add(held)
    const query = url.searchParams
    if (this.retryMs !== null) held.write(`retry: ${this.retryMs}\n\n`)
    let { cursor: seq, reset } = this.#resolve(headers.get('last-event-id') ?? query.get('after'))
    if (reset) held.write(frame({ type: 'reset', reason: reset }, `${this.epoch}-0`))
    const seen = Math.max(this.#resolve(query.get('seen')).cursor, query.get('seen') === null ? seq : 0)
    const to = this.rows.length
    const missed = Math.max(0, to - Math.max(seq, seen))
    const at = this.rows.length === 0 && seq === 0 ? null : this.cursor(seq)
    if (missed === 0)
      held.write(frame({ type: 'no_replay', cursor: at, seen, count: to - seq, boot: this.boot }, at))
    else
      held.write(
        frame(
          {
            type: 'replay_start',
            reason: 'cursor_behind',
            count: to - seq,
            missed,
            seen,
            to,
            boot: this.boot,
          },
          at,
        ),
      )
    const bounds = [seen, to]
    const announced = to > seq
    const pump = (): void => {
      const frames: string[] = []
      let row: LoomiEvent | undefined
      while (seq < this.rows.length && row?.event_type !== 'session_complete') {
        const last = query.get('merge') === '1' && this.merges ? this.#runFrom(seq + 1, bounds) : seq + 1
        row = this.rows[last - 1]!
        if (seq < this.prunedTo) {
          frames.push(
            frame({ type: 'gap', from: seq + 1, to: this.prunedTo }, formatCursor(this.epoch, this.prunedTo)),
          )
          seq = this.prunedTo
          continue
        }
        if (row.event_type === 'session_complete')
          frames.push(frame({ type: 'session_complete' }, this.cursor(last)))
        else frames.push(this.#eventFrame(seq + 1, last))
        seq = last
        if (announced && seq === to)
          frames.push(frame({ type: 'replay_complete', count: to }, this.cursor(to)))
      }
      held.write(frames.join(''))
      if (row?.event_type === 'session_complete') held.end()
    }
    this.#watchers.add(pump)
    pump()
    if (query.get('follow') === '0') held.end()
    else {
      this.#followers.add(held)
      held.write(this.unconfirmed.map(provisionalFrame).join(''))
    }
    return response
  }

  #eventFrame(from: number, to: number): string {
    const rows = this.rows.slice(from - 1, to)
    const last = rows.at(-1)!
    const event = { ...rows[0]!, key: last.key, ...(last.part_done ? { part_done: true as const } : {}) }
    if (from === to) return frame({ type: 'event', ...event }, this.cursor(to))
    const event_data = rows.map((row) => textOf(row.event_data)).join('')
    return frame({ type: 'event', ...event, event_data, from }, this.cursor(to))
  }

  #runFrom(seq: number, bounds: readonly number[]): number {
    const { part_id } = this.rows[seq - 1]!
    let last = seq
    while (part_id && !bounds.includes(last) && this.rows[last]?.part_id === part_id) last++
    return last
  }

  #resolve(text: string | null): { cursor: number; reset: ResetReason | null } {
    const cursor = parseCursor(text ?? '0')
    if (!cursor) return { cursor: 0, reset: 'malformed' }
    if (cursor.epoch !== null && cursor.epoch !== this.epoch) return { cursor: 0, reset: 'epoch' }
    if (cursor.seq > this.rows.length) return { cursor: 0, reset: 'beyond_end' }
    return { cursor: cursor.seq, reset: null }
  }
}

/** An event with everything that it needs, `e<seq>` as its text. */
export function makeEvent(seq: number, event: Partial<LoomiEvent> = {}): LoomiEvent {
  const run_id = event.run_id ?? 'r1'
  return {
    event_type: 'llm_chunk',
    content_type: 'message',
    agent_source: 'agent',
    event_data: `e${seq}`,
    run_id,
    created_at: '2026-01-01T00:00:00.000Z',
    key: `${run_id}/${seq}`,
    ...event,
  }
}

/** One frame as text. */
export function frame(value: Frame | { readonly type: string }, id: Cursor | null): string {
  return `${id === null ? '' : `id: ${id}\n`}data: ${JSON.stringify(value)}\n\n`
}

/** The frame of an event that is not stored. */
export function provisionalFrame(event: LoomiEvent): string {
  return frame({ ...event, type: 'event', provisional: true }, null)
}

/** A streaming answer and the hand that holds it; `onEnd` once it is over, by whomever. */
export function hold(
  signal: AbortSignal | null | undefined,
  cutAfterBytes = Infinity,
  pieceBytes: () => number = () => Infinity,
  onEnd: () => void = () => {},
): { response: Response; held: Held } {
  let controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>
  let left = cutAfterBytes
  let over = false
  const finish = (last: () => void): void => {
    if (over) return
    over = true
    last()
    // The holder may still be making itself known.
    queueMicrotask(onEnd)
  }
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (given) => void (controller = given),
    cancel: () => finish(() => {}),
  })
  signal?.addEventListener('abort', () => finish(() => controller.error(signal.reason)))
  const cut = (): void => finish(() => controller.error(new TypeError('network error')))
  const held: Held = {
    write(text) {
      if (over) return
      const bytes = encoder.encode(text).slice(0, left)
      left -= bytes.length
      for (let at = 0, end = 0; at < bytes.length; at = end) {
        end = at + Math.min(pieceBytes(), bytes.length)
        controller.enqueue(bytes.slice(at, end))
      }
      // What was sent before the break still arrives.
      if (left === 0) setTimeout(cut, 0)
    },
    end: () => finish(() => controller.close()),
    cut,
  }
  return { response: new Response(body, { headers: { 'content-type': 'text/event-stream' } }), held }
}
