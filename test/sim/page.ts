/** One simulated page: a recovery client, what it shows, and what happens to it. */
import { type ClientOptions, RecoveryClient, type Signal } from '../../elements/client/index.ts'
import { type HeartbeatAnswer, parseCursor } from '../../server/protocol.ts'
import type { Chronicle, Written } from './chronicle.ts'
import type { Device } from './device.ts'
import type { Network, Send } from './network.ts'
import type { Book } from './problems.ts'
import type { Random } from './random.ts'
import { ViewCheck } from './view-check.ts'
import { Owner, type World } from './world.ts'

/** The session that a simulation is about. */
export const SESSION = { sessionId: 's-42', userId: 'ada' }

/** What a page is made of. */
export interface PageDeps {
  readonly world: World
  readonly network: Network
  readonly chronicle: Chronicle
  readonly book: Book
  readonly random: Random
}

/** How a page shows its session; stays through reloads. */
export interface PageKind {
  readonly name: string
  readonly device: Device
  readonly history: 'restore' | 'none'
  readonly shareTabs: boolean
  /** Somebody who is not the session's owner must never see anything of it. */
  readonly userId: string
}

const MUST_WAKE = new Set<Signal>(['pageshow', 'resume'])

/** See the module. */
export class Page {
  readonly kind: PageKind
  owner!: Owner
  client!: RecoveryClient
  check!: ViewCheck
  /** Whether a snapshot brought all that it must since the page was opened. */
  #opened = 0
  readonly #deps: PageDeps

  constructor(kind: PageKind, deps: PageDeps) {
    this.kind = kind
    this.#deps = deps
    this.open()
  }

  get isFrozen(): boolean {
    return this.owner.held !== null
  }

  /** Opens it, or opens it anew in place of the one that is gone. */
  open(): void {
    const { world, network, chronicle, book, random } = this.#deps
    const { name, device, history, shareTabs, userId } = this.kind
    const owner = new Owner(`${name}.${++this.#opened}`)
    owner.skewMs = device.skewMs
    const after = history === 'none' ? random.pick([null, chronicle.head]) : null
    const check = new ViewCheck({ name: owner.name, history, after }, chronicle, book)
    const options: ClientOptions = {
      sessionId: SESSION.sessionId,
      userId,
      base: `http://${device.name}/api/loomi`,
      history,
      shareTabs,
      replayMs: random.pick([0, 50]),
      replayBudgetMs: random.pick([0, 300, 1200]),
      ...(history === 'none' && { after: after?.cursor ?? '0' }),
      getSeen: () => this.#askSeen(owner, check),
      beforeShow: (shown) => {
        world.note('show', owner.name, shown.cursor ?? shown.event.key)
        check.show(shown)
      },
      onReset: (reason) => check.reset(reason, this.client.snapshot.position),
      onNotice: (notice) => check.notice(notice),
      onDisplayed: (cursor, restarts) => {
        check.displayed(cursor)
        device.display(cursor, restarts)
      },
      fetch: this.#fetch(network.fetchOf(owner, device.name)),
      clock: world.clockOf(owner),
      random: () => random.next(),
    }
    this.owner = owner
    this.check = check
    this.act(() => {
      this.client = new RecoveryClient(options)
      this.client.connect()
    })
  }

  /** Does something to the page in its own name. */
  act<T>(work: () => T): T {
    this.#deps.world.current = this.owner
    return work()
  }

  /** Something happens to the page. */
  signal(signal: Signal): void {
    if (this.isFrozen && !MUST_WAKE.has(signal)) return
    if (signal === 'visible' || signal === 'hidden') this.check.isVisible = signal === 'visible'
    this.act(() => this.client.signal(signal))
  }

  /** It is put to sleep; `isTold`: it hears of that before. */
  freeze(isTold: boolean): void {
    if (this.isFrozen) return
    this.signal('hidden')
    if (isTold) this.signal('freeze')
    this.#deps.world.freeze(this.owner)
  }

  /** It wakes and is looked at. */
  wake(): void {
    if (!this.isFrozen) return
    this.#deps.world.thaw(this.owner)
    this.signal('resume')
    this.signal('visible')
  }

  /** It is gone, with or without the time to say so. */
  leave(isTold: boolean): void {
    const { world, network } = this.#deps
    if (isTold && !this.isFrozen) this.act(() => this.client.disconnect())
    world.kill(this.owner)
    for (const connection of network.connections) if (connection.page === this.owner) connection.leave()
  }

  /** Sends one heartbeat, as the service worker would, and tells the client what was answered. */
  async beat(): Promise<void> {
    const { network, world } = this.#deps
    const { device, userId } = this.kind
    const { owner, client } = this
    const body = JSON.stringify({
      user_id: userId,
      session_id: SESSION.sessionId,
      ...(device.displayed && { last_event_id: device.displayed }),
    })
    const headers = { 'content-type': 'application/json' }
    try {
      const send = network.fetchOf(owner, device.name)
      const response = await send(`http://${device.name}/api/loomi/heartbeat`, {
        method: 'POST',
        headers,
        body,
      })
      const answer = response.ok ? ((await response.json()) as HeartbeatAnswer) : null
      world.current = owner
      if (answer && owner.isAlive) client.noteBeat(answer.latest_event_id)
    } catch {
      // A beat that fails is the next one's business.
    }
  }

  /** The page's fetch: who asks for a stream must say where it is, or all that it has comes again. */
  #fetch(send: Send): typeof fetch {
    const { book } = this.#deps
    return (input, init) => {
      const url = input as string
      const headers = new Headers(init?.headers)
      const asked = headers.get('last-event-id') ?? new URL(url).searchParams.get('after')
      const { position } = this.client.snapshot
      const [from, at] = [parseCursor(asked ?? '0'), parseCursor(position ?? '0')]
      if (from?.epoch === at?.epoch ? from!.seq < at!.seq : asked === '0')
        book.problem('untrue', `${this.owner.name} asks from ${asked}, and is at ${position}`)
      return send(url, init)
    }
  }

  async #askSeen(owner: Owner, check: ViewCheck): Promise<string | null> {
    const { world, random, chronicle } = this.#deps
    const { displayed } = this.kind.device
    const waitMs = random.chance(0.1) ? random.int(200, 500) : random.int(0, 20)
    const row: Written | null = displayed === null ? null : chronicle.find(displayed)
    if (waitMs < 290) check.askedSeen ??= row
    await world.sleep(waitMs, owner)
    return displayed
  }
}
