import { expect } from '@open-wc/testing'
import { html } from 'lit'
import type { Json } from '../../server/protocol.ts'
import { Projection } from '../../elements/projection.ts'
import { anEvent, anItem } from './builders.ts'
import { aPage, cleanUp, items, open, transcript } from './harness.ts'

/** Arrays in arrays, deeper than recursion goes, shallower than the test's own `JSON.stringify` does. */
function nested(depth: number): Json {
  let data: Json = []
  for (let n = 0; n < depth; n++) data = [data]
  return data
}

/** What no JSON can bring, for it stands for everything that can't be printed. */
function unprintable(): Json {
  const data: Json[] = []
  data.push(data)
  return data
}

describe('<loomi-recovery> goes on', () => {
  const { reportError } = globalThis
  const reported: unknown[] = []

  beforeEach(() => {
    reported.length = 0
    globalThis.reportError = (error) => void reported.push(error)
  })

  afterEach(() => {
    globalThis.reportError = reportError
    cleanUp()
  })

  for (const [where, event_data] of [
    ['arrays', nested(4500)],
    ['a field', { steps: nested(4500) }],
  ] as const) {
    it(`after an event whose data are ${where} nested without end`, async () => {
      const { element, session } = aPage()
      await open(element)
      session.emit({ content_type: 'plan', event_data }).emit({ content_type: 'tool_call', event_data })
      session.say('message', 'Still here')
      await items(element, 3)
      const [plan, tool, message] = transcript(element)
      expect(plan).to.match(/^item event: plan .*…/)
      expect(tool).to.match(/^item tool: .*…/)
      expect(message).to.equal('item message: Still here')
      expect(reported).to.deep.equal([])
    })
  }

  it('showing nested data as far as a reader would follow', async () => {
    const { element, session } = aPage()
    session.emit({
      content_type: 'plan',
      event_data: { a: { b: { c: { d: 1 } } }, e: [[1, 2], { f: true }] },
    })
    await open(element)
    expect(transcript(element)).to.deep.equal([
      'item event: plan a: {"b":{"c":{"d":1}}} · e: 1, 2, {"f":true}',
    ])
  })

  it('when a word of the page fails, with the text of the item', async () => {
    const { element, session } = aPage()
    element.strings = {
      runFailed: () => {
        throw new Error('No such word.')
      },
    }
    session.emit({ event_type: 'run_end', content_type: 'failed', event_data: { text: 'Overloaded' } })
    session.say('message', 'Still here')
    await open(element)
    expect(transcript(element)).to.deep.equal(['item run_end: Overloaded', 'item message: Still here'])
    expect(reported.map(String)).to.deep.equal(['Error: No such word.'])
  })

  it('when a template is bound to what cannot be printed, with the text of the item until it can', () => {
    const host = document.createElement('div')
    host.innerHTML = '<template slot="message"><p data-bind="event.event_data"></p></template>'
    const projection = new Projection(host)
    const drawn = (): readonly string[] =>
      [...host.querySelectorAll('[data-loomi-item]')].map((item) => item.innerHTML)
    const second = anItem({ id: 'r1/2', event: anEvent({ event_data: 'fine' }) })

    projection.update([anItem({ event: anEvent({ event_data: unprintable() }) }), second], {})
    expect(drawn()).to.deep.equal(['Hello', '<p data-bind="event.event_data">fine</p>'])
    projection.update([anItem({ event: anEvent({ event_data: 'mended' }) }), second], {})
    expect(drawn()).to.deep.equal([
      '<p data-bind="event.event_data">mended</p>',
      '<p data-bind="event.event_data">fine</p>',
    ])
    expect(reported).to.have.length(1)
  })

  it('when a renderer throws, with the text of the item until it does not', async () => {
    const { element, session } = aPage()
    element.renderers = {
      message: ({ text }) => {
        if (text === 'One') throw new Error('Not this one.')
        return html`<b>${text}</b>`
      },
    }
    const part = { content_type: 'message', part_id: 'p' }
    await open(element)
    session.emit({ ...part, event_data: 'One' })
    await items(element, 1)
    const drawn = element.querySelector('[data-loomi-item]')!
    expect(drawn.textContent).to.equal('One')
    session.emit({ ...part, event_data: ', two', part_done: true })
    session.say('user', 'Hi')
    await items(element, 2)
    expect(drawn.querySelector('b')!.textContent).to.equal('One, two')
    expect(reported.map(String)).to.deep.equal(['Error: Not this one.'])
  })
})
