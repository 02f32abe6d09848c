import { expect, oneEvent } from '@open-wc/testing'
import { html } from 'lit'
import type { LoomiErrorEvent, LoomiGapEvent, LoomiResetEvent, LoomiShowEvent } from '../../elements/index.ts'
import { aPage, arrived, cleanUp, eventually, indicator, items, open, reach, transcript } from './harness.ts'

const log = (element: HTMLElement): Element => element.shadowRoot!.querySelector('[role=log]')!

describe('<loomi-recovery>', () => {
  afterEach(cleanUp)

  describe('is accessible', () => {
    it('before it has a session', async () => {
      const { element } = aPage()
      await element.updateComplete
      await arrived(element)
      await expect(element).to.be.accessible()
    })

    it('with an item of each kind', async () => {
      const { element, session } = aPage()
      session
        .say('user', 'Two rooms in Oslo, please.')
        .say('thought', 'They want two.')
        .say('message', 'Here are two.')
        .emit({ content_type: 'tool_call', event_data: { name: 'search', input: { city: 'Oslo' } } })
        .emit({ content_type: 'plan', event_data: { steps: 3 } })
        .emit({ event_type: 'run_end', content_type: 'stopped', event_data: {} })
      session.seen = 6
      await open(element)
      expect(transcript(element)).to.deep.equal([
        'item user: Two rooms in Oslo, please.',
        'item thought: Thought They want two.',
        'item message: Here are two.',
        'item tool: → search city: Oslo',
        'item event: plan steps: 3',
        'item run_end: The answer was stopped.',
      ])
      await arrived(element)
      await expect(element).to.be.accessible()
    })

    it('while it catches up', async () => {
      const { element, session } = aPage()
      for (let n = 1; n <= 30; n++) session.say('message', `Message ${n}`)
      element.replayMs = 1000
      element.replayBudgetMs = 60_000
      await open(element, 'replaying')
      expect(indicator(element)).to.equal('Catching up · 30')
      expect(log(element).getAttribute('aria-busy')).to.equal('true')
      await arrived(element)
      await expect(element).to.be.accessible()
    })

    it('when it has failed', async () => {
      const { element, session } = aPage()
      session.refusal = { status: 403, code: 'forbidden', message: 'This session is not yours.' }
      await open(element, 'failed')
      expect(indicator(element)).to.equal('This session is not yours.')
      await arrived(element)
      await expect(element).to.be.accessible()
    })
  })

  describe('shows the session', () => {
    it('that is there already and goes on live, in order and once', async () => {
      const { element, session } = aPage()
      session.say('user', 'Hi').say('message', 'Hello')
      await open(element)
      session.say('message', 'More')
      await items(element, 3)
      expect(transcript(element)).to.deep.equal([
        'item user: Hi',
        'item message: Hello',
        'item message: More',
      ])
    })

    it('from its first event on, when the page was there before it', async () => {
      const { element, session } = aPage()
      await open(element)
      session.say('message', 'First')
      await items(element, 1)
      expect(transcript(element)).to.deep.equal(['item message: First'])
    })

    it('growing one bubble from the deltas of a part, in the same text node', async () => {
      const { element, session } = aPage()
      await open(element)
      const part = { content_type: 'message', part_id: 'r1/m1/0' }
      session.emit({ ...part, event_data: { text: 'Two ro' } })
      await items(element, 1)
      const node = log(element).querySelector('.text')!.childNodes
      const text = [...node].find((child) => child instanceof Text && child.data !== '')!
      session.emit({ ...part, event_data: { text: 'oms.' }, part_done: true })
      await eventually(() => element.snapshot.items[0]!.done)
      await element.updateComplete
      expect(text.textContent).to.equal('Two rooms.')
      expect(transcript(element)).to.deep.equal(['item message: Two rooms.'])
    })

    it('with hostile text as text', async () => {
      const { element, session } = aPage('<template slot="thought"><p data-bind="text"></p></template>')
      const hostile = '<img src=x onerror="globalThis.hurt = true"></template><b>\u202E🏔️'
      for (const kind of ['user', 'message', 'thought', 'plan', 'tool_call']) session.say(kind, hostile)
      session.seen = 5
      await open(element)
      expect(log(element).querySelector('img')).to.equal(null)
      expect(element.querySelector('img')).to.equal(null)
      expect(element.querySelector('p')!.textContent).to.equal(hostile)
      expect(log(element).querySelector('.message .text')!.textContent).to.contain(hostile)
      expect('hurt' in globalThis).to.equal(false)
    })

    it('without a word about a run that ended well, and with a calm one about others', async () => {
      const { element, session } = aPage()
      for (const [content_type, event_data] of [
        ['complete', {}],
        ['failed', { message: 'The model is overloaded.' }],
        ['interrupted', {}],
      ] as const) {
        session.emit({ event_type: 'run_end', content_type, event_data })
      }
      session.seen = 3
      await open(element)
      expect(transcript(element)).to.deep.equal([
        'item run_end: The answer failed: The model is overloaded.',
        'item run_end: The answer was interrupted.',
      ])
    })

    it('with a notice where a part of the history is gone', async () => {
      const { element, session } = aPage()
      await open(element)
      session.frame({ type: 'gap', from: 1, to: 1 }, 'e1-1-000000')
      const gap = (await oneEvent(element, 'loomi-gap')) as LoomiGapEvent
      expect([gap.from, gap.to]).to.deep.equal([1, 1])
      await element.updateComplete
      expect(transcript(element)).to.deep.equal([
        'notice gap: Part of the history (event 1) is no longer kept.',
      ])
    })

    it('an event without data by its name alone', async () => {
      const { element, session } = aPage()
      session.emit({ content_type: 'ping', event_data: null })
      session.emit({ content_type: 'tool_result', event_data: null })
      session.emit({ content_type: 'beds', event_data: 0 })
      await open(element)
      expect(transcript(element)).to.deep.equal(['item event: ping', 'item tool: ←', 'item event: beds 0'])
    })

    it('in the words that the page chose', async () => {
      const { element, session } = aPage()
      element.strings = { thought: 'Gedanke' }
      session.say('thought', 'Hm')
      await open(element)
      expect(transcript(element)).to.deep.equal(['item thought: Gedanke Hm'])
    })

    it('and the slot "empty" only while there is nothing', async () => {
      const { element, session } = aPage('<p slot="empty">Ask me.</p>')
      await open(element)
      expect(element.querySelector('p')!.assignedSlot).not.to.equal(null)
      session.say('message', 'Hello')
      await items(element, 1)
      expect(element.querySelector('p')!.assignedSlot).to.equal(null)
    })
  })

  describe('lets the page draw', () => {
    const thoughts =
      '<template slot="thought"><details><summary>T</summary><p data-bind="text"></p></details></template>'

    it('items by a template, in the light DOM at their place', async () => {
      const { element, session } = aPage(thoughts)
      session.say('user', 'Hi').say('thought', 'Hm').say('message', 'Hello')
      await open(element)
      const drawn = element.querySelector<HTMLElement>('[data-loomi-item]')!
      expect(drawn.querySelector('p')!.textContent).to.equal('Hm')
      expect(drawn.dataset['phase']).to.equal('replay')
      const place = log(element).children[1]!
      expect(place.getAttribute('part')).to.equal('item thought')
      expect(drawn.assignedSlot!.parentElement).to.equal(place)
      await arrived(element)
      await expect(element).to.be.accessible()
    })

    it('a growing item into the same clone, so <details> stays open', async () => {
      const { element, session } = aPage(thoughts)
      await open(element)
      session.emit({ content_type: 'thought', part_id: 'p', event_data: { text: 'One' } })
      await items(element, 1)
      const details = element.querySelector('details')!
      details.open = true
      session.emit({ content_type: 'thought', part_id: 'p', event_data: { text: ', two' }, part_done: true })
      await eventually(() => details.querySelector('p')!.textContent === 'One, two')
      expect(element.querySelector('details')).to.equal(details)
      expect(details.open).to.equal(true)
    })

    it('later items by a template that came later', async () => {
      const { element, session } = aPage()
      session.say('thought', 'Before')
      await open(element)
      element.insertAdjacentHTML('beforeend', thoughts)
      session.say('thought', 'After')
      await items(element, 2)
      expect([...element.querySelectorAll('p')].map((p) => p.textContent)).to.deep.equal(['After'])
    })

    it('by renderer before template, by content_type before kind', async () => {
      const { element, session } = aPage(`
        <template slot="message"><p>template: kind</p></template>
        <template slot="concierge_message"><p>template: content_type</p></template>`)
      const drawn = async (): Promise<string> => {
        const before = element.snapshot.items.length
        session.say('concierge_message', 'Hello')
        await items(element, before + 1)
        return [...element.querySelectorAll('[data-loomi-item]')].at(-1)!.textContent
      }
      await open(element)
      expect(await drawn()).to.equal('template: content_type')
      element.renderers = { message: () => 'renderer: kind' }
      expect(await drawn()).to.equal('renderer: kind')
      element.renderers = { ...element.renderers, concierge_message: () => 'renderer: content_type' }
      expect(await drawn()).to.equal('renderer: content_type')
      element.querySelector('template[slot=concierge_message]')!.remove()
      element.renderers = null
      expect(await drawn()).to.equal('template: kind')
    })

    it('by renderers that give a text, a template or a node', async () => {
      const { element, session } = aPage()
      const node = document.createElement('hr')
      element.renderers = {
        message: ({ text }) => `<b>${text}</b>`,
        user: ({ text }, host) => html`<em title=${host.localName}>${text}</em>`,
        plan: () => node,
      }
      session.say('message', 'a').say('user', 'b').say('plan', 'c')
      await open(element)
      const [text, template, own] = element.querySelectorAll('[data-loomi-item]')
      expect(text!.textContent).to.equal('<b>a</b>')
      expect(template!.querySelector('em[title=loomi-recovery]')!.textContent).to.equal('b')
      expect(own!.firstElementChild).to.equal(node)
    })

    it('elsewhere: an overridden displayThought gets each new text, and the transcript leaves it out', async () => {
      const { element, session } = aPage(thoughts)
      const calls: unknown[] = []
      element.displayThought = (content, isReplay, part) => calls.push([content, isReplay, part.text])
      session.say('thought', 'Missed').say('message', 'Hello')
      await open(element)
      const part = { content_type: 'thought', part_id: 'p' }
      session.emit({ ...part, event_data: { text: 'Live' } }).emit({ ...part, event_data: { text: ' too' } })
      await eventually(() => calls.length === 3)
      expect(calls).to.deep.equal([
        ['Missed', true, 'Missed'],
        ['Live', false, 'Live'],
        [' too', false, 'Live too'],
      ])
      await element.updateComplete
      expect(transcript(element)).to.deep.equal(['item message: Hello'])
      expect(element.querySelector('[data-loomi-item]')).to.equal(null)
    })

    it('as well: an overridden method that calls the default one keeps the item in the transcript', async () => {
      const { element, session } = aPage()
      const shown: string[] = []
      const inTranscript = element.displayConciergeMessage.bind(element)
      element.displayConciergeMessage = (content, isReplay, part) => {
        shown.push(content)
        inTranscript(content, isReplay, part)
      }
      session.say('message', 'Hello')
      await open(element)
      expect(shown).to.deep.equal(['Hello'])
      expect(transcript(element)).to.deep.equal(['item message: Hello'])
    })

    it('nothing of an event that a listener has cancelled', async () => {
      const { element, session } = aPage()
      const methods: string[] = []
      element.displayEvent = ({ content_type }) => methods.push(content_type)
      element.parentElement!.addEventListener('loomi-event', (event) => {
        const { event: loomiEvent, text, isReplay, phase, cursor } = event as LoomiShowEvent
        expect([text, isReplay, phase, cursor?.slice(0, 5)]).to.deep.equal([
          'secret',
          true,
          'replay',
          'e1-1-',
        ])
        if (loomiEvent.content_type === 'plan') event.preventDefault()
      })
      session.say('plan', 'secret')
      await open(element)
      expect(element.snapshot.items).to.deep.equal([])
      expect(methods).to.deep.equal([])
    })
  })

  describe('tells the page', () => {
    it('its state by events and by :state()', async () => {
      const { element } = aPage()
      expect(element.matches(':state(idle)')).to.equal(true)
      const seen: string[] = []
      element.addEventListener('loomi-state', ({ previous, state }) => seen.push(`${previous} → ${state}`))
      await open(element)
      expect(seen).to.deep.equal(['idle → connecting', 'connecting → live'])
      expect(element.matches(':state(live)')).to.equal(true)
      expect(element.matches(':state(connecting)')).to.equal(false)
      expect(element.matches(':state(idle)')).to.equal(false)
    })

    it('of a replay, and a screen reader how much it brought', async () => {
      const { element, session } = aPage()
      const phases: string[] = []
      element.addEventListener('loomi-replay', ({ missed, phase }) => phases.push(`${phase} ${missed}`))
      for (let n = 1; n <= 7; n++) session.say('message', `Message ${n}`)
      await open(element)
      expect(phases).to.deep.equal(['start 7', 'end 7'])
      expect(indicator(element)).to.equal('Caught up')
      await eventually(() => announced().includes('Caught up: 7 new events'))
      expect(log(element).getAttribute('aria-live')).to.equal('off')
    })

    it('by the indicator exactly when something was missed', async () => {
      const { element, session } = aPage()
      session.say('user', 'Hi').say('message', 'Hello')
      session.seen = 2
      const seen = new Set<string | null>()
      element.addEventListener(
        'loomi-state',
        () => void element.updateComplete.then(() => seen.add(indicator(element))),
      )
      await open(element)
      session.say('message', 'Live')
      await items(element, 3)
      expect([...seen]).to.deep.equal([null])
    })

    it('a live message by ear once, when it has ended', async () => {
      const { element, session } = aPage()
      await open(element)
      const part = { content_type: 'message', part_id: 'p' }
      session.emit({ ...part, event_data: { text: 'Two ' } })
      session.emit({ ...part, event_data: { text: 'rooms.' }, part_done: true })
      await eventually(() => announced().endsWith('Two rooms.'))
    })

    it('that user-id is missing', async () => {
      const { element } = aPage()
      setTimeout(() => void open(element))
      const error = (await oneEvent(element, 'loomi-error')) as LoomiErrorEvent
      expect(error.code).to.equal('user_id_missing')
      expect(error.message).to.contain('user-id')
    })

    it('that the log began anew, and refills unless the page objects', async () => {
      const { element, session } = aPage()
      session.say('message', 'Old')
      await open(element)
      session.beginAnew().say('message', 'New')
      session.cut()
      const { reason } = (await oneEvent(element, 'loomi-reset')) as LoomiResetEvent
      expect(reason).to.equal('epoch')
      await eventually(() => element.snapshot.items[0]?.text === 'New', 'the new log')
      await element.updateComplete
      expect(transcript(element)).to.deep.equal([
        'notice reset: The history began anew here.',
        'item message: New',
      ])
    })
  })

  it('shows everything at once when the reader asks', async () => {
    const { element, session } = aPage()
    for (let n = 1; n <= 30; n++) session.say('message', `Message ${n}`)
    element.replayMs = 1000
    element.replayBudgetMs = 60_000
    await open(element, 'replaying')
    const button = element.shadowRoot!.querySelector('button')!
    button.focus()
    expect(element.shadowRoot!.activeElement).to.equal(button)
    button.click()
    await reach(element, 'live')
    expect(transcript(element)).to.have.length(30)
  })

  it('hides the indicator, or moves it, as the attribute says', async () => {
    const { element, session } = aPage()
    session.say('message', 'Hello')
    element.setAttribute('indicator', 'none')
    await open(element)
    expect(indicator(element)).to.equal(null)
    element.setAttribute('indicator', 'bottom-left')
    await element.updateComplete
    const box = element.shadowRoot!.querySelector('[part=indicator]')!.getBoundingClientRect()
    expect(box.left).to.equal(16)
    expect(Math.round(innerHeight - box.bottom)).to.equal(16)
  })

  it('puts the own words of a page into the indicator', async () => {
    const { element, session } = aPage('<b slot="indicator">Welcome back</b>')
    await open(element)
    const words = element.querySelector('b')!
    expect(words.assignedSlot).to.equal(null)
    session.say('message', 'One')
    element.disconnect()
    session.say('message', 'Two')
    element.connect()
    await reach(element, 'live')
    expect(words.assignedSlot!.closest('[part=indicator]')).not.to.equal(null)
  })

  it('takes no place of the page for the indicator', async () => {
    const { element, session } = aPage()
    session.say('message', 'Hello')
    await open(element)
    const before = element.getBoundingClientRect().height
    expect(indicator(element)).to.equal('Caught up')
    element.indicator = 'none'
    await element.updateComplete
    expect(element.getBoundingClientRect().height).to.equal(before)
  })

  it('follows the newest when the page makes it scroll, until the reader scrolls away', async () => {
    const { element, session } = aPage()
    element.style.cssText = 'height: 120px; overflow: auto'
    for (let n = 1; n <= 20; n++) session.say('message', `Message ${n}`)
    session.seen = 20
    await open(element)
    const atEnd = (): boolean => element.scrollHeight - element.clientHeight - element.scrollTop < 2
    expect(atEnd()).to.equal(true)
    session.say('message', 'Live')
    await items(element, 21)
    expect(atEnd()).to.equal(true)
    element.scrollTop = 0
    session.say('message', 'More')
    await items(element, 22)
    expect(element.scrollTop).to.equal(0)
  })
})

/** Also what tests before this one had said last, for the page has one voice. */
function announced(): string {
  return document.querySelector('[data-loomi-announcer]')!.textContent
}
