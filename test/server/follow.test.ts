import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Refused } from '../../server/cli/stream-request.ts'
import { at, fields, opens, play, row, sse } from './follow-play.ts'
import { settle } from './support.ts'

describe('follow', () => {
  it('asks from the cursor with the ticket, and from the last event after a break', async () => {
    const one = await play({ after: at(4), ticket: 'T' })
    assert.equal(one.line.headers.get('last-event-id'), at(4))
    assert.equal(one.line.headers.get('authorization'), 'Bearer T')
    await one.line.send(opens(2), row(5), row(6))
    await one.line.breakOff()
    await one.clock.advance(1000)
    assert.equal(one.lines.length, 2)
    assert.equal(one.line.headers.get('last-event-id'), at(6))
    await one.line.send(opens(), row(7))
    assert.deepEqual(one.texts, ['5', '6', '7'])
    assert.deepEqual(one.notes, [
      'The connection broke off. Trying again until it is back.',
      'Connected again.',
    ])
  })

  it('gives each event with its cursor, without the frame’s type', async () => {
    const one = await play()
    await one.line.send(opens(2), row(2, { from: 1 }))
    assert.deepEqual(one.told, [
      { kind: 'event', event: { event_type: 'note', event_data: '1,2', ...fields, from: 1, cursor: at(2) } },
    ])
  })

  it('drops what it has, and what is not in the log yet', async () => {
    const one = await play()
    const provisional = sse({
      type: 'event',
      event_type: 'note',
      event_data: 'x',
      ...fields,
      provisional: true,
    })
    await one.line.send(opens(2), row(1), row(2), row(1), row(2, { from: 1 }), provisional, row(3))
    assert.deepEqual(one.texts, ['1', '2', '3'])
    assert.equal(one.lines.length, 1)
  })

  for (const [what, frame] of [
    ['leaves rows out', row(4)],
    ['joins rows that it has with others', row(3, { from: 2 })],
    ['is of another log', row(3, { epoch: 'f' })],
    ['ends the session rows later', sse({ type: 'session_complete' }, at(4))],
  ] as const) {
    it(`asks again from the position when a frame ${what}`, async () => {
      const one = await play()
      await one.line.send(opens(2), row(1), row(2), frame)
      await one.clock.advance(1000)
      assert.equal(one.line.headers.get('last-event-id'), at(2))
      await one.line.send(opens(1, at(2)), row(3))
      assert.deepEqual(one.texts, ['1', '2', '3'])
      assert.equal(one.lines.length, 2)
    })
  }

  it('tells a reset in words and follows the new log', async () => {
    const one = await play({ after: at(7) })
    await one.line.send(
      sse({ type: 'reset', reason: 'epoch' }, at(0, 'f')),
      opens(1, at(0, 'f')),
      row(1, { epoch: 'f' }),
    )
    assert.deepEqual(one.texts, ['1'])
    assert.match(one.notes[0]!, /another log/)
    await one.line.end()
    await one.clock.advance(1000)
    assert.equal(one.line.headers.get('last-event-id'), at(1, 'f'))
  })

  it('tells a gap in words and goes on behind it', async () => {
    const one = await play()
    await one.line.send(opens(2), sse({ type: 'gap', from: 1, to: 40 }, at(40)), row(41))
    assert.deepEqual(one.texts, ['41'])
    assert.match(one.notes[0]!, /1 to 40 are gone/)
  })

  it('goes on behind a frame that it does not know', async () => {
    const one = await play()
    await one.line.send(opens(), row(1), sse({ type: 'hologram' }, at(2)), 'data: {broken\n\n', row(3))
    assert.deepEqual(one.texts, ['1', '3'])
    assert.equal(one.notes.length, 1)
  })

  it('is over when the session is complete, said in the stream or by 204', async () => {
    const one = await play()
    await one.line.send(opens(), row(1), sse({ type: 'session_complete' }, at(2)))
    assert.equal(one.over, 'ended')
    const other = await play({ answers: [new Response(null, { status: 204 })] })
    assert.equal(other.over, 'ended')
  })

  it('with once is over when what there was has come, and not before', async () => {
    const one = await play({ once: true })
    await one.line.send(
      sse({ type: 'replay_start', reason: 'first_visit', count: 2, missed: 2, seen: 0, to: 2, boot: '' }),
    )
    await one.line.send(row(1))
    await one.line.end()
    assert.equal(one.over, null)
    await one.clock.advance(1000)
    await one.line.send(opens(1, at(1)), row(2), sse({ type: 'replay_complete', count: 1 }, at(2)))
    await one.line.end()
    assert.equal(one.over, 'ended')
    assert.deepEqual(one.texts, ['1', '2'])
  })

  it('takes 40 s of silence for a break, not what the taker needs', async () => {
    const one = await play()
    await one.line.send(opens(), row(1))
    await one.clock.advance(39_000)
    await one.line.send(':\n\n')
    await one.clock.advance(39_000)
    assert.equal(one.lines.length, 1)
    await one.clock.advance(2000)
    assert.equal(one.lines.length, 2)
    assert.deepEqual(one.notes, ['Nothing came for 40 s. Trying again until it is back.'])
    one.abort.abort()
    await settle()
    assert.equal(one.clock.pending, 0)

    const slow = await play({ taker: new Promise(() => {}) })
    await slow.line.send(opens(), row(1), row(2))
    await slow.clock.advance(10 * 60_000)
    assert.deepEqual([slow.texts, slow.lines.length], [['1'], 1])
  })

  it('waits longer from failure to failure, up to 20 s, tells it once, and never gives up', async () => {
    const unreached = (): Error => new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } })
    const one = await play({ answers: Array.from({ length: 60 }, unreached) })
    const waits: number[] = []
    for (let left = 59; left >= 50; left--) {
      const before = one.clock.now()
      while (one.answers.length > left - 1) await one.clock.advance(50)
      waits.push(one.clock.now() - before)
    }
    assert.deepEqual(waits, [750, 1000, 1500, 2500, 4500, 8500, 10_500, 10_500, 10_500, 10_500])
    assert.deepEqual(one.notes, [
      'The server can not be reached (ECONNREFUSED). Trying again until it is back.',
    ])
    while (one.lines.length === 0) await one.clock.advance(1000)
    await one.line.send(opens(), row(1))
    assert.deepEqual(one.texts, ['1'])
    await one.line.breakOff()
    await one.clock.advance(750)
    assert.equal(one.lines.length, 2)
  })

  it('counts failures anew after an event, and after a sign of life on a quiet stream', async () => {
    for (const [sign, wait] of [
      [row(1), 750],
      [':\n\n', 750],
      ['', 1500],
    ] as const) {
      const one = await play({ answers: [new TypeError('fetch failed'), new TypeError('fetch failed')] })
      await one.clock.advance(1750)
      await one.line.send(opens(), sign)
      await one.line.end()
      await one.clock.advance(wait - 1)
      assert.equal(one.lines.length, 1)
      await one.clock.advance(1)
      assert.equal(one.lines.length, 2)
    }
  })

  it('waits as long as the server asks: retry, and Retry-After of 429 and 503', async () => {
    const one = await play()
    await one.line.send('retry: 3000\n', opens())
    const error = { success: false, error: { code: 'too_many_streams', message: 'Full \u001b[31mhouse.' } }
    one.answers.push(
      Response.json(error, { status: 503, headers: { 'retry-after': '7' } }),
      new Response('', {
        status: 429,
        headers: { 'retry-after': new Date(one.clock.now() + 15_000).toUTCString() },
      }),
    )
    await one.line.end()
    await one.clock.advance(2999)
    assert.equal(one.answers.length, 2)
    await one.clock.advance(1)
    assert.equal(one.answers.length, 1)
    await one.clock.advance(6999)
    assert.equal(one.answers.length, 1)
    await one.clock.advance(1)
    assert.equal(one.answers.length, 0)
    assert.equal(one.lines.length, 1)
    await one.clock.advance(5000)
    assert.equal(one.lines.length, 2)
    assert.equal(one.notes[1], 'The server answered 503: Full house. Trying again until it is back.')
  })

  it('is refused by what no other attempt would mend', async () => {
    for (const status of [400, 401, 403, 404, 410]) {
      const one = await play({ answers: [Response.json({ error: { message: 'So not.' } }, { status })] })
      assert.ok(one.over instanceof Refused)
      assert.deepEqual([one.over.why, one.over.message], [status, 'So not.'])
    }
    const one = await play()
    await one.line.send(opens(), sse({ type: 'superseded', reason: 'too_many_streams' }))
    assert.ok(one.over instanceof Refused && one.over.why === 'superseded')
  })

  it('is refused by a page at the address, unless a stream was there before', async () => {
    const page = (): Response => new Response('<p>', { headers: { 'content-type': 'text/html' } })
    const wrong = await play({ answers: [page()] })
    assert.ok(wrong.over instanceof Refused && wrong.over.why === 'not_a_stream')
    const one = await play()
    await one.line.send(opens())
    one.answers.push(page())
    await one.line.end()
    await one.clock.advance(5000)
    assert.equal(one.lines.length, 2)
  })

  it('is over at once when told, wherever it is', async () => {
    for (const during of ['request', 'stream', 'wait'] as const) {
      const answers = during === 'wait' ? [new TypeError('fetch failed')] : []
      const one = await play({ answers, ...(during === 'request' && { fetch: hanging }) })
      assert.equal(one.over, null)
      one.abort.abort()
      await settle()
      assert.equal(one.over, 'ended', during)
      assert.equal(one.clock.pending, 0)
    }
  })
})

function hanging(_: unknown, init?: RequestInit): Promise<Response> {
  return new Promise((_resolve, reject) => {
    init?.signal?.addEventListener('abort', () => reject(init.signal!.reason as Error))
  })
}
