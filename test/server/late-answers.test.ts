import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RecoveryClient } from '../../elements/client/index.ts'
import { sleep } from '../../server/clock.ts'
import { LoomiError } from '../../server/errors.ts'
import { createLoomi, type Loomi } from '../../server/loomi.ts'
import { formatCursor } from '../../server/protocol.ts'
import type { Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { dataOf, FakeClock, makeWorld, openStream, REF, settle, storeWith, until } from './support.ts'

/** A store whose answers come late, though what is asked is done at once; or that is down. */
class LateStore {
  readonly clock = new FakeClock()
  readonly memory = openSqlite(':memory:')
  readonly loomi: Loomi
  /** Another process, on the same store. */
  readonly other: Loomi
  appendMs = 0
  readMs = 0
  isDown = false

  constructor() {
    const { memory } = this
    const appending = <T>(work: () => Promise<T>): Promise<T> => this.#answer(work, this.appendMs)
    const reading = <T>(work: () => Promise<T>): Promise<T> => this.#answer(work, this.readMs)
    const store: Store = storeWith(memory, {
      append: (...args) => appending(() => memory.append(...args)),
      read: (...args) => reading(() => memory.read(...args)),
      heads: (...args) => reading(() => memory.heads(...args)),
      keys: (...args) => reading(() => memory.keys(...args)),
      runHigh: (...args) => reading(() => memory.runHigh(...args)),
      loadPresence: (...args) => reading(() => memory.loadPresence(...args)),
    })
    this.loomi = createLoomi({ clock: this.clock, store, onEvent: () => undefined })
    this.other = createLoomi({ clock: this.clock, store: memory })
  }

  /** The cursor of the newest row, which its producer need not know of. */
  async head(): Promise<string> {
    const [head] = await this.memory.heads([REF])
    return formatCursor(head!.epoch, head!.head, head!.headKey)
  }

  /** A page whose app renders what came before `after` itself. */
  page(after: string): RecoveryClient {
    const client = this.client({ history: 'none', after })
    client.connect()
    return client
  }

  client(options: Partial<ConstructorParameters<typeof RecoveryClient>[0]> = {}): RecoveryClient {
    return new RecoveryClient({
      ...REF,
      base: 'http://localhost/api/loomi',
      clock: this.clock,
      shareTabs: false,
      fetch: async (input, init) => this.loomi.fetch(new Request(input, init)),
      ...options,
    })
  }

  async #answer<T>(work: () => Promise<T>, ms: number): Promise<T> {
    if (this.isDown) throw new LoomiError('store_unavailable', 'Down.')
    const result = await work()
    if (ms > 0) await sleep(this.clock, ms)
    return result
  }
}

const textsOf = ({ snapshot }: RecoveryClient): string[] => snapshot.items.map(({ text }) => text)

describe('what is stored while its producer waits for the answer', () => {
  it('is not shown later to a view that began after its row', async () => {
    const late = new LateStore()
    const session = late.loomi.session(REF)
    session.message('one')
    await settle()
    late.appendMs = 3000
    late.loomi.session(REF).user('two')
    await late.clock.advance(500)
    const page = late.page(await late.head())
    await late.clock.advance(60_000)
    late.appendMs = 0
    session.message('three')
    await late.clock.advance(60_000)
    page.disconnect()
    assert.deepEqual(textsOf(page), ['three'])
  })

  it('is shown to no such reader while what follows it is, once the store has said what is stored', async () => {
    const late = new LateStore()
    const session = late.loomi.session({ ...REF, runId: 'r' })
    session.message('one')
    await settle()
    late.readMs = 400
    late.appendMs = 15_000
    session.message('two')
    await late.clock.advance(50)
    session.message('three')
    await late.clock.advance(1050)
    const opening = openStream(late.loomi, { query: `after=${await late.head()}` })
    await late.clock.advance(6000)
    const reader = await opening
    await reader.next()
    assert.deepEqual(dataOf([(await reader.next())!]), ['three'])
    await reader.cancel()
  })
})

describe('what another process has stored of the same run', () => {
  const RUN = { ...REF, runId: 'r' }

  it('is not shown later to a view that began after its row, when it waited here by then', async () => {
    const late = new LateStore()
    const [session, elsewhere] = [late.loomi.session(RUN), late.other.session(RUN)]
    session.message('one')
    await late.clock.advance(100)
    late.appendMs = 15_000
    late.loomi.session(REF).user('hello')
    await late.clock.advance(50)
    elsewhere.message('one')
    elsewhere.message('two')
    session.message('two')
    await late.clock.advance(100)
    const page = late.page(await late.head())
    await late.clock.advance(5000)
    assert.deepEqual(textsOf(page), [])
    late.appendMs = 0
    await late.clock.advance(60_000)
    session.message('three')
    await late.clock.advance(1000)
    page.disconnect()
    assert.deepEqual(textsOf(page), ['three'])
  })

  it('nor when it comes here only after the view has begun', async () => {
    const late = new LateStore()
    const [session, elsewhere] = [late.loomi.session(RUN), late.other.session(RUN)]
    session.message('one')
    await late.clock.advance(100)
    elsewhere.message('one')
    elsewhere.message('two')
    await late.clock.advance(100)
    const page = late.page(await late.head())
    await late.clock.advance(1000)
    late.isDown = true
    session.message('two')
    session.message('three')
    await late.clock.advance(5000)
    assert.deepEqual(textsOf(page), ['three'])
    late.isDown = false
    await late.clock.advance(60_000)
    page.disconnect()
    assert.deepEqual(textsOf(page), ['three'])
    assert.deepEqual(page.snapshot.unsaved, [])
  })
})

describe('what an opening asks the store', () => {
  const RUN = { ...REF, runId: 'r' }

  it('says what is shown, not what is appended: the log that it was about may be gone by then', async () => {
    const late = new LateStore()
    const elsewhere = late.other.session(RUN)
    elsewhere.user('old question')
    elsewhere.message('old answer')
    await late.clock.advance(100)
    const session = late.loomi.session(RUN)
    const reader = await openStream(late.loomi, { query: 'after=0' })
    await late.clock.advance(500)
    await reader.cancel()
    await late.other.deleteSession(REF.sessionId)
    await late.clock.advance(30_000)
    session.user('new question')
    session.message('new answer')
    await late.clock.advance(1000)
    const { events } = await late.memory.read(REF, 0, 10)
    assert.deepEqual(
      events.map(({ event_data }) => JSON.parse(event_data) as string),
      ['new question', 'new answer'],
    )
  })

  it('is asked anew when it is never answered', async () => {
    const memory = openSqlite(':memory:')
    let [hangs, isDown] = [false, false]
    const store = storeWith(memory, {
      append: (...args) =>
        isDown ? Promise.reject(new LoomiError('store_unavailable', 'Down.')) : memory.append(...args),
      runHigh: (...args) => {
        if (!hangs) return memory.runHigh(...args)
        hangs = false
        return new Promise(() => undefined)
      },
    })
    const { loomi, clock } = makeWorld({ store, onEvent: () => undefined })
    const session = loomi.session(RUN)
    session.message('one')
    await clock.advance(100)
    hangs = true
    const reader = await openStream(loomi, { query: 'after=0' })
    await reader.through('replay_complete')
    await clock.advance(20_000)
    assert.equal(hangs, false)
    isDown = true
    session.message('two')
    await clock.advance(5000)
    assert.deepEqual(dataOf([(await reader.next())!]), ['two'])
    await reader.cancel()
  })

  it('is about no more than eight runs, however many were named', async () => {
    let asked = 0
    const memory = openSqlite(':memory:')
    const store = storeWith(memory, {
      runHigh: (...args) => {
        asked++
        return memory.runHigh(...args)
      },
    })
    const { loomi, clock } = makeWorld({ store })
    const sessions = Array.from({ length: 30 }, (_, at) => loomi.session({ ...REF, runId: `r-${at}` }))
    for (const session of sessions) session.message('one')
    await clock.advance(1000)
    asked = 0
    const reader = await openStream(loomi, { query: 'after=0' })
    await clock.advance(1000)
    assert.equal(asked, 8)
    await reader.cancel()
  })
})

it('what was stored before a following tab began is not shown to it because the leading tab does not know that yet', async () => {
  const late = new LateStore()
  const session = late.loomi.session(REF)
  session.message('one')
  const moving = async (holds: () => boolean): Promise<boolean> => {
    await late.clock.advance(10)
    return holds()
  }
  const leader = late.client({ shareTabs: true })
  leader.connect()
  await until(() => moving(() => textsOf(leader).length === 1), 'the first tab shows what there is')
  late.appendMs = 3000
  session.message('two')
  await until(() => moving(() => textsOf(leader).length === 2), 'the first tab shows what is not confirmed')
  const follower = late.client({ history: 'none', after: await late.head(), shareTabs: true })
  follower.connect()
  await until(() => moving(() => follower.snapshot.state === 'live'), 'the second tab is live')
  try {
    // The channel between them is real.
    for (let i = 0; i < 20; i++) await late.clock.advance(10)
    assert.deepEqual(textsOf(follower), [])
    session.message('three')
    await until(() => moving(() => textsOf(follower).length > 0), 'the second tab shows what follows')
    assert.deepEqual([textsOf(leader), textsOf(follower)], [['one', 'two', 'three'], ['three']])
  } finally {
    for (const tab of [leader, follower]) tab.disconnect()
  }
})

describe('a session that is closed while the store is away', () => {
  it('is over for the page when that is stored, and nothing of it was lost', async () => {
    const late = new LateStore()
    const session = late.loomi.session(REF)
    session.message('one')
    await settle()
    const page = late.client()
    page.connect()
    await late.clock.advance(3000)
    late.isDown = true
    session.message('two')
    void session.close()
    await late.clock.advance(2000)
    assert.deepEqual(textsOf(page).slice(0, 2), ['one', 'two'])
    late.isDown = false
    await late.clock.advance(10_000)
    assert.equal(page.snapshot.state, 'complete')
    assert.deepEqual(page.snapshot.unsaved, [])
    assert.deepEqual(textsOf(page).slice(0, 2), ['one', 'two'])
  })
})
