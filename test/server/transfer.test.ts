import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import type { Session } from '../../server/session.ts'
import { type Store, keyOf } from '../../server/store.ts'
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

const BOB = { ...REF, userId: 'bob' }
const TO = { user: 'bob', query: 'after=0' }

async function textsOf(session: Session, after?: string): Promise<unknown[]> {
  const texts = []
  for await (const { event_data } of session.read(after === undefined ? {} : { after }))
    texts.push(event_data)
  return texts
}

describe('a session that is given to another user', () => {
  it('is shown to that one, and its former owner’s page is told that it is gone, and finds nothing', async () => {
    const { loomi, store } = makeWorld()
    loomi.session(REF).message('one')
    await settle()
    const former = await openStream(loomi, { query: 'after=0' })
    const waiting = await openStream(loomi, TO)
    await former.through('replay_complete')
    await waiting.take(1)
    assert.equal(await loomi.transfer(REF.sessionId, 'ada', 'bob'), true)
    assert.deepEqual(typesOf(await former.rest()), ['reset'])
    assert.deepEqual(dataOf(await waiting.take(1)), ['one'])
    const again = await openStream(loomi, { query: 'after=0' })
    assert.deepEqual(
      (await again.take(1)).map(({ frame }) => frame.type === 'no_replay' && frame.cursor),
      [null],
    )
    assert.equal((await rowsOf(store, BOB)).length, 1)
    for (const reader of [waiting, again]) await reader.cancel()
  })

  it('goes on: what the producer’s handle emits reaches the new owner’s page at once, and the run ends', async () => {
    const { loomi, store, clock } = makeWorld()
    const session = loomi.session({ ...REF, runId: 'r' })
    session.message('one', { part: 'm' })
    await settle()
    await loomi.transfer(REF.sessionId, 'ada', 'bob')
    const page = await openStream(loomi, TO)
    await page.through('replay_complete')
    session.message(' two', { part: 'm', done: true })
    await clock.advance(100)
    await session.end()
    assert.deepEqual(dataOf(await page.take(2)), [' two', { status: 'complete' }])
    assert.deepEqual((await rowsOf(store, BOB)).map(keyOf), ['r/1', 'r/2', 'r/2.1'])
    await page.cancel()
  })

  it('is read by the new owner’s handles only, whatever the former owner’s go on to emit', async () => {
    const { loomi, clock } = makeWorld()
    const session = loomi.session({ ...REF, runId: 'r' })
    session.message('one')
    await settle()
    const cursor = await session.cursor()
    await loomi.transfer(REF.sessionId, 'ada', 'bob')
    loomi.session(BOB).message('secret')
    session.message('two')
    await clock.advance(100)
    for (const handle of [session, loomi.session(REF)]) {
      assert.deepEqual(await textsOf(handle), [])
      assert.equal(await handle.cursor(), '0')
      await assert.rejects(handle.read({ after: cursor }).next(), { code: 'bad_request' })
    }
    const owners = loomi.session(BOB)
    assert.deepEqual(await textsOf(owners), ['one', 'secret', 'two'])
    assert.deepEqual(await textsOf(owners, cursor), ['secret', 'two'])
  })

  it('has one order, also of what the new owner’s handle of before emits: nothing is behind the end', async () => {
    const { loomi, clock } = makeWorld()
    const session = loomi.session(REF)
    const theirs = loomi.session(BOB)
    session.message('one', { part: 'm' })
    await settle()
    await loomi.transfer(REF.sessionId, 'ada', 'bob')
    session.message('two', { part: 'm' })
    session.message('three', { part: 'm' })
    theirs.user('four')
    await Promise.all([theirs.close(), clock.advance(100)])
    const texts = (await textsOf(theirs)).filter((text) => typeof text === 'string')
    assert.deepEqual(texts, ['one', 'twothree', 'four'])
    assert.equal(session.refused, null)
  })

  it('is not refused any more to who has it now', async () => {
    const { loomi, store, clock, reports } = makeWorld()
    loomi.session(REF).message('one')
    const theirs = loomi.session(BOB)
    const refused = (): unknown => theirs.refused?.code ?? null
    await settle()
    theirs.message('too early')
    await settle()
    assert.equal(refused(), 'not_owner')
    await loomi.transfer(REF.sessionId, 'ada', 'bob')
    theirs.message('two')
    await clock.advance(100)
    assert.equal(refused(), null)
    assert.deepEqual(await textsOf(theirs), ['one', 'two'])
    await store.transferSession(REF.sessionId, 'bob', 'carl')
    await store.deleteSessions({ userId: 'bob' })
    theirs.message('too late')
    await clock.advance(100)
    assert.equal(refused(), 'not_owner')
    assert.equal(reports.length, 2)
  })

  it('stores first what was emitted before, even if that makes the session', async () => {
    const { loomi } = makeWorld()
    loomi.session(REF).message('one')
    assert.equal(await loomi.transfer(REF.sessionId, 'ada', 'bob'), true)
    const page = await openStream(loomi, TO)
    assert.deepEqual(dataOf(await page.through('replay_complete')), ['one'])
    await page.cancel()
  })

  it('is noticed by other processes: pages of both users, and a producer that goes on', async () => {
    const store = openSqlite(':memory:')
    const [here, there] = [makeWorld({ store }), makeWorld({ store })]
    const producer = there.loomi.session({ ...REF, runId: 'r' })
    producer.message('one')
    await settle()
    const former = await openStream(there.loomi, { query: 'after=0' })
    const next = await openStream(there.loomi, TO)
    await former.through('replay_complete')
    await next.take(1)
    await here.loomi.transfer(REF.sessionId, 'ada', 'bob')
    await there.clock.advance(5000)
    assert.deepEqual(typesOf(await former.take(2)), ['reset', 'no_replay'])
    assert.deepEqual(dataOf(await next.take(1)), ['one'])
    producer.message('two')
    await settle()
    assert.deepEqual(dataOf(await next.take(1)), ['two'])
    await here.loomi.stop(REF.sessionId)
    await there.clock.advance(6000)
    assert.equal(producer.signal.aborted, true)
    for (const reader of [former, next]) await reader.cancel()
  })

  for (const how of ['by this process', 'by another process'] as const)
    it(`${how} shows the new owner what the store does not have yet`, async () => {
      const memory = openSqlite(':memory:')
      let isDown = false
      const store: Store = storeWith(memory, {
        append: async (...asked) => {
          if (isDown) throw new LoomiError('store_unavailable', 'Down.')
          return memory.append(...asked)
        },
      })
      const { loomi, clock } = makeWorld({ store })
      const session = loomi.session({ ...REF, runId: 'r' })
      session.message('one')
      await settle()
      if (how === 'by another process') {
        await memory.transferSession(REF.sessionId, 'ada', 'bob')
        session.message('two')
        await clock.advance(100)
      }
      isDown = true
      session.message('three')
      await clock.advance(1100)
      if (how === 'by this process') {
        const transfer = loomi.transfer(REF.sessionId, 'ada', 'bob')
        await clock.advance(1100)
        assert.equal(await transfer, true)
      }
      const page = await openStream(loomi, TO)
      const provisional = async (): Promise<unknown> => {
        for (;;) {
          const [message] = await page.take(1)
          if (message?.frame.type === 'event' && message.frame.provisional) return message.frame.event_data
        }
      }
      assert.equal(await provisional(), 'three')
      session.message('four')
      await clock.advance(100)
      assert.equal(await provisional(), 'four')
      isDown = false
      await clock.advance(6000)
      const stored = await page.take(2)
      assert.deepEqual(dataOf(stored), ['three', 'four'])
      assert.ok(stored.every(({ id }) => id !== undefined))
      const later = await openStream(loomi, TO)
      const all = await later.through('replay_complete')
      assert.ok(all.every(({ frame }) => frame.type !== 'event' || !frame.provisional))
      for (const reader of [page, later]) await reader.cancel()
    })

  it('takes along what was displayed', async () => {
    const { loomi, store } = makeWorld()
    await store.append(REF, newEvents(1, 3))
    const page = await openStream(loomi, { query: 'after=0' })
    const frames = await page.through('replay_complete')
    await beat(loomi, { last_event_id: frames[2]!.id! })
    await beat(loomi, { user_id: 'bob' })
    await loomi.transfer(REF.sessionId, 'ada', 'bob')
    assert.equal((await loomi.presence(BOB))?.displayed, frames[2]!.id)
    assert.equal(await loomi.presence(REF), null)
    await page.cancel()
  })

  it('takes along what was displayed and the store does not know yet', async () => {
    const memory = openSqlite(':memory:')
    let isDown = true
    const store = storeWith(memory, {
      savePresence: async (rows) => {
        if (isDown) throw new LoomiError('store_unavailable', 'Down.')
        return memory.savePresence(rows)
      },
      transferSession: (...asked) => {
        isDown = false
        return memory.transferSession(...asked)
      },
    })
    const { loomi } = makeWorld({ store })
    await store.append(REF, newEvents(1, 3))
    const page = await openStream(loomi, { query: 'after=0' })
    const frames = await page.through('replay_complete')
    await beat(loomi, { last_event_id: frames[2]!.id! })
    await beat(loomi, { user_id: 'bob' })
    await loomi.transfer(REF.sessionId, 'ada', 'bob')
    assert.equal((await loomi.presence(BOB))?.displayed, frames[2]!.id)
    assert.equal(await memory.loadPresence(REF), null)
    await page.cancel()
  })

  it('can be asked for again, and not by who does not have it', async () => {
    const { loomi } = makeWorld()
    assert.equal(await loomi.transfer(REF.sessionId, 'ada', 'bob'), false)
    loomi.session(REF).message('one')
    assert.equal(await loomi.transfer(REF.sessionId, 'eve', 'bob'), false)
    for (let again = 0; again < 2; again++)
      assert.equal(await loomi.transfer(REF.sessionId, 'ada', 'bob'), true)
    assert.equal(await loomi.transfer(REF.sessionId, 'ada', 'carl'), false)
    await assert.rejects(loomi.transfer(REF.sessionId, 'ada', ''), { code: 'bad_id' })
  })

  it('is not lost with its former owner', async () => {
    const { loomi, store } = makeWorld()
    const session = loomi.session(REF)
    session.message('one')
    await loomi.transfer(REF.sessionId, 'ada', 'bob')
    await loomi.deleteUser('ada')
    session.message('two')
    await settle()
    assert.equal((await rowsOf(store, BOB)).length, 2)
    assert.equal(session.signal.aborted, false)
    await loomi.deleteUser('bob')
    assert.deepEqual(await rowsOf(store, BOB), [])
    assert.equal(session.signal.aborted, true)
  })
})
