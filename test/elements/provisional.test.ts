import { expect, oneEvent } from '@open-wc/testing'
import { html } from 'lit'
import type { LoomiUnsavedEvent } from '../../elements/index.ts'
import { aPage, arrived, cleanUp, eventually, items, open, reach, transcript } from './harness.ts'

const part = { content_type: 'message', part_id: 'r1/m/0' }
const log = (element: HTMLElement): Element => element.shadowRoot!.querySelector('[role=log]')!

/** The text node of a message. */
function textOf(element: HTMLElement): Text {
  const nodes = [...log(element).querySelector('.text')!.childNodes]
  return nodes.find((node) => node instanceof Text && node.data !== '') as Text
}

describe('<loomi-recovery>, events that are not saved yet', () => {
  afterEach(cleanUp)

  it('are shown like others, and stay as they are when they are saved', async () => {
    const { element, session } = aPage()
    await open(element)
    const shown: [string, string | null][] = []
    element.addEventListener('loomi-event', ({ text, cursor }) => shown.push([text, cursor]))
    session.showUnsaved(1, { ...part, event_data: 'Two ' })
    session.showUnsaved(2, { ...part, event_data: 'rooms.' })
    await items(element, 1)
    await eventually(() => textOf(element).data === 'Two rooms.')
    const node = textOf(element)
    session.emit({ ...part, event_data: 'Two ' })
    await eventually(() => element.snapshot.items[0]!.seq === 1)
    await element.updateComplete
    expect(node.data).to.equal('Two rooms.')
    session.emit({ ...part, event_data: 'rooms.', part_done: true })
    await eventually(() => element.snapshot.items[0]!.done)
    await element.updateComplete
    expect(textOf(element)).to.equal(node)
    expect(transcript(element)).to.deep.equal(['item message: Two rooms.'])
    expect(shown).to.deep.equal([
      ['Two ', null],
      ['rooms.', null],
    ])
  })

  it('are taken back when they can not be saved: with words in their place, an event, and said aloud', async () => {
    const { element, session } = aPage()
    element.renderers = { plan: ({ text }) => html`<b>${text}</b>` }
    session.emit({ ...part, event_data: 'Two ' })
    session.seen = 1
    await open(element)
    session.showUnsaved(2, { ...part, event_data: 'lost' })
    session.showUnsaved(3, { content_type: 'thought', event_data: 'lost too' })
    session.showUnsaved(4, { content_type: 'plan', event_data: 'lost as well' })
    await items(element, 3)
    expect(element.querySelector('b')!.textContent).to.equal('lost as well')
    session.boot = 'b2'
    const told = oneEvent(element, 'loomi-unsaved') as Promise<LoomiUnsavedEvent>
    session.cut()
    expect((await told).count).to.equal(3)
    await reach(element, 'live')
    expect(transcript(element)).to.deep.equal([
      'item message: Two',
      'notice unsaved: The last 3 events were not kept.',
    ])
    expect(textOf(element).data).to.equal('Two ')
    expect(element.querySelector('b')).to.equal(null)
    await eventually(() =>
      document
        .querySelector('[data-loomi-announcer]')
        ?.textContent.includes('The last 3 events were not kept.'),
    )
    await arrived(element)
    await expect(element).to.be.accessible()
    session.say('message', 'Again')
    await items(element, 2)
    expect(transcript(element).at(-1)).to.equal('item message: Again')
  })

  it('are counted in words that fit one, and in words of the page’s own', async () => {
    for (const [strings, words] of [
      [null, 'The last event was not kept.'],
      [{ unsaved: (count: number) => `${count} verloren` }, '1 verloren'],
    ] as const) {
      const { element, session } = aPage()
      element.strings = strings
      await open(element)
      session.showUnsaved(1, { content_type: 'message', event_data: 'lost' })
      await items(element, 1)
      session.boot = 'b2'
      session.cut()
      await items(element, 0)
      expect(transcript(element)).to.deep.equal([`notice unsaved: ${words}`])
      cleanUp()
    }
  })

  it('come after the notice that a part of the history is gone', async () => {
    const { element, session } = aPage()
    await open(element)
    session.showUnsaved(5, { content_type: 'message', event_data: 'new' })
    await items(element, 1)
    session.frame({ type: 'gap', from: 1, to: 2 }, 'e1-2-000000')
    await eventually(() => element.snapshot.gaps.length === 1)
    // Whether it is among the rows that are gone is not known: the stream after the gap says it again.
    await eventually(() => session.requests.length === 2)
    session.showUnsaved(5, { content_type: 'message', event_data: 'new' })
    await items(element, 1)
    await element.updateComplete
    expect(transcript(element)).to.deep.equal([
      'notice gap: Part of the history (events 1 to 2) is no longer kept.',
      'item message: new',
    ])
  })

  it('go with the log that they were of, which is said where it is kept', async () => {
    const { element, session } = aPage()
    element.addEventListener('loomi-reset', (event) => event.preventDefault())
    session.say('message', 'Old')
    session.seen = 1
    await open(element)
    session.showUnsaved(2, { content_type: 'message', event_data: 'lost' })
    await items(element, 2)
    session.beginAnew().cut()
    await eventually(() => element.snapshot.unsaved.length === 1)
    await reach(element, 'live')
    expect(transcript(element)).to.deep.equal([
      'item message: Old',
      'notice unsaved: The last event was not kept.',
      'notice reset: The history began anew here.',
    ])
  })
})
