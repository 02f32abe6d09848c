/** Everything that a simulation consists of, drawn from its seed. */
import type { StoredEvent } from '../../server/store.ts'
import { Chronicle } from './chronicle.ts'
import { Device } from './device.ts'
import { type Holdings, MemoryLog } from './memory-log.ts'
import type { MemoryStore } from './memory-store.ts'
import { Network } from './network.ts'
import { Page, SESSION } from './page.ts'
import { Book } from './problems.ts'
import { Producers } from './producers.ts'
import { Random } from './random.ts'
import type { Scene } from './scenes.ts'
import { Server } from './server.ts'
import { type SimulatedTabs, simulateTabs } from './tabs.ts'
import { LATEST_ANSWER_MS, Weather } from './store-gate.ts'
import { World } from './world.ts'

/** A backup, and where the log was when it was made. */
interface Backup {
  readonly holdings: Holdings
  readonly head: Chronicle['head']
}

/** See the module. */
export class Stage {
  readonly seed: number
  readonly world: World
  readonly book: Book
  readonly chronicle = new Chronicle()
  readonly weather: Weather
  readonly network: Network
  readonly producers: Producers
  readonly pages: Page[] = []
  readonly devices: Device[]
  readonly log: MemoryLog
  readonly tabs: SimulatedTabs
  /** Nothing new begins any more. */
  isOver = false
  readonly #shared: { readonly log: MemoryLog; readonly stores: Set<MemoryStore> }
  readonly #storeRandom: Random
  /** What a simulation knows of a log that could be set back to. */
  #backup: Backup | null = null
  #serverCount = 0
  readonly #tails = new Set<() => void>()

  constructor(seed: number, log: string[] | null, scene: Scene) {
    const random = (name: string): Random => new Random(seed, name)
    this.seed = seed
    this.world = new World(log)
    this.book = new Book(this.world)
    this.weather = new Weather(this.world)
    const words = random('epochs')
    this.log = new MemoryLog({
      newEpoch: () => words.word(8),
      now: this.world.clockOf(this.world.nature).now,
      onRow: ({ sessionId }, epoch, row) => this.#written(sessionId, epoch, row),
      onDeleted: () => this.#isReplaced(null),
      onPruned: (_, to) => (this.chronicle.prunedTo = Math.max(to, this.chronicle.prunedTo)),
    })
    this.#shared = { log: this.log, stores: new Set() }
    this.#storeRandom = random('store')
    this.network = new Network(this.world, random('network'), this.book)
    const { world, chronicle, network, weather, book } = this
    this.producers = new Producers({ world, chronicle, network, weather, book, random: random('producers') })
    this.tabs = simulateTabs(this.world)
    const plan = random('stage')
    const skew = (): number => (plan.chance(0.3) ? plan.int(-3_600_000, 3_600_000) : 0)
    this.devices = ['phone', 'laptop'].map((name) => new Device(name, skew()))
    for (let count = plan.int(1, 2); count > 0; count--) this.start()
    this.#openPages(plan, scene)
  }

  /** The processes that live and are not told to end. */
  get servers(): Server[] {
    return this.network.servers.filter(({ owner, isDraining }) => owner.isAlive && !isDraining)
  }

  /** Starts a server process. */
  start(): Server {
    const { world, weather } = this
    const server = new Server(
      { world, weather, shared: this.#shared, random: this.#storeRandom },
      `server${++this.#serverCount}`,
    )
    this.network.servers.push(server)
    world.note('start', server.owner.name)
    return server
  }

  /** A process is gone, and its connections with it. */
  kill(server: Server, how: 'error' | 'silence'): void {
    server.kill()
    for (const connection of this.network.connections)
      if (connection.server === server) connection.orphan(how)
    this.network.servers.splice(this.network.servers.indexOf(server), 1)
  }

  /** What a fault leaves to be done: after so many milliseconds, or when faults stop. */
  later(ms: number, fn: () => void): void {
    this.#tails.add(fn)
    this.world.after(ms, () => this.#tails.delete(fn) && fn())
  }

  /** Faults stop: what they left to be done is done. */
  settle(): void {
    for (const fn of this.#tails) {
      this.#tails.delete(fn)
      fn()
    }
    this.network.calm()
    this.weather.set('fine', 0)
    this.weather.isCalm = true
    for (const { gate } of this.network.servers) gate.heal()
    if (this.servers.length === 0) this.start()
  }

  /** Keeps a copy of the store. */
  keepBackup(): void {
    this.#backup = { holdings: this.log.backup(), head: this.chronicle.head }
  }

  /** Sets the store back to the copy; false when there is none that lacks anything. */
  restore(): boolean {
    const backup = this.#backup
    if (!backup || backup.head === this.chronicle.head) return false
    this.#replace(() => this.log.restore(backup.holdings), backup.head)
    this.#backup = null
    return true
  }

  /** The store loses everything and begins anew. */
  lose(): void {
    this.#backup = null
    this.#replace(() => this.log.lose(), null)
  }

  #replace(change: () => void, head: Chronicle['head']): void {
    this.weather.generation++
    change()
    this.#isReplaced(head)
  }

  #isReplaced(head: Chronicle['head']): void {
    this.chronicle.replace(head)
    const { now } = this.world
    this.chronicle.isUnsettled = () => this.world.now < now + LATEST_ANSWER_MS
    this.producers.tear()
  }

  #written(sessionId: string, epoch: string, row: StoredEvent): void {
    if (sessionId !== SESSION.sessionId) return
    const { cursor } = this.chronicle.write(epoch, row, this.world.now)
    this.world.note('row', cursor)
  }

  #openPages(plan: Random, { ownHistory, sharedTabs }: Scene): void {
    const [phone, laptop] = this.devices
    const shareTabs = plan.chance(sharedTabs)
    const names = ['tab1', ...(plan.chance(0.5) ? ['tab2'] : []), ...(plan.chance(0.4) ? ['other'] : [])]
    if (plan.chance(0.4)) names.push('bare')
    if (plan.chance(0.05)) names.push('stranger')
    for (const name of names) {
      const isTab = name.startsWith('tab')
      this.pages.push(
        new Page(
          {
            name,
            device: isTab ? phone! : laptop!,
            history: name === 'bare' || plan.chance(ownHistory) ? 'none' : 'restore',
            shareTabs: isTab && shareTabs,
            userId: name === 'stranger' ? 'eve' : SESSION.userId,
          },
          {
            world: this.world,
            network: this.network,
            chronicle: this.chronicle,
            book: this.book,
            random: new Random(this.seed, name),
          },
        ),
      )
    }
  }
}
