import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import type { SessionHead, SessionRef } from '../../server/store.ts'
import { Wakeups } from '../../server/stores/polled-wakeups.ts'
import { FakeClock, REF } from './support.ts'

/** A log that asks for its heads at every hint, as the real one does. */
class Asker {
  readonly clock = new FakeClock()
  readonly wakeups = new Wakeups(this.clock)
  refs: readonly SessionRef[] = [REF]
  head = 0
  /** When it was asked, in milliseconds since the start. */
  readonly at: number[] = []
  /** Holds answers back while it is there. */
  held: Promise<void> | null = null
  open = 0
  mostOpen = 0
  readonly #start = this.clock.now()

  async ask(): Promise<void> {
    this.at.push(this.clock.now() - this.#start)
    this.mostOpen = Math.max(this.mostOpen, ++this.open)
    const answer = (this.held ?? Promise.resolve())
      .then(() => this.refs.map(() => headAt(this.head)))
      .finally(() => this.open--)
    await this.wakeups.asking(this.refs, answer).catch(() => undefined)
  }

  watch(): () => void {
    return this.wakeups.watch(() => void this.ask())
  }

  get gaps(): number[] {
    return this.at.map((ms, i) => Math.round(ms - (this.at[i - 1] ?? 0)))
  }
}

const headAt = (head: number): SessionHead => ({ epoch: 'e1', head, headKey: `r/${head}`, closedSeq: null })

describe('wake-ups by asking', () => {
  let asker: Asker
  beforeEach(() => (asker = new Asker()))

  it('come at once every 100 ms and, when all is quiet, every 2 s', async () => {
    const stop = asker.watch()
    await asker.clock.advance(12_000)
    assert.deepEqual(asker.gaps.slice(0, 4), [100, 150, 225, 338])
    assert.deepEqual(asker.gaps.slice(-2), [2000, 2000])
    stop()
  })

  it('show an event within the interval: at most 2 s in quiet, 100 ms in a conversation', async () => {
    const stop = asker.watch()
    await asker.clock.advance(20_000)
    const waits: number[] = []
    for (let i = 0; i < 50; i++) {
      asker.head++
      const before = asker.at.length
      let waited = 0
      for (; asker.at.length === before; waited += 10) await asker.clock.advance(10)
      waits.push(waited)
    }
    assert.equal(waits[0]! <= 2000, true, `${waits[0]} ms`)
    assert.deepEqual(new Set(waits.slice(1)), new Set([100]))
    stop()
  })

  it('come soon after an append of this process, and are not put off by the next one', async () => {
    const stop = asker.watch()
    await asker.clock.advance(20_000)
    const before = asker.at.length
    for (let i = 0; i < 20; i++) {
      asker.wakeups.appended(REF, headAt(++asker.head))
      await asker.clock.advance(50)
    }
    assert.equal(asker.at.length - before, 10)
    stop()
  })

  it('are quick while there is news, whichever session has it', async () => {
    asker.refs = [REF, { ...REF, sessionId: 's-43' }]
    const stop = asker.watch()
    await asker.clock.advance(20_000)
    asker.head++
    await asker.clock.advance(2000)
    const last = asker.at.at(-1)!
    await asker.clock.advance(100)
    assert.equal(asker.at.at(-1)! - last <= 150, true)
    stop()
  })

  it('never ask twice at the same time, and go on when an answer was late', async () => {
    let release = (): void => undefined
    const stop = asker.watch()
    asker.held = new Promise((resolve) => (release = resolve))
    await asker.clock.advance(10_000)
    assert.equal(asker.at.length, 1)
    asker.held = null
    release()
    await asker.clock.advance(0)
    assert.equal(asker.at.length, 2)
    assert.equal(asker.mostOpen, 1)
    stop()
  })

  it('go on when the store fails, ever more slowly', async () => {
    const stop = asker.watch()
    asker.held = Promise.reject(new Error('down'))
    asker.held.catch(() => undefined)
    await asker.clock.advance(12_000)
    assert.deepEqual(asker.gaps.slice(-2), [2000, 2000])
    stop()
  })

  it('end with the last who watches, and leave no timer behind', async () => {
    const stops = [asker.watch(), asker.watch()]
    await asker.clock.advance(100)
    assert.equal(asker.at.length, 2)
    stops[0]!()
    await asker.clock.advance(150)
    assert.equal(asker.at.length, 3)
    stops[1]!()
    assert.equal(asker.clock.pending, 0)
    asker.wakeups.appended(REF, headAt(1))
    assert.equal(asker.clock.pending, 0)
  })
})
