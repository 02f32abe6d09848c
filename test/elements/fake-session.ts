/**
 * One session behind a `fetch`: a log in memory that answers with real event streams, as the server does.
 *
 * @module
 */
import { formatCursor, parseCursor, type LoomiEvent } from '../../server/protocol.ts'

type Given = Partial<LoomiEvent> & { readonly content_type: string }

interface Row extends LoomiEvent {
  readonly seq: number
}

/** A session whose events a test adds. `fetch` is given to the element. */
export class FakeSession {
  /** What was asked, newest last. */
  readonly requests: URL[] = []
  /** Streams that are open now. */
  readonly open = new Set<ReadableStreamDefaultController<Uint8Array>>()
  /** The seq up to which the user has seen the log, for requests that do not say. */
  seen = 0
  /** Set, it is the answer instead of a stream. */
  refusal: { readonly status: number; readonly code: string; readonly message: string } | null = null
  /** The word of the server process. */
  boot = 'b1'
  #epoch = 'e1'
  #rows: Row[] = []

  /** Adds an event, sends it to whoever listens. A bare string is a live delta's text. */
  emit(given: Given): this {
    const seq = this.#rows.length + 1
    const row: Row = {
      ...anEvent(seq, given),
      seq,
    }
    this.#rows.push(row)
    this.#toAll(this.#event(row))
    return this
  }

  /** A message, a thought or what the user said, whole. */
  say(content_type: string, text: string): this {
    return this.emit({ content_type, event_data: { text } })
  }

  /** Shows an event that is not stored; `emit` of the same one stores it. */
  showUnsaved(n: number, given: Given): this {
    return this.frame({ type: 'event', ...anEvent(n, given), provisional: true })
  }

  /** Sends a frame without a row. */
  frame(frame: object, id?: string): this {
    this.#toAll(encode(frame, id))
    return this
  }

  /** Drops the log for another one; the next connect is answered with a reset. */
  beginAnew(): this {
    this.#epoch = 'e2'
    this.#rows = []
    return this
  }

  /** Ends all streams, as a server that goes away. */
  cut(): void {
    for (const controller of this.open) controller.close()
    this.open.clear()
  }

  readonly fetch: typeof fetch = async (input, init) => {
    const request = new Request(input, init)
    const url = new URL(request.url)
    this.requests.push(url)
    if (this.refusal) {
      const { status, code, message } = this.refusal
      return Response.json({ success: false, error: { code, message } }, { status })
    }
    let mine: ReadableStreamDefaultController<Uint8Array> | null = null
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        mine = controller
        const position = request.headers.get('last-event-id') ?? url.searchParams.get('after')
        controller.enqueue(bytes(this.#opening(position, url.searchParams.get('seen'))))
        this.open.add(controller)
        init?.signal?.addEventListener('abort', () => this.open.delete(controller))
      },
      cancel: () => void this.open.delete(mine!),
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }

  #opening(position: string | null, seenCursor: string | null): string {
    const start = position === null ? null : parseCursor(position)
    const isForeign = start !== null && start.epoch !== null && start.epoch !== this.#epoch
    const after = isForeign ? 0 : (start?.seq ?? this.seen)
    const seen = Math.max(after, seenCursor === null ? this.seen : (parseCursor(seenCursor)?.seq ?? 0))
    const rows = this.#rows.slice(after)
    const to = this.#rows.length
    const missed = Math.max(0, to - seen)
    const count = rows.length
    const reset = isForeign ? encode({ type: 'reset', reason: 'epoch' }, formatCursor(this.#epoch, 0)) : ''
    const first =
      missed > 0
        ? { type: 'replay_start', reason: 'cursor_behind', count, missed, seen, to, boot: this.boot }
        : { type: 'no_replay', cursor: this.#cursor(after), seen, count, boot: this.boot }
    const complete = encode({ type: 'replay_complete', count }, this.#cursor(to))
    const events = rows.map((row) => this.#event(row)).join('')
    return reset + encode(first, this.#cursor(after)) + events + (count > 0 ? complete : '')
  }

  #event({ seq, ...event }: Row): string {
    return encode({ type: 'event', ...event }, this.#cursor(seq))
  }

  #cursor(seq: number): string {
    return formatCursor(this.#epoch, seq, this.#rows[seq - 1]?.key ?? '')
  }

  #toAll(frame: string): void {
    for (const controller of this.open) controller.enqueue(bytes(frame))
  }
}

function anEvent(n: number, given: Given): LoomiEvent {
  return {
    event_type: 'llm_chunk',
    agent_source: 'concierge',
    event_data: '',
    run_id: 'r1',
    created_at: '2026-11-23T08:00:00Z',
    key: `r1/${n}`,
    ...given,
  }
}

function encode(frame: object, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(frame)}\n\n`
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
