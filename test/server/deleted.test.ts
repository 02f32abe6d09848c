import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import type { Loomi } from '../../server/loomi.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import {
  beat,
  dataOf,
  makeWorld,
  newEvents,
  openStream,
  REF,
  rowsOf,
  settle,
  storeWith,
  typesOf,
} from './support.ts'
describe('a session that another process deletes', () => {
  it('is told to the page that shows it, which then shows one that begins anew', async () => {
    const store = openSqlite(':memory:')
    const [a, b] = [makeWorld({ store }), makeWorld({ store })]
    const session = a.loomi.session(REF)
    session.message('old')
    await session.end()
    const reader = await openStream(a.loomi)
    await reader.through('replay_complete')
    await b.loomi.deleteSession(REF.sessionId)
    await a.clock.advance(5000)
    const frames = await reader.take(2)
    assert.deepEqual(
      frames.map(({ frame, id }) => [frame.type, id]),
      [
        ['reset', undefined],
        ['no_replay', undefined],
      ],
    )
    makeWorld({ store }).loomi.session(REF).message('new')
    await settle()
    await a.clock.advance(6000)
    const [event] = await reader.take(1)
    assert.ok(event!.frame.type === 'event' && event!.frame.event_data === 'new')
    await reader.cancel()
  })
})

describe('a session that is deleted here', () => {
  it('and begins anew before the store has said so is told once', async () => {
    const sqlite = openSqlite(':memory:')
    let answer: (() => void) | null = null
    const store = storeWith(sqlite, {
      deleteSessions: async (choice) => {
        const deleted = await sqlite.deleteSessions(choice)
        await new Promise<void>((resolve) => (answer = resolve))
        return deleted
      },
    })
    const { loomi, clock } = makeWorld({ store })
    await sqlite.append(REF, newEvents(1, 2, { event_type: 'user_message' }))
    const reader = await openStream(loomi, { query: 'after=0' })
    await reader.through('replay_complete')
    const deletion = loomi.deleteSession(REF.sessionId)
    while (!answer) await settle()
    loomi.session(REF).message('new')
    await clock.advance(100)
    const frames = await reader.take(4)
    assert.deepEqual(typesOf(frames), ['reset', 'replay_start', 'event', 'replay_complete'])
    ;(answer as () => void)()
    await deletion
    loomi.session(REF).message('newer')
    await clock.advance(100)
    assert.deepEqual(dataOf(await reader.take(1)), ['newer'])
    await reader.cancel()
  })
})

describe('what waits for the store when its session is deleted', () => {
  for (const [what, remove] of [
    ['session', (loomi: Loomi) => loomi.deleteSession(REF.sessionId)],
    ['user', (loomi: Loomi) => loomi.deleteUser(REF.userId)],
  ] as const) {
    it(`does not come back after the store was away: a ${what}`, async () => {
      const sqlite = openSqlite(':memory:')
      let isAway = false
      const { loomi, clock } = makeWorld({
        store: storeWith(sqlite, {
          append: (...args) =>
            isAway ? Promise.reject(new LoomiError('store_unavailable', 'Down.')) : sqlite.append(...args),
        }),
      })
      const session = loomi.session(REF)
      session.message('old')
      await settle()
      isAway = true
      session.message('private')
      await clock.advance(20_000)
      isAway = false
      const deletion = remove(loomi)
      await clock.advance(10_000)
      await deletion
      assert.deepEqual(await rowsOf(sqlite), [])
    })

    it(`keeps it from being deleted as long as it may still be stored: a ${what}`, async () => {
      const sqlite = openSqlite(':memory:')
      const gate = Promise.withResolvers<void>()
      let waits = Promise.resolve()
      const { loomi, clock } = makeWorld({
        store: storeWith(sqlite, { append: (...args) => waits.then(() => sqlite.append(...args)) }),
      })
      const session = loomi.session(REF)
      session.message('old')
      await settle()
      waits = gate.promise
      session.message('private')
      const refused = assert.rejects(remove(loomi), {
        code: 'store_unavailable',
        message: /nothing was deleted/,
      })
      await clock.advance(10_000)
      await refused
      gate.resolve()
      await clock.advance(1000)
      await remove(loomi)
      assert.deepEqual(await rowsOf(sqlite), [])
    })
  }
})

describe('who is deleted', () => {
  for (const [what, remove] of [
    ['a session', (loomi: Loomi) => loomi.deleteSession(REF.sessionId)],
    ['a user', (loomi: Loomi) => loomi.deleteUser(REF.userId)],
  ] as const)
    it(`with ${what} is not remembered as present, here or in the store`, async () => {
      const { loomi, store, clock } = makeWorld()
      loomi.session(REF).message('one')
      await beat(loomi)
      assert.notEqual(await loomi.presence(REF), null)
      await remove(loomi)
      assert.equal(await loomi.presence(REF), null)
      await clock.advance(20_000)
      assert.equal(await store.loadPresence(REF), null)
    })

  for (const [what, remove] of [
    ['a session', (loomi: Loomi) => loomi.deleteSession(REF.sessionId)],
    ['a user', (loomi: Loomi) => loomi.deleteUser(REF.userId)],
  ] as const)
    it(`with ${what} is not written down by another server that heard a beat just before`, async () => {
      const here = makeWorld()
      const there = makeWorld({ store: here.store })
      here.loomi.session(REF).message('one')
      await settle()
      await beat(there.loomi)
      await remove(here.loomi)
      await there.clock.advance(20_000)
      assert.equal(await here.store.loadPresence(REF), null)
    })

  it('while the store is asked for them is not remembered either', async () => {
    const sqlite = openSqlite(':memory:')
    let answer = (): void => undefined
    const store = storeWith(sqlite, {
      loadPresence: async (ref) => {
        const row = await sqlite.loadPresence(ref)
        await new Promise<void>((resolve) => (answer = resolve))
        return row
      },
    })
    const { loomi } = makeWorld({ store })
    await sqlite.savePresence([
      { ...REF, lastBeatAt: 1, headSeq: 0, pendingSeq: null, epoch: null, displayed: null },
    ])
    const asking = loomi.presence(REF)
    await settle()
    await loomi.deleteUser(REF.userId)
    answer()
    await asking
    const again = loomi.presence(REF)
    await settle()
    answer()
    assert.equal(await again, null)
  })
})
