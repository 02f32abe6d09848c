/** The simulated network between pages and server processes. */
import { Connection, type Fate, frameWatch } from './connection.ts'
import type { Book } from './problems.ts'
import type { Random } from './random.ts'
import type { Server } from './server.ts'
import type { Owner, World } from './world.ts'

/** Milliseconds that a request for a server that is not there hangs at most. */
const REFUSED_MS = 300

/** As much of `fetch` as pages use. */
export type Send = (url: string, init?: RequestInit) => Promise<Response>

/** How the network treats new connections. */
export interface Mood {
  /** Of a hundred connections so many are refused, cut, doubled. */
  readonly refused: number
  readonly cut: number
  readonly doubled: number
}

const GOOD: Mood = { refused: 0, cut: 0, doubled: 0 }

/** See the module. */
export class Network {
  mood: Mood = GOOD
  readonly servers: Server[] = []
  readonly connections = new Set<Connection>()
  /** How many requests have reached a server. */
  asked = 0
  /** When somebody was connected to a server that lived, in the world's time. */
  readonly watched: { readonly from: number; to: number }[] = []
  /** Devices that have no network now. */
  readonly cutOff = new Set<string>()
  readonly #world: World
  readonly #random: Random
  readonly #book: Book

  constructor(world: World, random: Random, book: Book) {
    this.#world = world
    this.#random = random
    this.#book = book
  }

  /** Nothing is refused, cut or doubled any more. */
  calm(): void {
    this.mood = GOOD
    this.cutOff.clear()
    for (const connection of this.connections) connection.heal()
  }

  /** The `fetch` of a page on a device. */
  fetchOf(page: Owner, device: string): Send {
    return (url, init = {}) => this.#fetch(url, init, page, device)
  }

  /** Breaks the connections of which the condition holds; true when there were any. */
  cut(which: (connection: Connection) => boolean, how: Fate['breaks']): boolean {
    const found = [...this.connections].filter(which)
    for (const connection of found) connection.cut(how)
    return found.length > 0
  }

  #fetch(url: string, init: RequestInit, page: Owner, device: string): Promise<Response> {
    const random = this.#random
    const latencyMs = random.scale(1, 90)
    const signal = init.signal ?? null
    return new Promise((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
      const refuse = (ms: number): void =>
        this.#world.after(ms, () => reject(new TypeError('failed to fetch')), page)
      if (this.cutOff.has(device)) return refuse(random.int(1, REFUSED_MS))
      if (random.chance(this.mood.refused / 100)) {
        this.#book.fault('connect refused', page.name)
        return refuse(random.int(1, REFUSED_MS))
      }
      if (random.chance(this.mood.doubled / 100)) {
        this.#book.fault('connect doubled', page.name)
        this.#world.after(random.scale(1, 500), async () => {
          const asked = await this.#ask(url, init, page, latencyMs)
          this.#world.after(random.scale(1, 10_000), () => asked?.connection?.leave())
        })
      }
      this.#world.after(latencyMs, async () => {
        const asked = await this.#ask(url, init, page, latencyMs)
        if (!asked) return refuse(random.int(1, REFUSED_MS))
        const { response, connection } = asked
        if (signal?.aborted || !page.isAlive) return connection?.leave()
        signal?.addEventListener('abort', () => connection?.abort(signal.reason), { once: true })
        this.#world.after(latencyMs, () => resolve(response), page)
      })
    })
  }

  /** Asks whichever server takes it. The answer's body is not yet in anybody's hand. */
  async #ask(
    url: string,
    init: RequestInit,
    page: Owner,
    latencyMs: number,
  ): Promise<{ response: Response; connection: Connection | null } | null> {
    const up = this.servers.filter(({ owner }) => owner.isAlive)
    if (up.length === 0) return null
    const server = this.#random.pick(up)
    const { pathname, search } = new URL(url)
    const { method = 'GET', headers, body = null } = init
    const request = new Request(`http://sim${pathname}${search}`, { method, headers: headers!, body })
    this.asked++
    this.#world.current = server.owner
    const answer = await server.loomi.fetch(request)
    if (!server.owner.isAlive) return null
    const { status, ok } = answer
    if (!answer.body || !answer.headers.get('content-type')?.startsWith('text/event-stream')) {
      const text = await answer.text()
      const response = {
        status,
        ok,
        headers: answer.headers,
        body: null,
        json: async () => JSON.parse(text) as unknown,
      }
      return { response: response as unknown as Response, connection: null }
    }
    const fate = this.#drawFate(latencyMs)
    const connection: Connection = new Connection(this.#world, this.#random, fate, {
      server,
      page,
      body: answer.body,
      // The server may give it up long before it hears that it is gone.
      onSilence: () => (time.to = this.#world.now),
      onOver: () => {
        this.connections.delete(connection)
        time.to = Math.min(time.to, this.#world.now)
      },
    })
    const time = { from: this.#world.now, to: Infinity }
    this.watched.push(time)
    this.connections.add(connection)
    this.#world.note('connect', page.name, server.owner.name, search)
    void connection.pump(frameWatch(this.#book))
    const response = { status, ok, headers: answer.headers, body: connection.body }
    return { response: response as unknown as Response, connection }
  }

  #drawFate(latencyMs: number): Fate {
    const random = this.#random
    const isCut = random.chance(this.mood.cut / 100)
    const breaks = random.weighted({ error: 6, end: 2, silence: 2 })
    if (isCut) this.#book.fault(breaks === 'silence' ? 'half-open' : 'cut at a byte', breaks)
    return {
      latencyMs,
      breaks,
      cutAfter: isCut ? random.scale(1, 6000) : Infinity,
      pieceBytes: random.weighted({ whole: 5, some: 3, few: 1 }) === 'whole' ? 100_000 : random.scale(3, 300),
      windowBytes: random.scale(500, 100_000),
      ignoresAbort: random.chance(0.3),
    }
  }
}
