/**
 * What the service worker tests have in common: a base of their own, the server's view of it, fake clocks.
 *
 * @module
 */
import type { HeartbeatBody } from '../../server/protocol.ts'
import type { Clock } from '../../sw/clock.ts'

/** A beat as the test server received it. */
export interface ReceivedBeat {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly body: HeartbeatBody
  readonly authorization: string | null
  readonly origin: string | null
  /** The interval that a heartbeat worker told; null when the service worker or the page sent it. */
  readonly heartbeatMs: string | null
  readonly status: number
}

/** One base of the test server (test/browser-server.mjs). */
export class Base {
  readonly path: string

  constructor(path = `/loomi-${Math.random().toString(36).slice(2, 10)}`) {
    this.path = path
  }

  async set(settings: Record<string, unknown>): Promise<void> {
    await fetch(`${this.path}/control`, { method: 'PUT', body: JSON.stringify(settings) })
  }

  async beats(): Promise<readonly ReceivedBeat[]> {
    const response = await fetch(`${this.path}/control`)
    return ((await response.json()) as { beats: readonly ReceivedBeat[] }).beats
  }

  registration(): Promise<ServiceWorkerRegistration | undefined> {
    return navigator.serviceWorker.getRegistration(`${this.path}/`)
  }

  /** Takes the service worker away again. */
  async clear(): Promise<void> {
    await (await this.registration())?.unregister()
  }
}

/** Waits until the condition gives something, at most `ms` milliseconds. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  ms = 8000,
): Promise<NonNullable<T>> {
  const end = performance.now() + ms
  for (;;) {
    const value = await condition()
    if (value) return value
    if (performance.now() > end) throw new Error(`${ms} ms passed without: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** A clock whose hands only `pass` moves. */
export class FakeClock implements Clock {
  #now = 1000
  readonly #timers = new Map<object, { readonly at: number; readonly fn: () => void }>()

  now(): number {
    return this.#now
  }

  setTimeout(fn: () => void, ms: number): unknown {
    const timer = {}
    this.#timers.set(timer, { at: this.#now + ms, fn })
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as object)
  }

  /** When the next timer is due, in milliseconds from now; null when none is set. */
  get next(): number | null {
    const due = [...this.#timers.values()].map((timer) => timer.at - this.#now)
    return due.length === 0 ? null : Math.min(...due)
  }

  /** Lets `ms` milliseconds pass, fires what is due in order, and lets all that follows from it happen. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms
    await settled()
    for (;;) {
      const due = [...this.#timers]
        .filter(([, timer]) => timer.at <= end)
        .toSorted((a, b) => a[1].at - b[1].at)[0]
      if (!due) break
      this.#timers.delete(due[0])
      this.#now = Math.max(this.#now, due[1].at)
      due[1].fn()
      await settled()
    }
    this.#now = end
  }
}

/**
 * Lets promises that wait for nothing outside settle. Bodies are read by the engine in its own time, first come
 * first served: when this one has been read, those before it have been too.
 */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) {
    await new Response('turn').text()
    await new Request('/', { method: 'POST', body: 'turn' }).text()
    await new Promise((resolve) => setTimeout(resolve))
  }
}
