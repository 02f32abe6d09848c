import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import type { Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import {
  bootOf,
  makeWorld,
  newEvents,
  openStream,
  REF,
  rowsOf,
  settle,
  type SseReader,
  storeWith,
  type World,
} from './support.ts'

/** A world whose store takes no appends while it is told so, or only those of a run, and the store behind it. */
function scene(): { world: World; memory: Store; down: (isDown: boolean, except?: string) => void } {
  const memory = openSqlite(':memory:')
  let isDown = false
  let taken = ''
  const store = storeWith(memory, {
    append: async (ref, events, leaseMs) => {
      if (isDown && events.every(({ run_id }) => run_id !== taken))
        throw new LoomiError('store_unavailable', 'Down.')
      return memory.append(ref, events, leaseMs)
    },
  })
  const down = (value: boolean, except = ''): void => {
    isDown = value
    taken = except
  }
  return { world: makeWorld({ store }), memory, down }
}

/** The next events of a stream that are stored, or that are not. */
async function events(reader: SseReader, count: number, which: 'stored' | 'unconfirmed'): Promise<unknown[]> {
  const found: unknown[] = []
  while (found.length < count) {
    const message = await reader.next()
    if (!message) throw new Error(`The stream ended after ${found.length} of ${count} events.`)
    const { frame } = message
    if (frame.type === 'event' && (frame.provisional === true) === (which === 'unconfirmed'))
      found.push(frame.event_data)
  }
  return found
}

/** The log is lost and another begins. */
async function begins(memory: Store, { clock }: World): Promise<void> {
  await memory.deleteSessions(REF)
  await memory.append(REF, newEvents(1, 1, { run_id: 'other' }))
  await clock.advance(5000)
}

describe('after a discard of what is unconfirmed', () => {
  it('a stream that goes on with the new log has its boot, and is not cut at the next outage', async () => {
    const { world, memory, down } = scene()
    await memory.append(REF, newEvents(1, 1))
    const viewer = await openStream(world.loomi)
    const [first] = await viewer.through('replay_complete')
    await begins(memory, world)
    const again = (await viewer.through('replay_complete')).find(({ frame }) => 'boot' in frame)
    assert.notEqual(bootOf(again), bootOf(first))
    down(true)
    const session = world.loomi.session({ ...REF, runId: 'r' })
    session.message('one')
    await world.clock.advance(1100)
    session.message('two')
    await settle()
    assert.deepEqual(await events(viewer, 2, 'unconfirmed'), ['one', 'two'])
    const next = await openStream(world.loomi, { query: 'after=0' })
    assert.equal(bootOf((await next.take(1))[0]), bootOf(again))
    for (const reader of [viewer, next]) await reader.cancel()
  })

  it('in an outage viewers get the whole queue again, without a hole, and no event needs to come first', async () => {
    const { world, memory, down } = scene()
    const session = world.loomi.session({ ...REF, runId: 'r' })
    session.message('zero')
    await settle()
    const viewer = await openStream(world.loomi)
    await events(viewer, 1, 'stored')
    down(true)
    session.message('one')
    session.message('two')
    await world.clock.advance(1100)
    assert.deepEqual(await events(viewer, 2, 'unconfirmed'), ['one', 'two'])
    await begins(memory, world)
    await viewer.rest()
    const next = await openStream(world.loomi, { query: 'after=0' })
    await world.clock.advance(2100)
    assert.deepEqual(await events(next, 2, 'unconfirmed'), ['one', 'two'])
    session.message('three')
    await settle()
    assert.deepEqual(await events(next, 1, 'unconfirmed'), ['three'])
    down(false)
    await world.clock.advance(5000)
    assert.deepEqual(await events(next, 3, 'stored'), ['one', 'two', 'three'])
    assert.equal((await rowsOf(memory)).length, 4)
    await next.cancel()
  })

  it('because one run was stopped, viewers get the events of the other runs again', async () => {
    const { world, memory, down } = scene()
    const gone = world.loomi.session({ ...REF, runId: 'gone' })
    const stays = world.loomi.session({ ...REF, runId: 'stays' })
    gone.message('zero')
    stays.message('zero')
    await settle()
    const viewer = await openStream(world.loomi)
    await events(viewer, 2, 'stored')
    down(true)
    gone.message('never')
    stays.message('one')
    await world.clock.advance(1100)
    assert.deepEqual(await events(viewer, 2, 'unconfirmed'), ['never', 'one'])
    const runs = [{ ...REF, runId: 'gone' }]
    await memory.endRuns('stopped', { runs }, new Date(world.clock.now()).toISOString())
    // The store says that it takes nothing more of that run, and fails again.
    down(true, 'gone')
    await world.clock.advance(2000)
    await viewer.rest()
    const next = await openStream(world.loomi, { query: 'after=0' })
    stays.message('two')
    await settle()
    assert.deepEqual(await events(next, 2, 'unconfirmed'), ['one', 'two'])
    await next.cancel()
  })

  for (const [what, change, isAgain] of [
    ['is deleted', (memory: Store) => memory.deleteSessions(REF), false],
    ['is deleted and another is in its place', (memory: Store) => memory.deleteSessions(REF), true],
    [
      'is begun anew',
      async (memory: Store) => {
        await memory.deleteSessions(REF)
        await memory.append(REF, newEvents(1, 5, { run_id: 'other' }))
      },
      false,
    ],
  ] as const)
    it(`a reader without a position is told so when the log that confirmed what it has ${what} while nobody watches`, async () => {
      const { world, memory, down } = scene()
      const bootNow = async (): Promise<string | undefined> => {
        const reader = await openStream(world.loomi, { query: 'after=0' })
        const boot = bootOf((await reader.take(1))[0])
        await reader.cancel()
        return boot
      }
      down(true)
      const viewer = await openStream(world.loomi)
      const boot = bootOf((await viewer.take(1))[0])
      const session = world.loomi.session(REF)
      session.message('one')
      await world.clock.advance(1100)
      assert.deepEqual(await events(viewer, 1, 'unconfirmed'), ['one'])
      await viewer.cancel()
      down(false)
      await world.clock.advance(20_000)
      assert.equal((await rowsOf(memory)).length, 1)
      assert.equal(await bootNow(), boot)
      await world.clock.advance(20_000)
      await change(memory)
      if (isAgain) {
        // The next outage: what is confirmed then is of the log that there is now.
        down(true)
        session.message('two')
        await world.clock.advance(1100)
        down(false)
        await world.clock.advance(20_000)
      }
      assert.notEqual(await bootNow(), boot)
    })
})
