import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Notice, RecoveryClient } from '../../elements/client/index.ts'
import type { Adapter } from '../../server/adapters/adapter.ts'
import { LoomiError } from '../../server/errors.ts'
import type { NewEvent, Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { makeWorld, REF, rowsOf, settle, storeWith, type World } from './support.ts'

/** A store that can be down, refuse some events, and be closed under a running Loomi. */
class Refusing {
  state: 'well' | 'down' | 'closed' = 'well'
  refuses: (event: NewEvent) => boolean
  readonly world: World
  readonly #memory: Store

  constructor(refuses: (event: NewEvent) => boolean = isBad) {
    this.refuses = refuses
    // Leases lapse by the clock that the test moves.
    let now = (): number => Date.now()
    const memory = (this.#memory = openSqlite(':memory:', () => now()))
    const through = async <T>(work: () => Promise<T>): Promise<T> => {
      if (this.state === 'down') throw new LoomiError('store_unavailable', 'Down.')
      return work()
    }
    const store = storeWith(memory, {
      append: (ref, events, leaseMs) =>
        through(async () => {
          if (this.state === 'closed') throw new LoomiError('closed', 'Closed.')
          if (events.some((event) => this.refuses(event))) throw new LoomiError('store_refused', 'Never.')
          return memory.append(ref, events, leaseMs)
        }),
      read: (...args) => through(() => memory.read(...args)),
      heads: (...args) => through(() => memory.heads(...args)),
      endRuns: (...args) => through(() => memory.endRuns(...args)),
    })
    this.world = makeWorld({ store })
    now = () => this.world.clock.now()
  }

  /** The rows in short. */
  async rows(): Promise<string[]> {
    const rows = await rowsOf(this.#memory, REF)
    return rows.map(({ event_type, content_type, event_data }) =>
      event_type === 'run_end' ? `end: ${content_type}` : `${event_type}: ${event_data}`,
    )
  }

  page(): { client: RecoveryClient; notices: Notice[]; texts: () => string[] } {
    const { clock, loomi } = this.world
    const notices: Notice[] = []
    const client = new RecoveryClient({
      ...REF,
      base: 'http://localhost/api/loomi',
      clock,
      shareTabs: false,
      fetch: async (input, init) => loomi.fetch(new Request(input, init)),
      onNotice: (notice) => void notices.push(notice),
    })
    client.connect()
    return { client, notices, texts: () => client.snapshot.items.map(({ text }) => text) }
  }
}

function isBad({ event_data }: NewEvent): boolean {
  return event_data.includes('bad')
}

/** Each chunk a list of notes. */
const notes: Adapter = () => ({
  read: (texts) => (texts as string[]).map((event_data) => ({ event_type: 'note', event_data })),
  finish: () => [],
})

describe('what the store refuses for good', () => {
  it('leaves the end of its run alone, also when that is part of the same append', async () => {
    const store = new Refusing()
    const { loomi, clock } = store.world
    const session = loomi.session(REF)
    session.message('one')
    await settle()
    const { client, texts } = store.page()
    await clock.advance(3000)
    store.state = 'down'
    session.message('two')
    session.emit({ event_type: 'note', event_data: 'bad' })
    const ended = session.end()
    await clock.advance(2000)
    store.state = 'well'
    await clock.advance(5000)
    await ended
    const dropped = 'loomi_dropped: {"count":1,"reason":"refused"}'
    assert.deepEqual(await store.rows(), ['llm_chunk: "one"', 'llm_chunk: "two"', dropped, 'end: complete'])
    assert.equal(client.snapshot.running, false)
    assert.deepEqual(texts().slice(0, 2), ['one', 'two'])
    client.disconnect()
  })

  it('takes no neighbour with it, whatever chunks there are', async () => {
    const store = new Refusing()
    const chunks = [['one'], ['two'], ['bad', 'too'], ['four'], ['five']]
    await store.world.loomi.session(REF).record(chunks, notes)
    assert.deepEqual(await store.rows(), [
      'note: "one"',
      'note: "two"',
      'loomi_dropped: {"count":2,"reason":"refused"}',
      'note: "four"',
      'note: "five"',
      'end: complete',
    ])
  })

  it('begins no answer, when it is what the user said', async () => {
    const store = new Refusing()
    const { loomi, clock } = store.world
    const [first, second] = [loomi.session(REF), loomi.session(REF)]
    const { client } = store.page()
    await clock.advance(1000)
    first.message('answer')
    await settle()
    second.user('bad')
    await settle()
    await first.end()
    await clock.advance(1000)
    assert.equal(client.snapshot.running, false)
    for (let k = 0; k < 12; k++) await clock.advance(5000)
    client.disconnect()
    const dropped = 'loomi_dropped: {"count":1,"reason":"refused"}'
    assert.deepEqual(await store.rows(), ['llm_chunk: "answer"', dropped, 'end: complete'])
  })

  for (const how of ['refuses the word about it, too', 'is closed meanwhile'])
    it(`is taken back with a word where it was shown already, when the store ${how}`, async () => {
      const store = new Refusing(() => false)
      const { loomi, clock } = store.world
      const session = loomi.session(REF)
      session.message('one')
      await settle()
      const { client, notices, texts } = store.page()
      await clock.advance(3000)
      store.state = 'down'
      session.message('lost')
      await clock.advance(2000)
      assert.deepEqual(texts(), ['one', 'lost'])
      store.refuses = () => true
      store.state = how.startsWith('refuses') ? 'well' : 'closed'
      await clock.advance(20_000)
      assert.deepEqual(texts(), ['one'])
      assert.deepEqual(
        notices.filter(({ type }) => type === 'unsaved'),
        [{ type: 'unsaved', count: 1 }],
      )
      client.disconnect()
    })
})
