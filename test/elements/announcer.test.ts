import { expect } from '@open-wc/testing'
import { Announcer } from '../../elements/announcer.ts'
import { FakeClock } from './builders.ts'

describe('Announcer', () => {
  let clock: FakeClock
  let announcer: Announcer
  let page: Document

  beforeEach(() => {
    clock = new FakeClock()
    page = document.implementation.createHTMLDocument()
    announcer = new Announcer(page, clock)
  })

  const said = (): string | null => page.querySelector('[role=status]')!.textContent

  it('says in one go what comes close together', () => {
    announcer.prepare()
    announcer.say('Caught up: 7 new events')
    clock.advance(100)
    announcer.say('Here is your answer.')
    expect(said()).to.equal('')
    clock.advance(300)
    expect(said()).to.equal('Caught up: 7 new events Here is your answer.')
  })

  it('is polite', () => {
    expect(announcer.prepare().getAttribute('aria-live')).to.equal('polite')
  })

  it('has one region for the whole page, whoever speaks', () => {
    announcer.prepare()
    new Announcer(page, clock).say('Offline')
    clock.advance(1000)
    expect(page.querySelectorAll('[role=status]')).to.have.length(1)
    expect(said()).to.equal('Offline')
  })

  it('is heard when it says the same again', () => {
    announcer.say('Offline')
    clock.advance(1000)
    const first = page.querySelector('[role=status]')!.firstChild
    announcer.say('Offline')
    clock.advance(1000)
    expect(said()).to.equal('Offline')
    expect(page.querySelector('[role=status]')!.firstChild).not.to.equal(first)
  })

  it('cuts what nobody would listen to the end', () => {
    announcer.say('word '.repeat(1000))
    clock.advance(1000)
    expect(said()!.length).to.be.lessThan(700)
  })

  it('comes back when the page has replaced its body', () => {
    announcer.prepare()
    page.body.replaceChildren()
    announcer.say('Still here')
    clock.advance(1000)
    expect(said()).to.equal('Still here')
  })

  it('shows its text as text', () => {
    announcer.say('<b>bold</b>')
    clock.advance(1000)
    expect(page.querySelector('b')).to.equal(null)
    expect(said()).to.equal('<b>bold</b>')
  })
})
