import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { makeWorld, newEvent, REF, rowsOf, settle, storeWith, type World } from './support.ts'

describe('a session', () => {
  describe('while the store fails', () => {
    /** A store whose appends fail `times` times, before or after they are done. */
    function failing(times: number, when: 'before' | 'after'): { world: World; failed: () => number } {
      const store = openSqlite(':memory:')
      let failed = 0
      const flaky = storeWith(store, {
        append: async (ref, events) => {
          if (failed < times && when === 'before') {
            failed++
            throw new LoomiError('store_busy', 'Busy.')
          }
          const result = await store.append(ref, events)
          if (failed < times) {
            failed++
            throw new Error('The answer got lost.')
          }
          return result
        },
      })
      return { world: makeWorld({ store: flaky }), failed: () => failed }
    }

    for (const when of ['before', 'after'] as const) {
      it(`loses nothing, adds nothing twice and keeps the order (failing ${when} the commit)`, async () => {
        const { world, failed } = failing(6, when)
        const agent = world.loomi.session(REF)
        for (let i = 0; i < 100; i++) {
          agent.message(`${i} `, { part: 'm' })
          if (i % 10 === 0) agent.emit({ event_type: 'tick', event_data: i })
          if (i % 25 === 0) await world.clock.advance(30)
        }
        const ended = agent.end()
        await world.clock.advance(30_000)
        await ended
        const rows = await rowsOf(world.store)
        const parts = rows
          .filter(({ part_id }) => part_id !== null)
          .map(({ event_data }) => JSON.parse(event_data) as string)
        assert.equal(parts.join(''), Array.from({ length: 100 }, (_, i) => `${i} `).join(''))
        const ticks = rows
          .filter(({ event_type }) => event_type === 'tick')
          .map(({ event_data }) => Number(event_data))
        assert.deepEqual(ticks, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90])
        assert.equal(failed(), 6)
        // What a store says in the same words is told once.
        assert.equal(world.reports.length, when === 'before' ? 1 : 6)
        assert.equal(world.reports[0]?.error.code, when === 'before' ? 'store_busy' : 'internal')
      })
    }

    it('emits without waiting, and end() waits', async () => {
      const { world } = failing(3, 'before')
      const agent = world.loomi.session(REF)
      let ended = false
      agent.message('a')
      void agent.end().then(() => (ended = true))
      await settle()
      assert.equal(ended, false)
      await world.clock.advance(10_000)
      assert.equal(ended, true)
    })
  })

  it('goes on after a reporter that throws', async (t) => {
    const console = t.mock.method(globalThis.console, 'error', () => undefined)
    const { loomi, store } = makeWorld({
      onEvent: () => {
        throw new Error('The reporter is broken.')
      },
    })
    await store.append(REF, [newEvent(1)])
    const stranger = loomi.session({ ...REF, userId: 'eve' })
    stranger.message('x')
    await stranger.end()
    assert.equal(stranger.refused?.code, 'not_owner')
    assert.equal(console.mock.callCount(), 1)
  })
})
