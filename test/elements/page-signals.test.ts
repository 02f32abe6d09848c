import { expect } from '@open-wc/testing'
import { listenToPage } from '../../elements/page-signals.ts'

describe('listenToPage', () => {
  let told: string[]
  let until: AbortController

  beforeEach(() => {
    told = []
    until = new AbortController()
    listenToPage(
      { signal: (signal) => told.push(`client ${signal}`), tab: (state) => told.push(`heartbeat ${state}`) },
      until.signal,
    )
  })
  afterEach(() => until.abort())

  const now = document.visibilityState

  it('tells at once whether the page is looked at', () => {
    expect(told).to.deep.equal([`client ${now}`, `heartbeat ${now}`])
  })

  for (const [target, event, expected] of [
    [window, new Event('online'), ['client online']],
    [window, new Event('offline'), ['client offline']],
    [document, new Event('visibilitychange'), [`client ${now}`, `heartbeat ${now}`]],
    [
      window,
      new PageTransitionEvent('pageshow', { persisted: true }),
      ['client pageshow', `heartbeat ${now}`],
    ],
    [window, new PageTransitionEvent('pagehide', { persisted: true }), ['client freeze', 'heartbeat paused']],
    [window, new PageTransitionEvent('pagehide', { persisted: false }), ['heartbeat paused']],
    [document, new Event('freeze'), ['client freeze', 'heartbeat paused']],
    [document, new Event('resume'), ['client resume', `heartbeat ${now}`]],
  ] as const) {
    const kept = event instanceof PageTransitionEvent && event.persisted ? ' of a page that is kept' : ''
    it(`passes on ${event.type}${kept}`, () => {
      told.length = 0
      target.dispatchEvent(event)
      expect(told).to.deep.equal(expected)
    })
  }

  it('tells nothing any more when it was aborted', () => {
    until.abort()
    told.length = 0
    window.dispatchEvent(new Event('online'))
    document.dispatchEvent(new Event('visibilitychange'))
    expect(told).to.deep.equal([])
  })
})
