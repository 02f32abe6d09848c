import { expect, fixtureSync } from '@open-wc/testing'
import { LoomiRecovery } from '../../elements/index.ts'
import { FakeSession } from './fake-session.ts'
import { aPage, cleanUp, eventually, items, open, reach, transcript } from './harness.ts'

const real = globalThis.fetch

describe('<loomi-recovery> connects', () => {
  afterEach(() => {
    cleanUp()
    globalThis.fetch = real
  })

  it('with attributes that were there before it was defined', async () => {
    const session = new FakeSession().say('message', 'Hello')
    globalThis.fetch = session.fetch
    const tag = `late-loomi-${Math.random().toString(36).slice(2)}`
    const element = fixtureSync<LoomiRecovery>(
      `<${tag} session-id="before" base="/x/loomi" after="e1-0" history="none" replay-ms="0"></${tag}>`,
    )
    class Late extends LoomiRecovery {}
    Late.define(tag)
    await reach(element, 'live')
    expect(transcript(element)).to.deep.equal(['item message: Hello'])
    expect(session.requests[0]!.pathname).to.equal('/x/loomi/stream/before')
    expect(session.requests[0]!.searchParams.get('after')).to.equal('e1-0')
  })

  it('with attributes and properties that are set afterwards, once for all of them', async () => {
    const { element, session } = aPage()
    await element.updateComplete
    expect(session.requests).to.deep.equal([])
    element.setAttribute('base', '/y')
    element.setAttribute('session-id', 'a b/ü')
    await reach(element, 'live')
    expect(session.requests.map((url) => url.pathname)).to.deep.equal(['/y/stream/a%20b%2F%C3%BC'])
  })

  it('with the credential that token or getToken gives', async () => {
    const { element, session } = aPage()
    const given: (string | null)[] = []
    element.fetch = (input, init) => {
      given.push(new Request(input, init).headers.get('authorization'))
      return session.fetch(input, init)
    }
    element.token = 'ticket-1'
    await open(element)
    element.getToken = () => Promise.resolve('ticket-2')
    await open(element)
    expect(given).to.deep.equal(['Bearer ticket-1', 'Bearer ticket-2'])
  })

  it('again, when a new token comes after the old one was refused', async () => {
    const { element, session } = aPage()
    session.refusal = { status: 401, code: 'unauthorized', message: 'The ticket has expired.' }
    element.token = 'old'
    await open(element, 'failed')
    session.refusal = null
    element.token = 'new'
    await reach(element, 'live')
  })

  it('anew to another session, and forgets what it showed', async () => {
    const { element, session } = aPage()
    session.say('message', 'Hello')
    await open(element)
    const [first] = session.open
    element.fetch = new FakeSession().say('message', 'Other').fetch
    await open(element)
    expect(transcript(element)).to.deep.equal(['item message: Other'])
    expect(session.open.has(first!)).to.equal(false)
  })

  it('once, also when it is moved in the page', async () => {
    const { element, session } = aPage()
    session.say('message', 'Hello')
    await open(element)
    const states: string[] = []
    element.addEventListener('loomi-state', ({ state }) => states.push(state))
    element.parentElement!.append(document.createElement('hr'), element)
    const other = fixtureSync<HTMLElement>('<section></section>')
    other.append(element)
    await element.updateComplete
    session.say('message', 'Still here')
    await items(element, 2)
    expect(session.requests).to.have.length(1)
    expect(session.open.size).to.equal(1)
    expect(states).to.deep.equal([])
  })

  it('no longer after it was removed, and goes on where it was when it is put back', async () => {
    const { element, session } = aPage()
    const place = element.parentElement!
    session.say('message', 'One')
    await open(element)
    element.remove()
    await eventually(() => session.open.size === 0)
    expect(element.snapshot.state).to.equal('idle')
    session.say('message', 'Two')
    place.append(element)
    await items(element, 2)
    expect(transcript(element)).to.deep.equal(['item message: One', 'item message: Two'])
    expect(session.requests).to.have.length(2)
  })

  it('not while it is paused or disconnected', async () => {
    const { element, session } = aPage()
    element.paused = true
    element.sessionId = `paused-${Math.random()}`
    await element.updateComplete
    expect(session.requests).to.deep.equal([])
    element.connect()
    await element.updateComplete
    expect(session.requests).to.deep.equal([])
    element.paused = false
    await reach(element, 'live')
    element.disconnect()
    expect(element.snapshot.state).to.equal('idle')
    element.requestUpdate()
    await element.updateComplete
    expect(session.requests).to.have.length(1)
    element.connect()
    await reach(element, 'live')
  })

  it('again at once when the reader asks after a failure', async () => {
    const { element, session } = aPage()
    session.refusal = { status: 403, code: 'forbidden', message: 'Not yours.' }
    await open(element, 'failed')
    session.refusal = null
    element.shadowRoot!.querySelector('button')!.click()
    await reach(element, 'live')
  })

  it('not after forget(), which empties the transcript', async () => {
    const { element, session } = aPage()
    session.say('message', 'Hello')
    await open(element)
    await element.forget()
    await element.updateComplete
    expect(transcript(element)).to.deep.equal([])
    expect(session.open.size).to.equal(0)
    expect(element.snapshot.state).to.equal('idle')
  })

  it('as often as it comes and goes, without leaving a listener behind', async () => {
    const live = countListeners()
    const { element, session } = aPage()
    await open(element)
    const place = element.parentElement!
    const while1 = live.count()
    for (let n = 0; n < 10; n++) {
      element.remove()
      await eventually(() => session.open.size === 0)
      place.append(element)
      await eventually(() => session.open.size === 1)
    }
    expect(live.count()).to.equal(while1)
    element.remove()
    await eventually(() => session.open.size === 0)
    expect(live.count()).to.equal(0)
    live.stop()
  })
})

/** Counts listeners on window and document that were added and neither removed nor aborted. */
function countListeners(): { readonly count: () => number; readonly stop: () => void } {
  const signals: (AbortSignal | undefined)[] = []
  const targets = [window, document]
  for (const target of targets) {
    target.addEventListener = (
      type: string,
      listener: EventListenerOrEventListenerObject,
      options?: AddEventListenerOptions,
    ) => {
      signals.push(options?.signal)
      EventTarget.prototype.addEventListener.call(target, type, listener, options)
    }
  }
  return {
    count: () => signals.filter((signal) => !signal?.aborted).length,
    stop: () => {
      for (const target of targets) Reflect.deleteProperty(target, 'addEventListener')
    },
  }
}
