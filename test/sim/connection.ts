/** One simulated connection: the bytes of a server's answer on their way to a page, in pieces, late, cut or never. */
import type { Book } from './problems.ts'
import type { Random } from './random.ts'
import type { Server } from './server.ts'
import type { Owner, World } from './world.ts'

/** What becomes of a connection, drawn when it is made. */
export interface Fate {
  readonly latencyMs: number
  /** Bytes after which it breaks. */
  readonly cutAfter: number
  /** How it breaks: with an error, with a clean end, or without a word. */
  readonly breaks: 'error' | 'end' | 'silence'
  /** Bytes of a piece, at most. */
  readonly pieceBytes: number
  /** Bytes that may be on their way. */
  readonly windowBytes: number
  /** The page's fetch goes on after it was told to stop. */
  readonly ignoresAbort: boolean
}

type Read = ReadableStreamReadResult<Uint8Array>

/** See the module. `reader` is the server's end; the page has {@link Connection.body}. */
export class Connection {
  readonly server: Server
  readonly page: Owner
  readonly #world: World
  #fate: Fate
  readonly #random: Random
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #onSilence: () => void
  readonly #onOver: () => void
  readonly #ready: Uint8Array[] = []
  #waiting: { resolve: (read: Read) => void; reject: (error: unknown) => void } | null = null
  #end: { readonly error: unknown } | 'done' | null = null
  #sent = 0
  #onWay = 0
  #arrivesAt = 0
  #paused: (() => void) | null = null
  /** Nothing that the server sends leaves any more. */
  #isBroken = false
  #isOver = false
  /** Somebody reads from it. */
  #isTaken = false

  constructor(
    world: World,
    random: Random,
    fate: Fate,
    ends: {
      server: Server
      page: Owner
      body: ReadableStream<Uint8Array>
      /** Nobody hears the server any more, and it does not know. */
      onSilence: () => void
      onOver: () => void
    },
  ) {
    this.#world = world
    this.#random = random
    this.#fate = fate
    this.server = ends.server
    this.page = ends.page
    this.#reader = ends.body.getReader()
    this.#onSilence = ends.onSilence
    this.#onOver = ends.onOver
  }

  /** Whether both ends think that it is there. */
  get isWhole(): boolean {
    return !this.#isBroken && !this.#isOver
  }

  /** What the page reads from; as much of a `ReadableStream` as the client uses. */
  get body(): ReadableStream<Uint8Array> {
    const reader = { read: () => this.#read(), cancel: async () => this.leave() }
    const getReader = (): typeof reader => {
      this.#isTaken = true
      return reader
    }
    return { getReader, cancel: reader.cancel } as unknown as ReadableStream<Uint8Array>
  }

  /** Carries bytes until one of the ends is gone. `look` sees what the server wrote, whole. */
  async pump(look: (bytes: Uint8Array) => void): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.#reader.read()
        if (!this.server.owner.isAlive) return
        if (done) return this.#arrive(() => this.#finish('done'))
        look(value)
        // Nobody takes what a broken connection brings; the server runs against its own bound.
        if (this.#isBroken) return
        this.#send(value)
        if (this.#onWay >= this.#fate.windowBytes)
          await new Promise<void>((resolve) => void (this.#paused = resolve))
      }
    } catch (error) {
      this.#arrive(() => this.#finish({ error }))
    }
  }

  /** It breaks now; bytes that are on their way are lost with it. */
  cut(how: Fate['breaks'] = this.#fate.breaks): void {
    if (this.#isBroken) return
    this.#isBroken = true
    this.#world.note('cut', this.page.name, how, this.#sent)
    if (how === 'silence') {
      this.#onSilence()
      // Sooner or later the server's machine notices that nobody acknowledges.
      this.#world.after(this.#random.int(20_000, 60_000), () => this.#hangUp())
    } else {
      this.#arrive(() => this.#finish(how === 'end' ? 'done' : { error: new TypeError('network error') }))
      this.#world.after(this.#fate.latencyMs, () => this.#hangUp())
    }
    this.#resume()
  }

  /** What was drawn for it does not happen any more. */
  heal(): void {
    this.#fate = { ...this.#fate, cutAfter: Infinity }
  }

  /** Its server is gone. */
  orphan(how: Fate['breaks']): void {
    this.cut(how)
    this.#over()
  }

  /** The page lets go of it; the server hears of that a little later, or, of a broken one, never. */
  leave(): void {
    this.#end ??= 'done'
    this.#ready.length = 0
    this.#waiting = null
    if (!this.#isBroken) this.#world.after(this.#fate.latencyMs, () => this.#hangUp())
  }

  /** The page was told to stop. */
  abort(reason: unknown): void {
    if (this.#fate.ignoresAbort && this.#isTaken) return
    this.#waiting?.reject(reason)
    this.leave()
    this.#end = { error: reason }
  }

  #send(bytes: Uint8Array): void {
    const { cutAfter, pieceBytes, breaks } = this.#fate
    const whole = bytes.subarray(0, Math.max(0, cutAfter - this.#sent))
    // Few bytes at a time, but not for a whole long answer: the hundredth small piece tells no more.
    const size = this.#sent < 600 ? pieceBytes : Math.max(pieceBytes, 400)
    for (let at = 0; at < whole.length;) {
      const piece = whole.subarray(at, (at += this.#random.int(1, size)))
      this.#onWay += piece.length
      this.#arrive(() => {
        if (this.#end) return
        this.#ready.push(piece)
        this.#serve()
      })
    }
    this.#sent += whole.length
    if (this.#sent >= cutAfter) this.cut(breaks)
  }

  #arrive(fn: () => void): void {
    const { latencyMs } = this.#fate
    const jitter = this.#random.chance(0.1) ? this.#random.scale(1, 400) : 0
    this.#arrivesAt = Math.max(this.#arrivesAt, this.#world.now + latencyMs + jitter)
    this.#world.after(this.#arrivesAt - this.#world.now, fn, this.page)
  }

  #read(): Promise<Read> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#serve()
    })
  }

  #serve(): void {
    const waiting = this.#waiting
    if (!waiting) return
    const value = this.#ready.shift()
    if (value) {
      this.#waiting = null
      this.#onWay -= value.length
      if (this.#onWay < this.#fate.windowBytes) this.#resume()
      waiting.resolve({ done: false, value })
    } else if (this.#end) {
      this.#waiting = null
      if (this.#end === 'done') waiting.resolve({ done: true, value: undefined })
      else waiting.reject(this.#end.error)
    }
  }

  #finish(end: { readonly error: unknown } | 'done'): void {
    this.#end ??= end
    this.#serve()
    this.#over()
  }

  #resume(): void {
    this.#paused?.()
    this.#paused = null
  }

  /** The server learns that its reader is gone. */
  #hangUp(): void {
    this.#resume()
    this.#world.current = this.server.owner
    if (this.server.owner.isAlive) this.#reader.cancel().catch(() => {})
    this.#over()
  }

  #over(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onOver()
  }
}

const MERGED = /id: [a-z0-9]+-(\d+)-[a-z0-9]+\ndata: \{"type":"event"[^\n]*"from":(\d+)\}\n/g
const OPENED = /data: \{"type":"(?:no_replay|replay_start"[^\n]*"seen":(\d+),"to":(\d+))/

/** Watches what a server writes: a frame that joins deltas crosses neither `seen` nor the replay's end. */
export function frameWatch(book: Book): (bytes: Uint8Array) => void {
  const decoder = new TextDecoder()
  let bounds: number[] = []
  return (bytes) => {
    const text = decoder.decode(bytes)
    const opened = OPENED.exec(text)
    if (opened) bounds = opened[1] === undefined ? [] : [Number(opened[1]), Number(opened[2])]
    if (bounds.length === 0 || !text.includes('"from":')) return
    for (const [, to, from] of text.matchAll(MERGED)) {
      for (const bound of bounds)
        if (Number(from) <= bound && bound < Number(to))
          book.problem('displayed', `A frame joins ${from} to ${to} across ${bound}.`)
    }
  }
}
