import { expect } from '@open-wc/testing'
import type { HeartbeatAnswer, Rung } from '../../server/protocol.ts'
import { startHeartbeat, type Heartbeat, type HeartbeatOptions } from '../../sw/index.ts'
import { createCursorStore } from '../../sw/cursor-store.ts'
import { Base, until } from './support.ts'

interface Running {
  readonly heartbeat: Heartbeat
  readonly answers: readonly HeartbeatAnswer[]
  readonly rungs: readonly Rung[]
  readonly errors: readonly { readonly code: string; readonly message: string }[]
}

/** `/loomi-frame` has the function as a global. */
interface Frame {
  readonly startHeartbeat?: typeof startHeartbeat
}

describe('startHeartbeat', () => {
  let base: Base
  let running: Heartbeat[] = []

  beforeEach(() => {
    base = new Base()
  })

  afterEach(async () => {
    for (const heartbeat of running) heartbeat.stop()
    running = []
    await base.clear()
  })

  function start(options: Partial<HeartbeatOptions> = {}, frame?: HTMLIFrameElement): Running {
    const answers: HeartbeatAnswer[] = []
    const rungs: Rung[] = []
    const errors: { code: string; message: string }[] = []
    const starter = frame ? (frame.contentWindow as unknown as Frame).startHeartbeat! : startHeartbeat
    const heartbeat = starter({
      userId: 'ada',
      sessionId: base.path,
      base: base.path,
      heartbeatMs: 300,
      onBeat: (answer) => answers.push(answer),
      onRung: (rung) => rungs.push(rung),
      onError: (error) => errors.push(error),
      ...options,
    })
    running.push(heartbeat)
    return { heartbeat, answers, rungs, errors }
  }

  async function beats(count: number): ReturnType<Base['beats']> {
    const found = await until(`${count} beats`, async () => {
      const received = await base.beats()
      return received.length >= count ? received : null
    })
    return found
  }

  it('beats through the service worker, which leaves the page alone', async () => {
    const { heartbeat, answers, rungs, errors } = start({ clientId: 'tab-1' })
    const received = await beats(4)
    expect(errors).to.deep.equal([])
    expect(heartbeat.rung).to.equal('sw')
    expect(rungs).to.deep.equal(['sw'])
    expect(received[0]?.body).to.deep.equal({
      user_id: 'ada',
      session_id: base.path,
      client_id: 'tab-1',
      rung: 'sw',
      state: document.visibilityState === 'hidden' ? 'hidden' : 'visible',
    })
    expect(answers[0]?.latest_event_id).to.equal('e1-9-abcdef')
    expect((await base.registration())?.scope).to.equal(`${location.origin}${base.path}/`)
    expect(received.every((beat) => beat.authorization === null && beat.body.rung === 'sw')).to.equal(true)
    expect(navigator.serviceWorker.controller).to.equal(null)
  })

  it('beats every 5 s by default, through the service worker', async () => {
    running.push(startHeartbeat({ userId: 'ada', sessionId: base.path, base: base.path }))
    const received = await beats(2)
    const [first, second] = received
    expect(received.map(({ body }) => body.rung)).to.deep.equal(['sw', 'sw'])
    expect(second!.at - first!.at).to.be.within(4400, 5900)
  })

  it('keeps what was displayed on the device and sends it with the beats', async () => {
    const { heartbeat } = start()
    await until('the service worker', () => heartbeat.rung === 'sw')
    expect(await heartbeat.getDisplayed()).to.equal(null)
    for (const seq of [1, 2, 3]) heartbeat.displayed(`e1-${seq}-abcdef`)
    const beat = await until('a beat that brings it', async () =>
      (await base.beats()).find((received) => received.body.last_event_id !== undefined),
    )
    expect(beat.body).to.include({ last_event_id: 'e1-3-abcdef', rung: 'sw' })
    expect(await heartbeat.getDisplayed()).to.equal('e1-3-abcdef')
    const store = createCursorStore()
    expect(await store.get('ada', base.path)).to.equal('e1-3-abcdef')
    store.close()
  })

  it('writes what was displayed when it is stopped, and forgets it when asked', async () => {
    const { heartbeat } = start()
    heartbeat.displayed('e1-4-abcdef')
    heartbeat.stop()
    await until('the cursor', async () => (await heartbeat.getDisplayed()) === 'e1-4-abcdef')
    heartbeat.displayed('e1-5-abcdef')
    await heartbeat.forget()
    expect(await heartbeat.getDisplayed()).to.equal(null)
  })

  it('sends one beat for all tabs of a session', async () => {
    const frame = await openFrame()
    const here = start({ heartbeatMs: 500 })
    const alsoHere = start({ heartbeatMs: 500 })
    await until('the first tab', () => here.rungs[0] && alsoHere.rungs[0])
    const there = start({ heartbeatMs: 500 }, frame)
    for (const { answers } of [here, alsoHere, there]) {
      await until('answers in each tab', () => answers.length >= 6)
    }
    const received = await base.beats()
    const gaps = received.slice(1).map((beat, i) => beat.at - received[i]!.at)
    expect(received.map((beat) => beat.body.rung)).to.deep.equal(received.map(() => 'sw'))
    // 0.8 of the interval less what two beats' ways to the server may differ by.
    expect(Math.min(...gaps), gaps.join(' ')).to.be.at.least(330)
    frame.remove()
  })

  it('beats on when the service worker is replaced by a newer one', async () => {
    start()
    await beats(2)
    const registration = (await base.registration())!
    const old = registration.active
    await base.set({ version: 2 })
    await registration.update()
    await until(
      'the newer one',
      () => registration.active !== old && registration.active?.state === 'activated',
    )
    const before = (await base.beats()).length
    const received = await beats(before + 3)
    const gaps = received.slice(1).map((beat, i) => beat.at - received[i]!.at)
    expect(Math.max(...gaps), gaps.join(' ')).to.be.below(1500)
    expect(received.slice(before).map((beat) => beat.body.rung)).to.deep.equal(
      received.slice(before).map(() => 'sw'),
    )
  })

  it('goes straight from the worker when there is no service worker', async () => {
    await base.set({ missing: ['sw.js'] })
    const { heartbeat, rungs, errors } = start()
    heartbeat.displayed('e1-2-abcdef')
    const beat = await until('a beat that brings the cursor', async () =>
      (await base.beats()).find((received) => received.body.last_event_id === 'e1-2-abcdef'),
    )
    expect(beat).to.deep.include({ heartbeatMs: '300' })
    expect(beat.body.rung).to.equal('worker')
    expect(rungs).to.deep.equal(['worker'])
    expect(errors.map((error) => error.code)).to.deep.equal(['sw_failed'])
  })

  it('takes no service worker for a base of /', async () => {
    const { rungs, errors } = start({ base: '/' })
    await until('an answer', () => rungs[0])
    expect(rungs).to.deep.equal(['worker'])
    expect(errors.map((error) => error.code)).to.deep.equal(['sw_root'])
    expect(await navigator.serviceWorker.getRegistration('/')).to.equal(undefined)
  })

  it('beats from the page when the worker does not load', async () => {
    await base.set({ missing: ['worker.js'] })
    const { rungs, errors, heartbeat } = start()
    const received = await beats(3)
    expect(received.map((beat) => beat.body.rung)).to.deep.equal(received.map(() => 'page'))
    await until('an answer', () => rungs[0])
    expect(heartbeat.rung).to.equal('page')
    expect(errors.map((error) => error.code)).to.deep.equal(['worker_failed'])
  })

  it('beats from the page when a policy forbids workers', async () => {
    const frame = await openFrame("worker-src 'none'")
    const { rungs, errors } = start({}, frame)
    await until('an answer', () => rungs[0])
    expect(rungs).to.deep.equal(['page'])
    expect(errors.map((error) => error.code)).to.deep.equal(['sw_failed', 'worker_failed'])
    frame.remove()
  })

  it('beats from the page when the base is of another origin', async () => {
    const { rungs, errors } = start({
      base: `http://127.0.0.1:${location.port}${base.path}`,
      credentials: 'omit',
    })
    const [beat] = await beats(2)
    expect(beat).to.deep.include({ origin: location.origin })
    await until('an answer', () => rungs[0])
    expect(rungs).to.deep.equal(['page'])
    expect(errors.map((error) => error.code)).to.deep.equal(['worker_failed'])
  })

  for (const [rung, missing] of [
    ['sw', []],
    ['worker', ['sw.js']],
    ['page', ['worker.js']],
  ] as const) {
    it(`renews a refused credential on rung ${rung}`, async () => {
      await base.set({ missing, token: 'new' })
      const asked: boolean[] = []
      const getToken = (renew: boolean): string => {
        asked.push(renew)
        return renew ? 'new' : 'old'
      }
      const { errors } = start({ getToken })
      const received = await beats(3)
      expect(asked).to.deep.equal([false, true])
      expect(received.slice(0, 3).map(({ authorization, status }) => [authorization, status])).to.deep.equal([
        ['Bearer old', 401],
        ['Bearer new', 200],
        ['Bearer new', 200],
      ])
      expect(received[2]?.body.rung).to.equal(rung)
      expect(errors.filter((error) => error.code.startsWith('status'))).to.deep.equal([])
    })
  }

  it('tells once why beats are refused', async () => {
    await base.set({ status: 503 })
    const { errors } = start()
    await beats(3)
    expect(errors).to.deep.equal([{ code: 'status_503', message: 'Answered 503 as the test asked.' }])
  })

  it('sends a last beat from the page itself when it is paused, and one at once when it is back', async () => {
    const { heartbeat, answers, rungs } = start({
      heartbeatMs: 60_000,
      clientId: 'tab-1',
      getToken: () => 'ticket',
    })
    await until('an answer', () => rungs[0])
    heartbeat.displayed('e1-7-abcdef')
    heartbeat.setState('paused')
    const [, paused] = await beats(2)
    expect(paused?.body).to.deep.equal({
      user_id: 'ada',
      session_id: base.path,
      client_id: 'tab-1',
      last_event_id: 'e1-7-abcdef',
      rung: 'page',
      state: 'paused',
    })
    expect(paused?.authorization).to.equal('Bearer ticket')
    expect(answers).to.have.length(1)
    heartbeat.setState('visible')
    await until('another answer', () => answers.length === 2)
    expect((await base.beats()).filter((beat) => beat.body.state === 'paused')).to.have.length(1)
  })

  it('ends with stop', async () => {
    const stopped = start()
    const other = start({ sessionId: `${base.path}-2` })
    await until('answers', () => stopped.rungs[0] && other.rungs[0])
    stopped.heartbeat.stop()
    stopped.heartbeat.stop()
    stopped.heartbeat.setState('paused')
    stopped.heartbeat.beatNow()
    const from = (await base.beats()).length
    await beats(from + 3)
    const later = (await base.beats()).slice(from + 1)
    expect(later.map((beat) => beat.body.session_id)).to.deep.equal(later.map(() => `${base.path}-2`))
  })

  it('may be stopped before it has started', async () => {
    const { heartbeat, errors } = start()
    heartbeat.stop()
    const other = start({ sessionId: `${base.path}-2` })
    await until('two answers', () => other.answers.length >= 2)
    expect((await base.beats()).filter((beat) => beat.body.session_id === base.path)).to.deep.equal([])
    expect(errors).to.deep.equal([])
  })

  it('does not throw for a base that is none', async () => {
    const { errors } = start({ base: 'http://[' })
    await until('an error', () => errors[0])
    expect(errors.map((error) => error.code)).to.deep.equal(['bad_base'])
  })

  async function openFrame(csp = ''): Promise<HTMLIFrameElement> {
    const frame = document.createElement('iframe')
    frame.src = `/loomi-frame?csp=${encodeURIComponent(csp)}`
    document.body.append(frame)
    await until('the frame', () => (frame.contentWindow as unknown as Frame | null)?.startHeartbeat)
    return frame
  }
})
