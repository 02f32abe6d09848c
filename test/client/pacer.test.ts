import { expect } from '@open-wc/testing'
import { parseFrame, type Received } from '../../elements/client/frames.ts'
import { pace, type Pacing } from '../../elements/client/pacer.ts'
import type { Frame, LoomiEvent } from '../../server/protocol.ts'
import { FakeClock } from './support/fake-clock.ts'
import { makeEvent } from './support/model-server.ts'

const received = (frame: Frame, seq: number): Received =>
  parseFrame({ id: `e1-${seq}-aaaaaa`, data: JSON.stringify(frame) })
const start = (missed: number, seen = 0): Received =>
  received(
    {
      type: 'replay_start',
      reason: 'cursor_behind',
      count: missed,
      missed,
      seen,
      to: seen + missed,
      boot: 'b',
    },
    1,
  )
const event = (seq: number, fields: Partial<LoomiEvent & { from: number }> = {}): Received =>
  received({ type: 'event', ...makeEvent(seq, fields), ...fields } as Frame, seq)
const events = (from: number, to: number): Received[] =>
  Array.from({ length: to - from + 1 }, (_, i) => event(from + i))

/** Paces the batches; each line of the result is `<milliseconds>: <seqs>`. */
async function paced(
  batches: Received[][],
  change: (clock: FakeClock) => Partial<Pacing> = () => ({}),
): Promise<string[]> {
  const clock = new FakeClock()
  const began = clock.now()
  const lines: string[] = []
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimeout(resolve, ms))
  const base: Pacing = {
    replayMs: 50,
    budgetMs: 1200,
    now: () => clock.now(),
    sleep,
    instant: () => false,
    hurry: () => false,
  }
  const source = (async function* () {
    yield* batches
  })()
  let over = false
  const reading = (async () => {
    for await (const batch of pace(source, { ...base, ...change(clock) })) {
      const seqs = batch.filter(({ frame }) => frame.type === 'event').map(({ at }) => at!.seq)
      if (seqs.length > 0) lines.push(`${Math.round(clock.now() - began)}: ${seqs.join(' ')}`)
    }
    over = true
  })()
  await clock.runUntil(() => over)
  await reading
  return lines
}

describe('the pacer', () => {
  it('shows missed events one replay-ms after the other', async () => {
    expect(await paced([[start(4), ...events(1, 4)]])).to.deep.equal(['0: 1', '50: 2', '100: 3', '150: 4'])
  })

  it('shows restored events at once, with the first missed one', async () => {
    expect(await paced([[start(2, 3), ...events(1, 5)]])).to.deep.equal(['0: 1 2 3 4', '50: 5'])
  })

  it('keeps live events that came meanwhile in order behind the missed ones', async () => {
    expect(await paced([[start(2), ...events(1, 4)], [event(5)]])).to.deep.equal([
      '0: 1',
      '50: 2 3 4',
      '50: 5',
    ])
  })

  it('gives neighbouring deltas of one part one step', async () => {
    const part = { part_id: 'r1/0/0' }
    const batch = [
      start(5),
      event(1, part),
      event(2, part),
      event(3),
      event(4, { part_id: 'r1/0/1' }),
      event(5, { part_id: 'r1/0/1' }),
    ]
    expect(await paced([batch])).to.deep.equal(['0: 1 2', '50: 3', '100: 4 5'])
  })

  it('shows a thousand missed events within the budget', async () => {
    const lines = await paced([[start(1000), ...events(1, 1000)]])
    expect(Number.parseInt(lines.at(-1)!)).to.be.within(1000, 1200)
    expect(lines.length).to.be.within(40, 80)
  })

  it('spends the budget by rows, so joined events take their share', async () => {
    const batch = [start(1000), event(1), event(501, { from: 2, part_id: 'p' }), ...events(502, 1000)]
    const lines = await paced([batch])
    expect(lines[1]!.startsWith('50: 501')).to.equal(true)
    expect(Number.parseInt(lines.at(-1)!)).to.be.below(1200)
  })

  it('does not wait for what the network brought late', async () => {
    const clock = new FakeClock()
    const slow = (async function* () {
      yield [start(3), event(1)]
      await new Promise<void>((resolve) => void clock.setTimeout(resolve, 5000))
      yield events(2, 3)
    })()
    const began = clock.now()
    const times: number[] = []
    const sleep = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimeout(resolve, ms))
    const pacing = {
      replayMs: 50,
      budgetMs: 1200,
      now: () => clock.now(),
      sleep,
      instant: () => false,
      hurry: () => false,
    }
    const reading = (async () => {
      for await (const _ of pace(slow, pacing)) times.push(clock.now() - began)
    })()
    await clock.runUntil(() => times.length === 2)
    await reading
    expect(times).to.deep.equal([0, 5000])
  })

  for (const at of [0, 100]) {
    it(`keeps its rhythm when the device's clock is set back an hour after ${at} ms`, async () => {
      const setBack = (clock: FakeClock): Partial<Pacing> => {
        const from = clock.now() + at
        return { now: () => clock.now() - (clock.now() > from ? 3_600_000 : 0) }
      }
      const few = await paced([[start(6), ...events(1, 6)]], setBack)
      expect(few.length).to.equal(6)
      expect(Number.parseInt(few.at(-1)!)).to.be.within(150, 350)
      const many = await paced([[start(1000), ...events(1, 1000)]], setBack)
      expect(Number.parseInt(many.at(-1)!)).to.be.within(900, 1400)
    })
  }

  it('shows all at once when told at the start', async () => {
    expect(await paced([[start(3), ...events(1, 3)]], () => ({ instant: () => true }))).to.deep.equal([
      '0: 1 2 3',
    ])
  })

  it('shows the rest at once when the hurry begins', async () => {
    const hurryAt = (clock: FakeClock): Partial<Pacing> => {
      const from = clock.now() + 100
      return { hurry: () => clock.now() >= from }
    }
    expect(await paced([[start(5), ...events(1, 5)]], hurryAt)).to.deep.equal(['0: 1', '50: 2', '100: 3 4 5'])
  })

  it('asks for the next batch only when the last one was shown', async () => {
    const clock = new FakeClock()
    let taken = 0
    const source = (async function* () {
      for (const batch of [[start(4), ...events(1, 2)], events(3, 4)]) {
        taken++
        yield batch
      }
    })()
    const sleep = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimeout(resolve, ms))
    const pacing = {
      replayMs: 50,
      budgetMs: 1200,
      now: () => clock.now(),
      sleep,
      instant: () => false,
      hurry: () => false,
    }
    const reading = (async () => {
      for await (const _ of pace(source, pacing)) void _
    })()
    await clock.advance(49)
    expect(taken).to.equal(1)
    await clock.advance(1)
    expect(taken).to.equal(2)
    await clock.advance(1000)
    await reading
  })
})
