import { expect } from '@open-wc/testing'
import { settledMessages } from '../../elements/settled-messages.ts'
import { anEvent, anItem, aSnapshot } from './builders.ts'

describe('settledMessages', () => {
  const growing = anItem({ id: 'p', text: 'Hel', done: false })
  const ended = { ...growing, text: 'Hello', done: true }

  it('tells a message when it ends, not while it grows', () => {
    const grown = { ...growing, text: 'Hell' }
    expect(settledMessages(aSnapshot(), aSnapshot({ items: [growing] }))).to.deep.equal([])
    expect(settledMessages(aSnapshot({ items: [growing] }), aSnapshot({ items: [grown] }))).to.deep.equal([])
    expect(settledMessages(aSnapshot({ items: [grown] }), aSnapshot({ items: [ended] }))).to.deep.equal([
      'Hello',
    ])
  })

  it('tells a whole message that has just come, and each only once', () => {
    const one = aSnapshot({ items: [ended] })
    expect(settledMessages(aSnapshot(), one)).to.deep.equal(['Hello'])
    expect(settledMessages(one, aSnapshot({ items: [{ ...ended, unseen: true }] }))).to.deep.equal([])
    const more = anItem({ id: 'q', text: 'More' })
    expect(settledMessages(one, aSnapshot({ items: [ended, more] }))).to.deep.equal(['More'])
  })

  it('keeps quiet about what is restored or replayed', () => {
    const replaying = aSnapshot({ state: 'replaying' })
    expect(settledMessages(replaying, aSnapshot({ state: 'replaying', items: [ended] }))).to.deep.equal([])
    expect(settledMessages(replaying, aSnapshot({ items: [ended] }))).to.deep.equal([])
  })

  it('reads out messages only', () => {
    const thought = anItem({ event: anEvent({ content_type: 'thought' }) })
    const user = anItem({ id: 'u', event: anEvent({ content_type: 'user' }) })
    expect(settledMessages(aSnapshot(), aSnapshot({ items: [thought, user] }))).to.deep.equal([])
  })
})
