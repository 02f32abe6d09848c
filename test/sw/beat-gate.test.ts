import { expect } from '@open-wc/testing'
import type { Cursor, HeartbeatBody } from '../../server/protocol.ts'
import { INTERVAL_HEADER, RUNG_HEADER } from '../../sw/messages.ts'
import { BeatGate } from '../../sw/worker-side/beat-gate.ts'
import { FakeClock, settled } from './support.ts'

const URL = `${location.origin}/api/loomi/heartbeat`

interface Sent {
  readonly init: RequestInit
  readonly body: HeartbeatBody
  answer(response: Response): void
  fail(): void
}

describe('BeatGate', () => {
  let clock: FakeClock
  let sent: Sent[]
  let gate: BeatGate
  let cursor: () => Promise<Cursor | null>

  beforeEach(() => {
    clock = new FakeClock()
    sent = []
    cursor = () => Promise.resolve('e1-3-abcdef')
    gate = new BeatGate({
      url: URL,
      clock,
      store: { get: () => cursor() },
      fetch: (url, init) =>
        new Promise((resolve, reject) => {
          expect(url).to.equal(URL)
          const body = JSON.parse(init!.body as string) as HeartbeatBody
          sent.push({ init: init!, body, answer: resolve, fail: () => reject(new TypeError('network')) })
        }),
    })
  })

  function ask(body: Partial<HeartbeatBody> = {}, token?: string, heartbeatMs = 5000): Promise<Response> {
    return gate.answer(
      new Request(URL, {
        method: 'POST',
        headers: {
          [INTERVAL_HEADER]: String(heartbeatMs),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify({
          user_id: 'ada',
          session_id: 's1',
          client_id: 'a',
          rung: 'worker',
          state: 'visible',
          ...body,
        }),
      }),
    )
  }

  function taken(intervalMs = 5000, latest = 'e1-9-abcdef'): Response {
    const timestamp = '2026-11-23T08:00:00.000Z'
    return Response.json({ success: true, timestamp, latest_event_id: latest, interval_ms: intervalMs })
  }

  async function takenAfter(asked: Promise<Response>, response = taken()): Promise<Response> {
    await settled()
    sent.at(-1)!.answer(response)
    return asked
  }

  it('sends the beat with the displayed cursor, the credential and its own rung', async () => {
    const response = await takenAfter(ask({}, 'ticket'))
    expect(sent[0]?.body).to.deep.equal({
      user_id: 'ada',
      session_id: 's1',
      client_id: 'a',
      last_event_id: 'e1-3-abcdef',
      rung: 'sw',
      state: 'visible',
    })
    expect(sent[0]?.init.headers).to.deep.equal({
      'content-type': 'application/json',
      authorization: 'Bearer ticket',
    })
    expect(response.headers.get(RUNG_HEADER)).to.equal('sw')
    expect(await response.json()).to.include({ success: true, latest_event_id: 'e1-9-abcdef' })
  })

  it('waits 300 ms for the displayed cursor, then sends what the worker brought', async () => {
    cursor = () => new Promise(() => {})
    const asked = ask({ last_event_id: 'e1-2-abcdef' })
    await clock.pass(299)
    expect(sent).to.have.length(0)
    await clock.pass(1)
    await takenAfter(asked)
    expect(sent[0]?.body.last_event_id).to.equal('e1-2-abcdef')
  })

  it('sends without a cursor when there is none', async () => {
    cursor = () => Promise.reject(new Error('no IndexedDB'))
    await takenAfter(ask())
    expect(sent[0]?.body).not.to.have.property('last_event_id')
  })

  it('gives the last answer until 0.8 of the interval has passed', async () => {
    await takenAfter(ask())
    await clock.pass(3999)
    expect(await (await ask({ client_id: 'b' })).json()).to.include({ latest_event_id: 'e1-9-abcdef' })
    expect(sent).to.have.length(1)
    await clock.pass(1)
    await takenAfter(ask({ client_id: 'b' }))
    expect(sent).to.have.length(2)
  })

  it('lets a lone tab with the shortest jitter beat every time', async () => {
    for (let i = 0; i < 5; i++) {
      await takenAfter(ask())
      await clock.pass(4500)
    }
    expect(sent).to.have.length(5)
  })

  it('holds the gate as long as the server asks', async () => {
    await takenAfter(ask(), taken(20_000))
    await clock.pass(15_999)
    await ask()
    expect(sent).to.have.length(1)
    await clock.pass(1)
    await takenAfter(ask())
    expect(sent).to.have.length(2)
  })

  it('sends one beat for tabs that ask at the same moment', async () => {
    const asked = [ask({ client_id: 'a' }), ask({ client_id: 'b' }), ask({ client_id: 'c' })]
    await settled()
    expect(sent).to.have.length(1)
    sent[0]!.answer(taken())
    const answers = await Promise.all(asked.map(async (answer) => (await answer).json()))
    expect(answers.map((answer) => answer.latest_event_id)).to.deep.equal(Array(3).fill('e1-9-abcdef'))
    expect(sent).to.have.length(1)
  })

  for (const status of [400, 401, 429, 500]) {
    it(`passes a ${status} on and does not give it to the next one`, async () => {
      const headers = { 'retry-after': '7' }
      const refused = await takenAfter(ask(), Response.json({ success: false }, { status, headers }))
      expect(refused.status).to.equal(status)
      expect(refused.headers.get('retry-after')).to.equal('7')
      expect((await takenAfter(ask())).status).to.equal(200)
      expect(sent).to.have.length(2)
    })
  }

  it('gives no answer when the server gave none, not even an older one', async () => {
    await takenAfter(ask())
    await clock.pass(5000)
    const asked = ask()
    await settled()
    sent[1]!.fail()
    expect((await asked).type).to.equal('error')
    await clock.pass(100)
    expect((await takenAfter(ask())).status).to.equal(200)
    expect(sent).to.have.length(3)
  })

  it('does not take a page that says 200 for an answer', async () => {
    await takenAfter(ask(), new Response('<h1>Sign in to the hotel</h1>'))
    await takenAfter(ask())
    expect(sent).to.have.length(2)
  })

  it('tries the credential of each tab when another one is refused', async () => {
    const asked = [ask({ client_id: 'a' }, 'expired'), ask({ client_id: 'b' }, 'good'), ask({}, 'fine')]
    await settled()
    sent[0]!.answer(Response.json({ success: false }, { status: 401 }))
    await settled()
    expect(sent).to.have.length(2)
    sent[1]!.answer(taken())
    expect((await Promise.all(asked)).map((response) => response.status)).to.deep.equal([401, 200, 200])
    expect(sent.map(({ init }) => (init.headers as Record<string, string>)['authorization'])).to.deep.equal([
      'Bearer expired',
      'Bearer good',
    ])
  })

  it('keeps users, sessions, and pages without a credential apart', async () => {
    await takenAfter(ask({}, 'ticket'))
    await takenAfter(ask({ user_id: 'bob' }, 'ticket'))
    await takenAfter(ask({ session_id: 's2' }, 'ticket'))
    await takenAfter(ask({}))
    expect(sent).to.have.length(4)
    await ask({}, 'another ticket of the same user')
    expect(sent).to.have.length(4)
  })

  it('says visible as long as one tab is', async () => {
    await takenAfter(ask({ client_id: 'a', state: 'visible' }))
    const states: unknown[] = []
    for (let i = 0; i < 4; i++) {
      await clock.pass(5000)
      await takenAfter(ask({ client_id: 'b', state: 'hidden' }))
      states.push(sent.at(-1)?.body.state)
    }
    // A tab that was not heard of for three intervals is gone.
    expect(states).to.deep.equal(['visible', 'visible', 'visible', 'hidden'])
  })
})
