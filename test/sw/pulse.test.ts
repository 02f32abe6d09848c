import { expect } from '@open-wc/testing'
import type { Cursor, HeartbeatBody, Rung } from '../../server/protocol.ts'
import { INTERVAL_HEADER, RUNG_HEADER } from '../../sw/messages.ts'
import { startPulse, type PulseOptions } from '../../sw/pulse.ts'
import { FakeClock, settled } from './support.ts'

describe('startPulse', () => {
  let clock: FakeClock
  let stop: AbortController
  let sent: { readonly at: number; readonly init: RequestInit; readonly body: HeartbeatBody }[]
  let answer: () => Response | Promise<Response>
  let rungs: Rung[]
  let errors: string[]

  beforeEach(() => {
    clock = new FakeClock()
    stop = new AbortController()
    sent = []
    rungs = []
    errors = []
    answer = () => taken()
  })

  afterEach(() => stop.abort())

  function start(options: Partial<PulseOptions> = {}): ReturnType<typeof startPulse> {
    const startedAt = clock.now()
    return startPulse({
      settings: {
        url: '/api/loomi/heartbeat',
        userId: 'ada',
        sessionId: 's1',
        clientId: 'a',
        heartbeatMs: 5000,
        credentials: 'same-origin',
      },
      rung: 'worker',
      state: 'visible',
      displayed: () => Promise.resolve(null),
      getToken: () => Promise.resolve(null),
      onBeat: (_, rung) => rungs.push(rung),
      onError: (error) => errors.push(error.code),
      signal: stop.signal,
      clock,
      random: () => 0.5,
      fetch: (_, init) => {
        const body = JSON.parse(init!.body as string) as HeartbeatBody
        sent.push({ at: clock.now() - startedAt, init: init!, body })
        return Promise.resolve().then(answer)
      },
      ...options,
    })
  }

  function taken(intervalMs = 5000, headers: HeadersInit = {}): Response {
    const timestamp = '2026-11-23T08:00:00.000Z'
    return Response.json(
      { success: true, timestamp, latest_event_id: null, interval_ms: intervalMs },
      { headers },
    )
  }

  const times = (): readonly number[] => sent.map((beat) => beat.at)

  it('beats at once and then every interval', async () => {
    start()
    await clock.pass(15_000)
    expect(times()).to.deep.equal([0, 5000, 10_000, 15_000])
    expect(rungs).to.deep.equal(['worker', 'worker', 'worker', 'worker'])
  })

  for (const [random, ms] of [
    [0, 4500],
    [1, 5500],
  ] as const) {
    it(`spreads the beats: ${ms} ms at most ${random ? 'late' : 'early'}`, async () => {
      start({ random: () => random })
      await clock.pass(11_000)
      expect(times()).to.deep.equal([0, ms, 2 * ms])
    })
  }

  it('counts from the start of a beat, not from its answer', async () => {
    answer = () => new Promise((resolve) => clock.setTimeout(() => resolve(taken()), 2000))
    start()
    await clock.pass(10_000)
    expect(times()).to.deep.equal([0, 5000, 10_000])
  })

  it('never has two beats under way', async () => {
    answer = () => new Promise((resolve) => clock.setTimeout(() => resolve(taken()), 7000))
    const pulse = start()
    await clock.pass(3000)
    pulse.beatNow()
    await clock.pass(11_000)
    expect(times()).to.deep.equal([0, 7000, 14_000])
  })

  it('slows down as far as the server asks, and no faster than the page wants', async () => {
    answer = () => taken(sent.length === 1 ? 12_000 : 1000)
    start()
    await clock.pass(17_000)
    expect(times()).to.deep.equal([0, 12_000, 17_000])
  })

  it('beats once an hour at least, and never in a tight loop', async () => {
    answer = () => taken(1e12)
    start()
    await clock.pass(3_600_000)
    expect(times()).to.deep.equal([0, 3_600_000])
  })

  it('beats now when asked, and an interval later', async () => {
    const pulse = start()
    await clock.pass(1000)
    pulse.setState('hidden')
    pulse.beatNow()
    await clock.pass(8000)
    expect(sent.map(({ at, body }) => [at, body.state])).to.deep.equal([
      [0, 'visible'],
      [1000, 'hidden'],
      [6000, 'hidden'],
    ])
  })

  it('brings the displayed cursor, waiting at most 300 ms for it', async () => {
    let kept: Promise<Cursor | null> = Promise.resolve('e1-3-abcdef')
    start({ displayed: () => kept })
    await settled()
    kept = new Promise(() => {})
    await clock.pass(5300)
    expect(sent.map(({ at, body }) => [at, body.last_event_id])).to.deep.equal([
      [0, 'e1-3-abcdef'],
      [5300, undefined],
    ])
  })

  it('tells the rung that the service worker has signed', async () => {
    answer = () => taken(5000, sent.length === 1 ? { [RUNG_HEADER]: 'sw' } : {})
    start()
    await clock.pass(5000)
    expect(rungs).to.deep.equal(['sw', 'worker'])
  })

  it('tells the service worker its interval from a worker, and outlives the page from a page', async () => {
    start()
    start({ rung: 'page' })
    await settled()
    expect(
      sent.map(({ init }) => [(init.headers as Record<string, string>)[INTERVAL_HEADER], init.keepalive]),
    ).to.deep.equal([
      ['5000', false],
      [undefined, true],
    ])
  })

  it('tries a renewed credential once, at once', async () => {
    const asked: boolean[] = []
    answer = () => new Response('{}', { status: sent.length === 1 ? 401 : 200 })
    start({
      getToken: (renew) => {
        asked.push(renew)
        return Promise.resolve(renew ? 'new' : 'old')
      },
    })
    await settled()
    const headers = sent.map(({ init }) => (init.headers as Record<string, string>)['authorization'])
    expect(headers).to.deep.equal(['Bearer old', 'Bearer new'])
    expect(asked).to.deep.equal([false, true])
  })

  it('waits longer after each refusal, up to a minute, and not after a success', async () => {
    answer = () => (sent.length <= 5 ? Response.json(refusal('forbidden'), { status: 403 }) : taken())
    start()
    await clock.pass(200_000)
    expect(times().slice(0, 7)).to.deep.equal([0, 10_000, 30_000, 70_000, 130_000, 190_000, 195_000])
    expect(errors).to.deep.equal(Array(5).fill('forbidden'))
  })

  it('does not ask for a credential again and again', async () => {
    let renewals = 0
    answer = () => Response.json(refusal('unauthorized'), { status: 401 })
    start({ getToken: (renew) => Promise.resolve(renew ? `new ${++renewals}` : 'old') })
    await clock.pass(60_000)
    expect(renewals).to.equal(3)
    expect(sent).to.have.length(6)
  })

  it('waits as long as Retry-After says', async () => {
    const headers = { 'retry-after': '30' }
    answer = () => (sent.length === 1 ? Response.json(refusal('busy'), { status: 503, headers }) : taken())
    start()
    await clock.pass(30_000)
    expect(times()).to.deep.equal([0, 30_000])
  })

  it('understands Retry-After as a date too', async () => {
    const headers = { 'retry-after': new Date(Date.now() + 30_000).toUTCString() }
    answer = () => (sent.length === 1 ? Response.json(refusal('busy'), { status: 503, headers }) : taken())
    start()
    await clock.pass(30_000)
    expect(times().length).to.equal(2)
    expect(times()[1]).to.be.within(25_000, 30_000)
  })

  for (const senseless of ['soon', '-3', 'Thu, 01 Jan 2026 00:00:09 GMT']) {
    it(`waits an interval when Retry-After is "${senseless}"`, async () => {
      const headers = { 'retry-after': senseless }
      answer = () => (sent.length === 1 ? Response.json(refusal('busy'), { status: 503, headers }) : taken())
      start()
      await clock.pass(5000)
      expect(times()).to.deep.equal([0, 5000])
    })
  }

  it('tries at the usual pace while the server is down', async () => {
    answer = () => Promise.reject(new TypeError('Failed to fetch'))
    start()
    await clock.pass(10_000)
    expect(times()).to.deep.equal([0, 5000, 10_000])
    expect(errors).to.deep.equal(Array(3).fill('heartbeat_unreachable'))
  })

  it('says so when something else than a heartbeat endpoint answers', async () => {
    answer = () => new Response('<h1>Sign in to the hotel</h1>')
    start()
    await clock.pass(5000)
    expect(errors).to.deep.equal(Array(2).fill('heartbeat_answer_unreadable'))
    expect(rungs).to.deep.equal([])
  })

  it('leaves no timer behind when it ends', async () => {
    const pulse = start()
    await clock.pass(1000)
    expect(clock.next).to.equal(4000)
    stop.abort()
    pulse.beatNow()
    await clock.pass(20_000)
    expect(clock.next).to.equal(null)
    expect(sent).to.have.length(1)
  })
})

function refusal(code: string): object {
  return { success: false, error: { code, message: 'No.' } }
}
