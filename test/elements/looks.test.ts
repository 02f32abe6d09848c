import { expect } from '@open-wc/testing'
import { aPage, cleanUp, items, open, transcript } from './harness.ts'

describe('<loomi-recovery> shows', () => {
  afterEach(cleanUp)

  it('a source as a link that gives nothing away', async () => {
    const { element, session } = aPage()
    session.emit({ content_type: 'source', event_data: { url: 'https://lisbon.example/a', title: 'Trams' } })
    await open(element)
    const link = element.shadowRoot!.querySelector('a')!
    expect([link.href, link.textContent, link.target]).to.deep.equal([
      'https://lisbon.example/a',
      'Trams',
      '_blank',
    ])
    expect(link.relList.contains('noopener')).to.equal(true)
    expect(link.relList.contains('noreferrer')).to.equal(true)
  })

  for (const url of [
    'javascript:alert(1)',
    ' JavaScript:alert(1)',
    'data:text/html,x',
    'no address',
    5,
    null,
  ]) {
    it(`a source whose address is ${JSON.stringify(url)} as words alone`, async () => {
      const { element, session } = aPage()
      session.emit({ content_type: 'source', event_data: { url, title: 'Trams' } })
      await open(element)
      expect(element.shadowRoot!.querySelector('a')).to.equal(null)
      expect(transcript(element)).to.deep.equal(['item source: § Trams'])
    })
  }

  it('what the provider said went wrong, and how many events are missing', async () => {
    const { element, session } = aPage()
    session.emit({
      event_type: 'error',
      content_type: 'error',
      event_data: { code: 'x', text: 'Overloaded' },
    })
    session.emit({ event_type: 'error', content_type: 'error', event_data: { code: 'x', text: '' } })
    session.emit({ content_type: 'loomi_dropped', event_data: { count: 3, reason: 'pending_full' } })
    session.emit({ content_type: 'loomi_dropped', event_data: { count: 1, reason: 'refused' } })
    await open(element)
    expect(transcript(element)).to.deep.equal([
      'item error: Overloaded',
      'item error: Something went wrong.',
      'item dropped: 3 events could not be stored.',
      'item dropped: One event could not be stored.',
    ])
  })

  it('nothing of what is for apps, unless the page draws it', async () => {
    const silent = [
      { event_type: 'usage', content_type: 'usage', event_data: { total_tokens: 5 } },
      { event_type: 'provider_chunk', content_type: 'response.queued', event_data: { x: 1 } },
    ]
    const { element, session } = aPage()
    for (const event of silent) session.emit(event)
    session.say('message', 'Hello')
    await open(element)
    expect(transcript(element)).to.deep.equal(['item message: Hello'])

    const drawn = aPage()
    drawn.element.renderers = { usage: ({ event }) => JSON.stringify(event.event_data) }
    for (const event of silent) drawn.session.emit(event)
    await open(drawn.element)
    expect(drawn.element.querySelector('[data-loomi-item]')!.textContent).to.equal('{"total_tokens":5}')
  })

  for (const [how, words] of [
    ['stopped', 'The answer was stopped.'],
    ['interrupted', 'The answer was interrupted.'],
  ] as const) {
    it(`that an answer was ${how}, and no spinner after it`, async () => {
      const { element, session } = aPage()
      await open(element)
      session.emit({ content_type: 'message', part_id: 'p', event_data: 'Well' })
      session.emit({ event_type: 'tool_call', content_type: 'tool_call', event_data: { name: 'look' } })
      await items(element, 2)
      await element.updateComplete
      expect(element.shadowRoot!.querySelector('.pending')).to.not.equal(null)
      session.emit({ event_type: 'run_end', content_type: how, event_data: { status: how } })
      await items(element, 3)
      await element.updateComplete
      expect(element.shadowRoot!.querySelector('.pending')).to.equal(null)
      expect(element.shadowRoot!.querySelector('[data-open]')).to.equal(null)
      expect(transcript(element).at(-1)).to.equal(`item run_end: ${words}`)
    })
  }
})
