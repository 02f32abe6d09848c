import { expect } from '@open-wc/testing'
import { startWorker, type WorkerLinkOptions } from '../../sw/worker-link.ts'
import { Base, until } from './support.ts'

describe('startWorker', () => {
  let base: Base
  let stop: AbortController

  beforeEach(() => {
    base = new Base()
    stop = new AbortController()
  })

  afterEach(() => stop.abort())

  function options(change: Partial<WorkerLinkOptions> = {}): WorkerLinkOptions {
    return {
      script: `${base.path}/worker.js`,
      settings: {
        url: `${location.origin}${base.path}/heartbeat`,
        userId: 'ada',
        sessionId: base.path,
        clientId: 'a',
        heartbeatMs: 300,
        credentials: 'same-origin',
      },
      state: () => 'visible',
      getToken: () => Promise.resolve(null),
      onBeat: () => {},
      onError: () => {},
      signal: stop.signal,
      ...change,
    }
  }

  it('starts the next worker also when one before it failed', async () => {
    const failing = startWorker(
      options({
        state: () => {
          throw new Error('oops')
        },
      }),
    )
    const next = startWorker(options())
    expect(await failing.catch(String)).to.equal('Error: oops')
    expect(await next).not.to.equal(null)
    await until('a beat', async () => (await base.beats()).length > 0)
  })
})
