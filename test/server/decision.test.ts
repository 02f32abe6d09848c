/** The replay decision as a client without a cursor meets it: over both endpoints. */
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import type { LoomiOptions } from '../../server/loomi.ts'
import { formatCursor, type Frame } from '../../server/protocol.ts'
import {
  beat,
  makeWorld,
  type Message,
  newEvents,
  openStream,
  REF,
  seqsOf,
  settle,
  type World,
} from './support.ts'

describe('a stream without a cursor', { timeout: 30_000 }, () => {
  let world: World
  let head: number
  let epoch: string
  beforeEach(() => begin())

  function begin(options: Partial<LoomiOptions> = {}): void {
    const { store: _, ...rest } = options
    world = makeWorld(rest)
    head = 0
  }

  async function append(count: number): Promise<void> {
    const result = await world.store.append(REF, newEvents(head + 1, head + count))
    assert.ok(result.ok)
    head += count
    epoch = result.head.epoch
  }
  const at = (seq: number): string => formatCursor(epoch, seq, `run-1/${seq}`)

  /** The first frame without its boot, and the seqs that follow; with `follow=0` all there is. */
  async function visit(
    query = 'follow=0',
  ): Promise<{ first: Partial<Frame>; id: string | undefined; seqs: number[]; types: string[] }> {
    const stream = await openStream(world.loomi, { query })
    const messages: Message[] = await stream.rest()
    const { boot: _, ...first } = messages[0]!.frame as unknown as { boot: string } & Partial<Frame>
    return {
      first: first as Partial<Frame>,
      id: messages[0]!.id,
      seqs: seqsOf(messages),
      types: messages.map(({ frame }) => frame.type),
    }
  }

  it('is a first visit from the beginning for somebody never seen', async () => {
    await append(3)
    const { first, id, seqs, types } = await visit()
    assert.deepEqual(first, {
      type: 'replay_start',
      reason: 'first_visit',
      count: 3,
      missed: 3,
      seen: 0,
      to: 3,
    })
    assert.equal(id, `${epoch}-0`)
    assert.deepEqual(seqs, [1, 2, 3])
    assert.equal(types.at(-1), 'replay_complete')
  })

  it('is quiet for somebody who is here and has the last event', async () => {
    await append(3)
    await beat(world.loomi)
    const { first, id, types } = await visit()
    assert.deepEqual(first, { type: 'no_replay', cursor: at(3), seen: 3, count: 0 })
    assert.equal(id, at(3))
    assert.deepEqual(types, ['no_replay'])
  })

  it('is quiet with up to ten events since the last beat: with follow=0 it sends none of them', async () => {
    await append(3)
    await beat(world.loomi)
    await append(10)
    const { first, seqs } = await visit()
    assert.deepEqual(first, { type: 'no_replay', cursor: at(3), seen: 13, count: 0 })
    assert.deepEqual(seqs, [])
  })

  it('brings those up to ten events all the same when it stays', async () => {
    await append(3)
    await beat(world.loomi)
    await append(10)
    const stream = await openStream(world.loomi)
    const messages = await stream.take(11)
    assert.partialDeepStrictEqual(messages[0], {
      id: at(3),
      frame: { type: 'no_replay', seen: 13, count: 10 },
    })
    assert.deepEqual(seqsOf(messages), [4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
    await stream.cancel()
  })

  it('is a replay with eleven events since the last beat', async () => {
    await append(3)
    await beat(world.loomi)
    await append(11)
    const { first, seqs } = await visit()
    assert.deepEqual(first, {
      type: 'replay_start',
      reason: 'too_many_unreplayed',
      count: 11,
      missed: 11,
      seen: 3,
      to: 14,
    })
    assert.equal(seqs.length, 11)
  })

  it('is a replay from fewer events with pileUp: 3', async () => {
    begin({ pileUp: 3 })
    await append(3)
    await beat(world.loomi)
    await append(3)
    assert.equal((await visit()).first.type, 'no_replay')
    await append(1)
    assert.partialDeepStrictEqual((await visit()).first, { reason: 'too_many_unreplayed', count: 4 })
  })

  it('is a replay of what came in an absence', async () => {
    await append(3)
    await beat(world.loomi)
    await world.clock.advance(10_001)
    await append(1)
    const { first, seqs } = await visit()
    assert.deepEqual(first, {
      type: 'replay_start',
      reason: 'has_disconnect_events',
      count: 1,
      missed: 1,
      seen: 3,
      to: 4,
    })
    assert.deepEqual(seqs, [4])
  })

  it('is that replay too when the returning client’s first beat comes before its stream', async () => {
    await append(3)
    await beat(world.loomi)
    await world.clock.advance(30_000)
    await append(2)
    await beat(world.loomi)
    await world.clock.advance(2000)
    await beat(world.loomi)
    const { first, seqs } = await visit()
    assert.partialDeepStrictEqual(first, { reason: 'has_disconnect_events', count: 2, seen: 3 })
    assert.deepEqual(seqs, [4, 5])
  })

  it('is quiet again once that replay was served', async () => {
    await append(3)
    await beat(world.loomi)
    await world.clock.advance(30_000)
    await append(2)
    await beat(world.loomi)
    await visit()
    assert.equal((await visit()).first.type, 'no_replay')
  })

  it('still is that replay when its reader left in the middle', async () => {
    await append(3)
    await beat(world.loomi)
    await world.clock.advance(30_000)
    await append(5)
    await beat(world.loomi)
    const stream = await openStream(world.loomi, { query: 'follow=0&pace=50' })
    await stream.take(2)
    await stream.cancel()
    await world.clock.advance(1000)
    assert.partialDeepStrictEqual((await visit()).first, {
      reason: 'has_disconnect_events',
      count: 5,
      seen: 3,
    })
  })

  it('is quiet after an absence in which nothing came', async () => {
    await append(3)
    await beat(world.loomi)
    await world.clock.advance(60_000)
    assert.equal((await visit()).first.type, 'no_replay')
    await beat(world.loomi)
    assert.equal((await visit()).first.type, 'no_replay')
  })

  it('takes an absence of 15 s for none with disconnectThresholdMs: 20000', async () => {
    for (const [disconnectThresholdMs, type] of [
      [10_000, 'replay_start'],
      [20_000, 'no_replay'],
    ] as const) {
      begin({ disconnectThresholdMs })
      await append(3)
      await beat(world.loomi)
      await world.clock.advance(15_000)
      await append(2)
      await beat(world.loomi)
      assert.equal((await visit()).first.type, type)
    }
  })

  it('starts at what beats said was displayed, not at the mark', async () => {
    await append(8)
    await beat(world.loomi, { last_event_id: at(5) })
    await world.clock.advance(30_000)
    await append(2)
    const { first, seqs } = await visit()
    assert.deepEqual(first, {
      type: 'replay_start',
      reason: 'has_disconnect_events',
      count: 5,
      missed: 5,
      seen: 5,
      to: 10,
    })
    assert.deepEqual(seqs, [6, 7, 8, 9, 10])
  })

  it('starts at the mark when what beats said was displayed is of another row', async () => {
    await append(8)
    await beat(world.loomi, { last_event_id: formatCursor(epoch, 5, 'run-9/5') })
    await world.clock.advance(30_000)
    await append(2)
    assert.partialDeepStrictEqual((await visit()).first, {
      reason: 'has_disconnect_events',
      seen: 8,
      count: 2,
    })
  })

  it('takes the displayed place of the request as well, whichever is further', async () => {
    await append(8)
    await beat(world.loomi, { last_event_id: at(5) })
    await world.clock.advance(30_000)
    await append(2)
    assert.partialDeepStrictEqual((await visit(`follow=0&seen=${at(7)}`)).first, { seen: 7, count: 3 })
    assert.partialDeepStrictEqual((await visit(`follow=0&seen=${at(4)}`)).first, {
      type: 'no_replay',
      cursor: at(5),
    })
  })

  it('takes beats from before the first event for a place at the beginning', async () => {
    await beat(world.loomi)
    await append(2)
    assert.equal((await visit()).first.type, 'no_replay')
    await world.clock.advance(30_000)
    assert.partialDeepStrictEqual((await visit()).first, {
      reason: 'has_disconnect_events',
      count: 2,
      seen: 0,
    })
  })

  it('knows the absence after a restart of the server', async () => {
    await append(3)
    await beat(world.loomi)
    await world.clock.advance(30_000)
    await append(2)
    await beat(world.loomi)
    await world.loomi.close()
    const { store, clock } = world
    world = { ...makeWorld({ store, clock }), clock }
    assert.partialDeepStrictEqual((await visit()).first, { reason: 'has_disconnect_events', count: 2 })
  })

  it('does not follow the beats of other users', async () => {
    await append(3)
    await beat(world.loomi, { user_id: 'bob' })
    assert.partialDeepStrictEqual((await visit()).first, { reason: 'first_visit', count: 3 })
  })

  it('ends when the session was closed and nothing follows', async () => {
    await append(2)
    await world.loomi.session(REF).close()
    await beat(world.loomi)
    const stream = await openStream(world.loomi)
    await settle()
    assert.deepEqual(
      (await stream.rest()).map(({ frame }) => frame.type),
      ['no_replay', 'session_complete'],
    )
  })

  it('needs no beat at all to lose nothing', async () => {
    await append(5)
    const stream = await openStream(world.loomi)
    const messages = await stream.through('replay_complete')
    await stream.cancel()
    await append(30)
    const again = await openStream(world.loomi, { headers: { 'Last-Event-ID': messages.at(-1)!.id! } })
    assert.deepEqual(
      seqsOf(await again.through('replay_complete')),
      Array.from({ length: 30 }, (_, i) => i + 6),
    )
    await again.cancel()
  })
})
