import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import type { Session } from '../../server/session.ts'
import { makeWorld, REF, rowsOf, storeWith, type World } from './support.ts'

describe('a session', () => {
  let world: World
  let session: Session
  beforeEach(() => {
    world = makeWorld()
    session = world.loomi.session(REF)
  })

  const kinds = async (): Promise<string[]> =>
    (await rowsOf(world.store)).map(({ event_type, content_type }) => `${event_type}:${content_type}`)

  it('words what user and agent say as events', async () => {
    session.user('Where to?')
    session.thought('Looking…')
    session.message('Home.', { agent_source: 'guide' })
    session.emit({ event_type: 'tool_call' })
    await session.end()
    const rows = await rowsOf(world.store)
    assert.deepEqual(
      rows.map(({ event_type, content_type, agent_source, event_data, part_id, part_done }) => [
        event_type,
        content_type,
        agent_source,
        JSON.parse(event_data),
        part_id,
        part_done,
      ]),
      [
        ['user_message', 'user', 'user', 'Where to?', null, false],
        ['llm_chunk', 'thought', 'agent', 'Looking…', null, false],
        ['llm_chunk', 'message', 'guide', 'Home.', null, false],
        ['tool_call', 'tool_call', 'agent', null, null, false],
        ['run_end', 'complete', 'loomi', { status: 'complete' }, null, false],
      ],
    )
    assert.deepEqual(
      rows.map(({ n, i }) => `${n}.${i}`),
      ['1.0', '1.0', '2.0', '3.0', '3.1'],
    )
    // What the user says is a run of its own; the end takes no number from a stream that is taken up again.
    assert.equal(new Set(rows.map(({ run_id }) => run_id)).size, 2)
    assert.equal(new Set(rows.slice(1).map(({ run_id }) => run_id)).size, 1)
    assert.equal(rows[0]?.created_at, new Date(world.clock.now()).toISOString())
  })

  it('begins a run with the first event after an end', async () => {
    for (let turn = 0; turn < 3; turn++) {
      session.user(`question ${turn}`)
      session.message(`answer ${turn}`)
      await session.end()
    }
    const rows = await rowsOf(world.store)
    const answers = rows.filter(({ event_type }) => event_type !== 'user_message')
    assert.equal(new Set(answers.map(({ run_id }) => run_id)).size, 3)
    assert.deepEqual(
      answers.map(({ n, i }) => `${n}.${i}`),
      ['1.0', '1.1', '1.0', '1.1', '1.0', '1.1'],
    )
  })

  it('names a part <run>/<message>/<index>', async () => {
    const own = world.loomi.session({ ...REF, runId: 'r-1' })
    own.message('a', { part: 'm1' })
    own.message('b', { part: 'm2/3' })
    await own.end()
    assert.deepEqual(
      (await rowsOf(world.store)).map(({ part_id }) => part_id),
      ['r-1/m1/0', 'r-1/m2/3', null],
    )
  })

  it('ends a run as failed, with a text meant for users and without one that is not', async () => {
    session.message('a')
    await session.fail('The model is overloaded.')
    session.message('b')
    await session.fail(Object.assign(new Error('password=hunter2'), { code: 'ECONNRESET' }))
    session.message('c')
    await session.fail(undefined)
    const ends = (await rowsOf(world.store)).filter(({ event_type }) => event_type === 'run_end')
    assert.deepEqual(
      ends.map(({ content_type }) => content_type),
      ['failed', 'failed', 'failed'],
    )
    assert.deepEqual(
      ends.map(({ event_data }) => JSON.parse(event_data) as unknown),
      [
        { status: 'failed', code: 'agent_failed', text: 'The model is overloaded.' },
        { status: 'failed', code: 'ECONNRESET' },
        { status: 'failed', code: 'agent_failed' },
      ],
    )
  })

  it('ends no run that took nothing', async () => {
    await session.end()
    await session.fail('x')
    assert.throws(() => session.emit({ event_type: '' }))
    await session.end()
    assert.deepEqual(await kinds(), [])
  })

  it('resolves end() when everything is stored', async () => {
    session.message('a', { part: 'm' })
    session.message('b', { part: 'm' })
    await session.end()
    assert.equal((await kinds()).at(-1), 'run_end:complete')
  })

  describe('closed', () => {
    it('has a last row, and refuses what comes later without a throw, saying so once', async () => {
      session.message('a')
      await session.close()
      session.message('b')
      session.message('c')
      await session.end()
      await world.loomi.session(REF).close()
      assert.deepEqual(await kinds(), [
        'llm_chunk:message',
        'run_end:complete',
        'session_complete:session_complete',
      ])
      assert.equal(session.refused?.code, 'session_closed')
      assert.deepEqual(
        world.reports.map(({ error }) => error.code),
        ['session_closed'],
      )
      assert.match(world.reports[0]!.error.message, /Go on in a new session/)
    })

    it('takes nothing after the close though an append was under way', async () => {
      session.message('a')
      await Promise.resolve()
      session.message('b')
      void session.close()
      session.message('too late')
      await session.end()
      const rows = await rowsOf(world.store)
      assert.deepEqual(
        rows.map(({ event_data }) => JSON.parse(event_data) as unknown),
        ['a', 'b', { status: 'complete' }, null],
      )
    })
  })

  it('of another user is refused without a throw, said once, and the owner’s log stays as it is', async () => {
    session.message('mine')
    await session.end()
    const stranger = world.loomi.session({ ...REF, userId: 'eve' })
    stranger.message('not mine')
    await stranger.end()
    stranger.message('still not mine')
    await stranger.end()
    assert.equal((await rowsOf(world.store)).length, 2)
    assert.equal(stranger.refused?.code, 'not_owner')
    assert.deepEqual(
      world.reports.map(({ error }) => error.code),
      ['not_owner'],
    )
    assert.deepEqual(await collect(stranger), [])
    assert.equal(await stranger.cursor(), '0')
  })

  it('is not made for ids that are none', () => {
    const bad = [
      { sessionId: '', userId: 'ada' },
      { sessionId: 'x'.repeat(129), userId: 'ada' },
      { sessionId: 's', userId: 'a\u0000b' },
      { sessionId: 's', userId: undefined as unknown as string },
      { sessionId: 's', userId: 'ada', runId: '' },
    ]
    for (const ref of bad) {
      assert.throws(
        () => world.loomi.session(ref),
        (error) => error instanceof LoomiError && error.code === 'bad_id',
      )
    }
  })

  describe('read', () => {
    it('gives the log in order with a cursor each, counting what was emitted so far', async () => {
      session.message('a', { part: 'm' })
      session.message('b', { part: 'm', done: true })
      session.emit({ event_type: 'x', event_data: { y: 1 }, event_metadata: { z: 2 } })
      const events = await collect(session)
      assert.deepEqual(
        events.map(({ event_data }) => event_data),
        ['a', 'b', { y: 1 }],
      )
      assert.deepEqual(events[1]?.part_done, true)
      assert.deepEqual(events[2]?.event_metadata, { z: 2 })
      assert.equal(await session.cursor(), events.at(-1)?.cursor)
      const after = []
      for await (const event of session.read({ after: events[0]!.cursor })) after.push(event.event_data)
      assert.deepEqual(after, ['b', { y: 1 }])
    })

    it('gives long logs page by page', async () => {
      for (let i = 1; i <= 1200; i++) session.emit({ event_type: 'x', event_data: i })
      assert.deepEqual(
        (await collect(session)).map(({ event_data }) => event_data),
        Array.from({ length: 1200 }, (_, i) => i + 1),
      )
    })

    it('is empty, and the cursor 0, before the first event', async () => {
      assert.deepEqual(await collect(session), [])
      assert.equal(await session.cursor(), '0')
    })

    it('refuses what is no cursor of this log', async () => {
      session.message('a')
      for (const after of ['nonsense', 'other-1-abcdef']) {
        await assert.rejects(
          async () => {
            for await (const _ of session.read({ after })) assert.fail('an event')
          },
          (error) =>
            error instanceof LoomiError && error.code === 'bad_request' && error.message.includes("'0'"),
        )
      }
    })
  })

  it('is not waited for longer than 5 s by close() while the store fails', async () => {
    const { store } = makeWorld()
    const failing = storeWith(store, { append: () => Promise.reject(new LoomiError('store_failed', 'no')) })
    const { loomi, clock } = makeWorld({ store: failing })
    loomi.session(REF).message('pending')
    let closed = false
    const closing = loomi.close().then(() => (closed = true))
    await clock.advance(4999)
    assert.equal(closed, false)
    await clock.advance(1)
    await closing
  })
})

async function collect(
  session: Session,
): Promise<Awaited<ReturnType<ReturnType<Session['read']>['next']>>['value'][]> {
  const events = []
  for await (const event of session.read()) events.push(event)
  return events
}
