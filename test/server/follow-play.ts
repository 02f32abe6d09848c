/** A follower of a stream, and the test as its server, on a clock that is moved by hand. */
import { follow, type FollowOptions, type Told } from '../../server/cli/follow.ts'
import { formatCursor, type Frame, type Json, textOf } from '../../server/protocol.ts'
import { FakeClock, settle } from './support.ts'

/** The cursor of a row. */
export const at = (seq: number, epoch = 'e'): string => formatCursor(epoch, seq, `r/${seq}`)
/** A frame on the wire. */
export const sse = (frame: Frame | { type: string; [name: string]: Json }, id?: string): string =>
  `${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(frame)}\n\n`
/** The frame that opens a stream. */
export const opens = (count = 0, cursor: string | null = at(0)): string =>
  sse({ type: 'no_replay', cursor, seen: 0, count, boot: 'b' }, cursor ?? undefined)
/** What all rows have in common. */
export const fields = { content_type: 'note', agent_source: 'a', run_id: 'r', created_at: '', key: 'k' }
/** A row, or several joined, whose text is their seqs. */
export const row = (seq: number, { from, epoch }: { from?: number; epoch?: string } = {}): string => {
  const text = Array.from({ length: seq - (from ?? seq) + 1 }, (_, i) => (from ?? seq) + i).join(',')
  return sse(
    { type: 'event', event_type: 'note', event_data: text, ...fields, ...(from && { from }) },
    at(seq, epoch),
  )
}

/** A connection of the server's side. */
interface Line {
  readonly headers: Headers
  readonly url: string
  send(...frames: string[]): Promise<void>
  end(): Promise<void>
  breakOff(): Promise<void>
}

type PlayOptions = Partial<FollowOptions> & {
  readonly answers?: (Response | Error)[]
  readonly taker?: Promise<void>
}

/** A follower on a server that the test plays. */
export class Play {
  readonly clock = new FakeClock()
  readonly lines: Line[] = []
  readonly texts: string[] = []
  readonly notes: string[] = []
  readonly told: Told[] = []
  /** What the next requests are answered instead of a stream. */
  readonly answers: (Response | Error)[]
  readonly abort = new AbortController()
  over: 'ended' | Error | null = null

  /** `taker` is waited for after all that is told. */
  constructor({ answers = [], taker, ...options }: PlayOptions = {}) {
    this.answers = answers
    const fetch = (url: URL, init: RequestInit): Promise<Response> => {
      const answer = this.answers.shift()
      if (answer instanceof Error) return Promise.reject(answer)
      return Promise.resolve(answer ?? this.#stream(String(url), init))
    }
    const stream = follow({
      url: new URL('http://localhost/stream/s'),
      ticket: null,
      after: '0',
      once: false,
      signal: this.abort.signal,
      fetch: fetch as typeof globalThis.fetch,
      clock: this.clock,
      random: () => 0.5,
      ...options,
    })
    void (async () => {
      for await (const told of stream) {
        this.told.push(told)
        if (told.kind === 'note') this.notes.push(told.text)
        else this.texts.push(textOf(told.event.event_data))
        await taker
      }
    })().then(
      () => (this.over = 'ended'),
      (error: Error) => (this.over = error),
    )
  }

  get line(): Line {
    return this.lines.at(-1)!
  }

  #stream(url: string, { headers, signal }: RequestInit): Response {
    let controller!: ReadableStreamDefaultController<Uint8Array>
    const body = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) })
    signal?.addEventListener('abort', () => controller.error(signal.reason))
    this.lines.push({
      headers: new Headers(headers),
      url,
      send: (...frames) => settled(() => controller.enqueue(new TextEncoder().encode(frames.join('')))),
      end: () => settled(() => controller.close()),
      breakOff: () => settled(() => controller.error(new TypeError('terminated'))),
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }
}

async function settled(act: () => void): Promise<void> {
  act()
  await settle()
}

/** A follower that has asked. */
export async function play(options: PlayOptions = {}): Promise<Play> {
  const one = new Play(options)
  await settle()
  return one
}
