/**
 * A clock whose hands the test turns.
 *
 * @module
 */
import type { Clock } from '../../../elements/client/types.ts'

interface Timer {
  readonly at: number
  readonly fn: () => void
}

/** A timer that is so far ahead gives the engine real time first: it reads some bodies on another thread. */
const FAR_MS = 5000
const REAL_MS = 30

/** Timers fire only within {@link FakeClock.advance} and {@link FakeClock.runUntil}, in order. */
export class FakeClock implements Clock {
  #now = 1_000_000
  readonly #timers = new Set<Timer>()

  now(): number {
    return this.#now
  }

  setTimeout(fn: () => void, ms: number): unknown {
    const timer = { at: this.#now + Math.max(0, ms), fn }
    this.#timers.add(timer)
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as Timer)
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.size
  }

  /** Lets time pass; whatever a timer sets off has settled before the next one fires. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await settle()
    for (let timer = this.#next(); timer && timer.at <= end; timer = this.#next()) await this.#fire(timer)
    this.#now = end
    await settle()
  }

  /** The device sleeps: time passes and no timer fires, until the next {@link FakeClock.advance}. */
  jump(ms: number): void {
    this.#now += ms
  }

  /** Turns on from timer to timer until the condition holds; fails when that takes more than `withinMs`. */
  async runUntil(holds: () => boolean, withinMs = 30_000): Promise<void> {
    const end = this.#now + withinMs
    for (let idle = 0; !holds();) {
      await settle()
      if (holds()) return
      if ((this.#next()?.at ?? Infinity) - this.#now >= FAR_MS)
        await new Promise((resolve) => setTimeout(resolve, REAL_MS))
      if (holds()) return
      const timer = this.#next()
      if (timer && timer.at <= end) await this.#fire(timer)
      else if (++idle > 50) throw new Error(`Not within ${withinMs} ms: ${String(holds)}`)
    }
  }

  #next(): Timer | undefined {
    return [...this.#timers].toSorted((one, other) => one.at - other.at)[0]
  }

  async #fire(timer: Timer): Promise<void> {
    this.#timers.delete(timer)
    this.#now = Math.max(this.#now, timer.at)
    timer.fn()
    await settle()
  }
}

/** Lets promises, streams and channels that have something to deliver do so. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await new Promise<void>((resolve) => {
      const { port1, port2 } = new MessageChannel()
      port1.addEventListener('message', () => {
        port1.close()
        resolve()
      })
      port1.start()
      port2.postMessage(null)
    })
  }
}

/** Waits in real time for what no fake clock governs (locks, channels); fails after 5 s. */
export async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 500) throw new Error(`Not within 5 s: ${String(holds)}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
