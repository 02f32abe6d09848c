import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { makeWorld, openStream, REF, settle } from './support.ts'
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
