import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import type { NewEvent } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { FakeClock, makeWorld, REF, rowsOf, settle, storeWith, type World } from './support.ts'

describe('the events of a session on their way to the store', () => {
  let world: World
  let clock: FakeClock
  /** What each append carried. */
  let batches: (readonly NewEvent[])[]
  beforeEach(() => {
    batches = []
    const store = openSqlite(':memory:')
    world = makeWorld({
      store: storeWith(store, {
        append: (ref, events) => {
          batches.push(events)
          return store.append(ref, events)
        },
      }),
    })
    clock = world.clock
  })

  const session = (): ReturnType<World['loomi']['session']> => world.loomi.session(REF)
  const texts = async (): Promise<unknown[]> =>
    (await rowsOf(world.store)).map(({ event_data }) => JSON.parse(event_data) as unknown)

  it('leave at once with the first delta after quiet', async () => {
    const agent = session()
    agent.message('a', { part: 'm' })
    await settle()
    assert.deepEqual(await texts(), ['a'])
    await clock.advance(1000)
    agent.message('b', { part: 'm' })
    await settle()
    assert.deepEqual(await texts(), ['a', 'b'])
  })

  it('gather deltas for 40 ms', async () => {
    const agent = session()
    agent.message('a', { part: 'm' })
    await settle()
    agent.message('b', { part: 'm' })
    await clock.advance(20)
    agent.message('c', { part: 'm' })
    await clock.advance(19)
    assert.deepEqual(await texts(), ['a'])
    await clock.advance(1)
    assert.deepEqual(await texts(), ['a', 'bc'])
    await agent.end()
    assert.equal(clock.pending, 0)
  })

  it('gather no longer than 64 deltas', async () => {
    const agent = session()
    agent.message('0', { part: 'm' })
    await settle()
    for (let i = 0; i < 63; i++) agent.message('x', { part: 'm' })
    await settle()
    assert.deepEqual(await texts(), ['0'])
    agent.message('y', { part: 'm' })
    await settle()
    assert.deepEqual(await texts(), ['0', `${'x'.repeat(63)}y`])
  })

  it('gather no more than 16 KB', async () => {
    const agent = session()
    agent.message('0', { part: 'm' })
    await settle()
    for (let i = 0; i < 3; i++) agent.message('x'.repeat(4094), { part: 'm' })
    await settle()
    assert.equal((await texts()).length, 1)
    agent.message('y'.repeat(4094), { part: 'm' })
    await settle()
    assert.deepEqual((await texts()).slice(1).join(''), 'x'.repeat(3 * 4094) + 'y'.repeat(4094))
  })

  it('never join to more than one event may hold', async () => {
    const agent = session()
    agent.message('0', { part: 'm' })
    await settle()
    agent.message('small', { part: 'm' })
    agent.message('x'.repeat(256 * 1024 - 2), { part: 'm' })
    await settle()
    const rows = await rowsOf(world.store)
    assert.ok(rows.every(({ event_data }) => event_data.length <= 256 * 1024))
    assert.equal((await texts()).join(''), `0small${'x'.repeat(256 * 1024 - 2)}`)
  })

  it('leave at once with a structural event, which keeps its place', async () => {
    const agent = session()
    agent.message('a', { part: 'm' })
    await settle()
    agent.message('b', { part: 'm' })
    agent.message('c', { part: 'm' })
    agent.emit({ event_type: 'tool_call', event_data: { name: 'search' } })
    await settle()
    assert.deepEqual(await texts(), ['a', 'bc', { name: 'search' }])
    assert.equal(batches.length, 2)
  })

  it('take a whole text, a text with metadata and a question for structural', async () => {
    const agent = session()
    agent.message('a', { part: 'm' })
    await settle()
    for (const send of [
      () => agent.thought('whole'),
      () => agent.user('question'),
      () => agent.emit({ event_type: 'llm_chunk', event_data: 'x', part: 'm', event_metadata: { a: 1 } }),
    ]) {
      const before = (await texts()).length
      send()
      await settle()
      assert.equal((await texts()).length, before + 1)
    }
  })

  it('keep the order of parts that take turns', async () => {
    const agent = session()
    agent.thought('0', { part: 't' })
    await settle()
    agent.thought('1', { part: 't' })
    agent.message('2', { part: 'm' })
    agent.message('3', { part: 'm' })
    agent.thought('4', { part: 't', done: true })
    agent.message('5', { part: 'm', done: true })
    await clock.advance(40)
    const rows = await rowsOf(world.store)
    assert.deepEqual(
      rows.map(({ content_type, event_data, part_done }) => [
        content_type,
        JSON.parse(event_data),
        part_done,
      ]),
      [
        ['thought', '0', false],
        ['thought', '1', false],
        ['message', '23', false],
        ['thought', '4', true],
        ['message', '5', true],
      ],
    )
    assert.equal(batches.length, 2)
  })

  it('begin another row after the end of a part, and for another speaker', async () => {
    const agent = session()
    agent.message('0', { part: 'm' })
    await settle()
    agent.message('1', { part: 'm', done: true })
    agent.message('2', { part: 'm' })
    agent.message('3', { part: 'm', agent_source: 'critic' })
    await clock.advance(40)
    assert.deepEqual(await texts(), ['0', '1', '2', '3'])
    assert.equal((await rowsOf(world.store)).at(-1)?.agent_source, 'critic')
  })

  it('keep the order in which several handles of one session sent them', async () => {
    const handles = [session(), session(), session()]
    for (let i = 0; i < 30; i++) handles[i % 3]!.message(`${i} `, { part: 'm' })
    await clock.advance(100)
    assert.equal((await texts()).join(''), Array.from({ length: 30 }, (_, i) => `${i} `).join(''))
  })

  it('go one append at a time, and what comes meanwhile goes with the next', async () => {
    const store = openSqlite(':memory:')
    let open = (): void => undefined
    let under = 0
    const slow = storeWith(store, {
      append: async (ref, events) => {
        assert.equal(++under, 1)
        await new Promise<void>((resolve) => (open = resolve))
        under--
        return store.append(ref, events)
      },
    })
    const { loomi } = makeWorld({ store: slow, clock })
    const agent = loomi.session(REF)
    for (const text of ['a', 'b', 'c', 'd']) agent.message(text)
    await settle()
    open()
    await settle()
    open()
    await settle()
    assert.deepEqual(
      (await rowsOf(store)).map(({ event_data }) => event_data),
      ['"a"', '"b"', '"c"', '"d"'],
    )
  })

  it('join halves of a character to the whole', async () => {
    const agent = session()
    agent.message('0', { part: 'm' })
    await settle()
    agent.message('\ud83c', { part: 'm' })
    agent.message('\udf31', { part: 'm' })
    await clock.advance(40)
    assert.deepEqual(await texts(), ['0', '🌱'])
  })
})
