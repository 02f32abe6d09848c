import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import type { Loomi } from '../../server/loomi.ts'
import type { Session } from '../../server/session.ts'
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

describe('what another server answers', () => {
  for (const [what, remove] of [
    ['session', (loomi: Loomi) => loomi.deleteSession(REF.sessionId)],
    ['user', (loomi: Loomi) => loomi.deleteUser(REF.userId)],
  ] as const)
    it(`is stopped before its ${what} is deleted, and does not come back`, async () => {
      const store = openSqlite(':memory:')
      const [here, there] = [makeWorld({ store }), makeWorld({ store })]
      const session = there.loomi.session(REF)
      const { signal } = session
      session.message('old', { part: 'm' })
      await settle()
      const deletion = remove(here.loomi)
      for (let k = 0; k < 20; k++) {
        session.message(' more', { part: 'm' })
        for (const { clock } of [here, there]) await clock.advance(100)
      }
      await deletion
      session.message(' the rest', { part: 'm' })
      for (const { clock } of [here, there]) await clock.advance(5000)
      assert.equal(signal.aborted, true)
      assert.deepEqual(await rowsOf(store), [])
      assert.deepEqual(await store.heads([REF]), [null])
    })
})

describe('somebody else’s session', () => {
  const BOBS = { ...REF, userId: 'bob' }

  it('is not stopped when a user is deleted who merely named it', async () => {
    const { loomi, clock } = makeWorld()
    const { signal } = await answering(loomi)
    const eve = loomi.session({ ...REF, userId: 'eve' })
    eve.user('mine now?')
    await settle()
    await loomi.deleteUser('eve')
    await clock.advance(2000)
    assert.equal(signal.aborted, false)
  })

  it('is not stopped when its former owner is deleted on a server that fed it before', async () => {
    const store = openSqlite(':memory:')
    const [here, there] = [makeWorld({ store }), makeWorld({ store })]
    const former = there.loomi.session(REF)
    former.message('one')
    await former.end()
    assert.equal(await here.loomi.transfer(REF.sessionId, REF.userId, 'bob'), true)
    const { signal } = await answering(here.loomi)
    await there.loomi.deleteUser(REF.userId)
    await here.clock.advance(3000)
    assert.equal(signal.aborted, false)
    assert.equal(former.userId, REF.userId)
  })

  async function answering(loomi: Loomi): Promise<Session> {
    const session = loomi.session(BOBS)
    assert.equal(session.signal.aborted, false)
    session.message('answer')
    await settle()
    return session
  }
})

describe('what a process remembers', () => {
  for (const how of ['deleted', 'given away'] as const)
    it(`of a session is not replayed once that is ${how}, though the store fails right after`, async () => {
      const sqlite = openSqlite(':memory:')
      let isDown = false
      const unlessDown = <T>(work: () => Promise<T>): Promise<T> =>
        isDown ? Promise.reject(new LoomiError('store_unavailable', 'Down.')) : work()
      const thenDown = <T>(result: T): T => {
        isDown = true
        return result
      }
      const store = storeWith(sqlite, {
        heads: (...args) => unlessDown(() => sqlite.heads(...args)),
        read: (...args) => unlessDown(() => sqlite.read(...args)),
        deleteSessions: (...args) => sqlite.deleteSessions(...args).then(thenDown),
        transferSession: (...args) => sqlite.transferSession(...args).then(thenDown),
      })
      const { loomi, clock } = makeWorld({ store })
      const session = loomi.session(REF)
      session.message('secret')
      await session.end()
      const page = await openStream(loomi, { query: 'after=0' })
      await page.through('replay_complete')
      if (how === 'deleted') await loomi.deleteSession(REF.sessionId)
      else await loomi.transfer(REF.sessionId, REF.userId, 'bob')
      const opening = openStream(loomi, { query: 'after=0' })
      await clock.advance(3000)
      const reader = await opening
      void reader.pump()
      await clock.advance(3000)
      assert.ok(!reader.text.includes('secret'), reader.text)
      const answer = beat(loomi)
      await clock.advance(2000)
      assert.equal((await answer).latest_event_id, null)
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
