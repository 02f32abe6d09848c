/** One simulated server process. */
import { createLoomi, type Loomi } from '../../server/loomi.ts'
import { MemoryStore, type SharedLog } from './memory-store.ts'
import type { Random } from './random.ts'
import { StoreGate, type Weather } from './store-gate.ts'
import { Owner, type World } from './world.ts'

/** What processes share. */
export interface Machine {
  readonly world: World
  readonly shared: SharedLog
  readonly weather: Weather
  readonly random: Random
}

/** Milliseconds that the lease of a producer lasts. */
export const LEASE_MS = 30_000

/** See the module. After {@link Server.kill} nothing of it reaches store or network. */
export class Server {
  readonly owner: Owner
  readonly loomi: Loomi
  readonly store: MemoryStore
  readonly gate: StoreGate
  isDraining = false
  /** When it died, in the world's time; null while it lives. */
  diedAt: number | null = null
  readonly #world: World

  constructor({ world, shared, weather, random }: Machine, name: string) {
    this.#world = world
    this.owner = new Owner(name)
    this.gate = new StoreGate(world, this.owner, weather, random)
    this.store = new MemoryStore(shared, this.gate)
    world.current = this.owner
    this.loomi = createLoomi({
      store: this.store,
      clock: world.clockOf(this.owner),
      leaseMs: LEASE_MS,
      limits: { beatsPerSecond: 1000 },
      authorize: (_, { userId }) => (userId === null ? null : { userId }),
      onEvent: () => {},
      // A quarter of the processes prune by themselves.
      ...(random.chance(0.25) && { retention: { maxEventsPerSession: random.int(1, 30) } }),
    })
  }

  /** It is gone from one moment to the next. */
  kill(): void {
    this.diedAt ??= this.#world.now
    this.#world.kill(this.owner)
    this.store.disconnect()
  }

  /** It is told to end and does so by itself. */
  async drain(): Promise<void> {
    this.isDraining = true
    await this.loomi.close()
    this.diedAt ??= this.#world.now
  }
}
