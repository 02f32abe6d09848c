import { expect, fixtureSync, html } from '@open-wc/testing'
import { bindClone } from '../../elements/template-binding.ts'
import { anEvent, anItem } from './builders.ts'

interface Bound {
  readonly place: HTMLElement
  readonly update: (scope: object) => void
}

/** What a page writes into its template, cloned into the page. */
function bindMarkup(markup: string, scope: object): Bound {
  const template = document.createElement('template')
  template.innerHTML = markup
  const place = fixtureSync<HTMLElement>(html`<div></div>`)
  const { content, update } = bindClone(template, scope)
  place.append(content)
  return { place, update }
}

describe('bindClone', () => {
  it('fills elements by the paths that they name', () => {
    const paths = [
      'text',
      'event.agent_source',
      'event.event_data.room.beds',
      'event.event_data.room.names.0',
      'event.event_data.room',
      'phase',
      'isReplay',
    ]
    const item = anItem({
      text: 'Two rooms',
      event: anEvent({ event_data: { room: { beds: 2, names: ['Fjord'] } } }),
      phase: 'replay',
    })
    const { place } = bindMarkup(paths.map((path) => `<i data-bind="${path}"></i>`).join('|'), item)
    expect(place.textContent).to.equal('Two rooms|concierge|2|Fjord|{"beds":2,"names":["Fjord"]}|replay|true')
  })

  for (const path of [
    'nothing',
    'event.event_data.a.b.c',
    'constructor',
    'event.__proto__',
    'text.length',
    '',
  ]) {
    it(`leaves an element empty whose path "${path}" leads nowhere`, () => {
      const { place } = bindMarkup(`<p data-bind="${path}">old</p>`, anItem())
      expect(place.textContent).to.equal('')
    })
  }

  for (const hostile of [
    '<img src=x onerror="globalThis.hurt = true">',
    '</template><script>globalThis.hurt = true</script>',
    '${alert(1)} {{text}} <!-- -->',
    '\u202Eevil\u0000 🏔️ e\u0301',
  ]) {
    it(`shows ${JSON.stringify(hostile)} as text`, () => {
      const { place } = bindMarkup('<p data-bind="text"></p>', anItem({ text: hostile }))
      expect(place.textContent).to.equal(hostile)
      expect(place.querySelectorAll('*')).to.have.length(1)
      expect('hurt' in globalThis).to.equal(false)
    })
  }

  it('updates the same nodes, so what the reader opened and selected stays', () => {
    const { place, update } = bindMarkup(
      '<details><summary>Thinking</summary><p data-bind="text"></p></details>',
      anItem({ text: 'One' }),
    )
    const details = place.querySelector('details')!
    const text = place.querySelector('p')!.firstChild as Text
    details.open = true
    getSelection()!.setBaseAndExtent(text, 0, text, 3)

    update(anItem({ text: 'One and two' }))

    expect(place.querySelector('details')).to.equal(details)
    expect(details.open).to.equal(true)
    expect(text.data).to.equal('One and two')
    expect(String(getSelection())).to.equal('One')
  })

  it('replaces a text that did not just grow', () => {
    const { place, update } = bindMarkup('<p data-bind="text"></p>', anItem({ text: 'abc' }))
    update(anItem({ text: 'ab' }))
    expect(place.textContent).to.equal('ab')
  })

  it('keeps line breaks, unless the page styles the element inline', () => {
    const { place } = bindMarkup(
      '<p data-bind="text"></p><p data-bind="text" style="white-space: nowrap"></p>',
      anItem(),
    )
    const [kept, styled] = place.querySelectorAll('p')
    expect(kept!.style.whiteSpace).to.equal('pre-wrap')
    expect(styled!.style.whiteSpace).to.equal('nowrap')
  })
})
