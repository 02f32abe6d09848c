/** Web Locks and BroadcastChannel on the virtual clock, so that simulated tabs can share a connection. */
import type { Owner, World } from './world.ts'

interface Claim {
  readonly owner: Owner
  readonly callback: (lock: object | null) => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** The tabs' means, while they are in the place of the platform's. */
export interface SimulatedTabs {
  /** A tab is gone: whoever waited for its locks gets them. */
  readonly gone: () => void
  /** Puts the platform's back. */
  readonly end: () => void
}

/** Puts both in the place of the platform's. */
export function simulateTabs(world: World): SimulatedTabs {
  const channels = new Set<SimChannel>()
  const locks = new SimLocks(world)

  class SimChannel {
    readonly #name: string
    readonly #owner = world.current
    readonly #listeners: ((message: { data: unknown }) => void)[] = []

    constructor(name: string) {
      this.#name = name
      channels.add(this)
    }

    addEventListener(_: 'message', listener: (message: { data: unknown }) => void): void {
      this.#listeners.push(listener)
    }

    postMessage(message: unknown): void {
      const data: unknown = structuredClone(message)
      for (const other of channels) {
        if (other === this || other.#name !== this.#name) continue
        world.after(
          1,
          () => channels.has(other) && other.#listeners.forEach((tell) => tell({ data })),
          other.#owner,
        )
      }
    }

    close(): void {
      channels.delete(this)
    }

    closeIfGone(): void {
      if (!this.#owner.isAlive) this.close()
    }
  }

  const replaced = { BroadcastChannel: SimChannel, navigator: { locks } }
  const before = Object.keys(replaced).map(
    (name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const,
  )
  for (const [name, value] of Object.entries(replaced))
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
  const end = (): void => {
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor)
      else Reflect.deleteProperty(globalThis, name)
    }
  }
  return {
    end,
    gone() {
      for (const channel of channels) channel.closeIfGone()
      locks.release()
    },
  }
}

class SimLocks {
  readonly #world: World
  readonly #held = new Map<string, Claim>()
  readonly #queues = new Map<string, Claim[]>()

  constructor(world: World) {
    this.#world = world
  }

  request(
    name: string,
    { ifAvailable = false, steal = false, signal }: LockOptions,
    callback: Claim['callback'],
  ): Promise<unknown> {
    this.#dropDead(name)
    return new Promise((resolve, reject) => {
      const claim: Claim = { owner: this.#world.current, callback, resolve, reject }
      const holder = this.#held.get(name)
      if (steal && holder) {
        this.#held.delete(name)
        this.#world.after(1, () => holder.reject(new DOMException('stolen', 'AbortError')), holder.owner)
      }
      if (!this.#held.has(name) && (steal || this.#queue(name).length === 0)) return this.#grant(name, claim)
      if (ifAvailable) return this.#world.after(1, () => resolve(callback(null)), claim.owner)
      this.#queue(name).push(claim)
      signal?.addEventListener('abort', () => {
        const queue = this.#queue(name)
        if (!queue.includes(claim)) return
        queue.splice(queue.indexOf(claim), 1)
        reject(signal.reason)
      })
    })
  }

  #grant(name: string, claim: Claim): void {
    this.#held.set(name, claim)
    this.#world.after(
      1,
      () => {
        if (this.#held.get(name) !== claim) return
        void Promise.resolve(claim.callback({ name })).then((value) => {
          if (this.#held.get(name) !== claim) return
          this.#held.delete(name)
          claim.resolve(value)
          this.#grantNext(name)
        })
      },
      claim.owner,
    )
  }

  #grantNext(name: string): void {
    this.#dropDead(name)
    const next = this.#queue(name).shift()
    if (next && !this.#held.has(name)) this.#grant(name, next)
  }

  /** The browser takes the locks of a tab that is gone; those who wait for them are seen to with the next request or a moment later. */
  #dropDead(name: string): void {
    const queue = this.#queue(name)
    const living = queue.filter(({ owner }) => owner.isAlive)
    queue.splice(0, queue.length, ...living)
    if (this.#held.get(name)?.owner.isAlive === false) this.#held.delete(name)
  }

  #queue(name: string): Claim[] {
    const queue = this.#queues.get(name) ?? []
    this.#queues.set(name, queue)
    return queue
  }

  /** A tab is gone: whoever waited for its locks gets them. */
  release(): void {
    for (const name of this.#held.keys()) {
      if (this.#held.get(name)!.owner.isAlive) continue
      this.#held.delete(name)
      this.#grantNext(name)
    }
  }
}
