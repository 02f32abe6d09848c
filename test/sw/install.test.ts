import { expect } from '@open-wc/testing'
import { createCursorStore, type CursorStore } from '../../sw/cursor-store.ts'
import { installLoomi } from '../../sw/index.ts'
import { INTERVAL_HEADER, type DisplayedMessage } from '../../sw/messages.ts'
import type { FetchLike, ListeningScope, MessageLike } from '../../sw/worker-side/scope.ts'

describe('installLoomi', () => {
  let name: string
  let store: CursorStore
  let onFetch: (event: FetchLike) => void
  let onMessage: (event: MessageLike) => void
  let sent: Request[]

  beforeEach(() => {
    name = `test-${Math.random()}`
    store = createCursorStore({ name })
    sent = []
    const scope: ListeningScope = {
      location: { href: `${location.origin}/host-sw.js` },
      addEventListener(type: 'fetch' | 'message', listener: (event: never) => void) {
        if (type === 'fetch') onFetch = listener as typeof onFetch
        else onMessage = listener as typeof onMessage
      },
    }
    installLoomi(scope, {
      base: '/api/loomi/',
      store,
      fetch: (input, init) => {
        sent.push(new Request(input, init))
        return Promise.resolve(Response.json({ success: true, interval_ms: 5000 }))
      },
    })
  })

  afterEach(() => {
    store.close()
    indexedDB.deleteDatabase(name)
  })

  /** The response that was given; null when the request was left to the browser and to other listeners. */
  function request(path: string, init: RequestInit): Promise<Response> | null {
    let response: Promise<Response> | null = null
    let isStopped = false
    onFetch({
      request: new Request(path, init),
      respondWith: (given) => {
        response = given
      },
      stopImmediatePropagation: () => {
        isStopped = true
      },
    })
    expect(isStopped).to.equal(response !== null)
    return response
  }

  const beat = {
    method: 'POST',
    headers: { [INTERVAL_HEADER]: '5000', 'content-type': 'application/json' },
    body: JSON.stringify({ user_id: 'ada', session_id: 's1' }),
  }

  it("answers the heartbeat worker's POST", async () => {
    const response = await request('/api/loomi/heartbeat', beat)
    expect(await response?.json()).to.deep.equal({ success: true, interval_ms: 5000 })
  })

  for (const [title, path, init] of [
    ["a page's own beat", '/api/loomi/heartbeat', { method: 'POST', body: beat.body }],
    ['a stream', '/api/loomi/stream/s1', {}],
    ['a GET of the endpoint', '/api/loomi/heartbeat', { headers: beat.headers }],
    ['a POST with a query', '/api/loomi/heartbeat?x=1', beat],
    ['a POST to another path', '/api/loomi/heartbeats', beat],
    ['a POST to the same path below another base', '/app/api/loomi/heartbeat', beat],
    [
      'a POST without a sensible interval',
      '/api/loomi/heartbeat',
      { ...beat, headers: { [INTERVAL_HEADER]: 'often' } },
    ],
    [
      'a POST with an interval of 0',
      '/api/loomi/heartbeat',
      { ...beat, headers: { [INTERVAL_HEADER]: '0' } },
    ],
    ['a POST to another origin', 'https://other.example/api/loomi/heartbeat', beat],
  ] as const) {
    it(`leaves ${title} alone`, () => {
      expect(request(path, init)).to.equal(null)
    })
  }

  for (const body of ['null', 'no JSON', '[]', '{"user_id":"ada"}', '{"user_id":1,"session_id":"s1"}', '']) {
    it(`passes a body of ${body || 'nothing'} on as it is: the server's answer tells what is wrong`, async () => {
      for (let times = 1; times <= 2; times++) {
        const response = await request('/api/loomi/heartbeat', {
          ...beat,
          headers: { ...beat.headers, authorization: 'Bearer ticket' },
          body,
        })
        expect(response?.status).to.equal(200)
        expect(sent.length).to.equal(times)
      }
      const [{ url, method, headers }] = sent as [Request]
      expect([url, method, headers.get('authorization')]).to.deep.equal([
        `${location.origin}/api/loomi/heartbeat`,
        'POST',
        'Bearer ticket',
      ])
      expect(await sent[0]!.text()).to.equal(body)
    })
  }

  it('keeps a displayed cursor and says so', async () => {
    const message: DisplayedMessage = {
      type: 'loomi:displayed',
      userId: 'ada',
      sessionId: 's1',
      cursor: 'e1-1-abcdef',
    }
    const { port1, port2 } = new MessageChannel()
    const answered = new Promise((resolve) => {
      port1.addEventListener('message', (event) => resolve(event.data))
      port1.start()
    })
    const waited: Promise<unknown>[] = []
    onMessage({ data: message, ports: [port2], waitUntil: (promise) => waited.push(promise) })
    await Promise.all(waited)
    expect(waited).to.have.length(1)
    expect(await answered).to.equal(true)
    expect(await store.get('ada', 's1')).to.equal('e1-1-abcdef')
    port1.close()
  })

  it("leaves the host's messages alone", () => {
    for (const data of [
      null,
      'SKIP_WAITING',
      { type: 'SKIP_WAITING' },
      { type: 'loomi:displayed', cursor: 1 },
    ]) {
      onMessage({
        data,
        ports: [],
        waitUntil: () => expect.fail('waited for somebody else’s message'),
      })
    }
  })
})
