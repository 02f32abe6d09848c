import { expect, fixtureSync, waitUntil } from '@open-wc/testing'
import { html } from 'lit'
import { LoomiRecovery } from '../../elements/index.ts'
import { scriptBase } from '../../elements/script-base.ts'
import { startFromGlobals, whenParsed } from '../../elements/start-from-globals.ts'

LoomiRecovery.define()

/** An empty page in a frame, with a registry of its own. */
function aFrame(): Window {
  return fixtureSync<HTMLIFrameElement>('<iframe></iframe>').contentWindow!
}

describe('The drop-in script', () => {
  it('adds an element for the globals and exposes it', () => {
    const frame = aFrame()
    Object.assign(frame, { userId: 'ada', sessionId: 42 })
    startFromGlobals(frame)
    const element = frame.document.body.querySelector('loomi-recovery')
    expect(element).to.equal(frame.recoveryManager)
    expect([element!.userId, element!.sessionId]).to.deep.equal(['ada', '42'])
  })

  it('does nothing when it has run already, or the page has its own element', () => {
    const frame = aFrame()
    Object.assign(frame, { userId: 'ada', sessionId: 's' })
    startFromGlobals(frame)
    startFromGlobals(frame)
    expect(frame.document.querySelectorAll('loomi-recovery')).to.have.length(1)
  })

  for (const globals of [{}, { userId: 'ada' }, { sessionId: 's' }, { userId: '', sessionId: 's' }]) {
    it(`adds nothing with ${JSON.stringify(globals)}`, () => {
      const frame = aFrame()
      Object.assign(frame, globals)
      startFromGlobals(frame)
      expect(frame.document.querySelector('loomi-recovery')).to.equal(null)
    })
  }

  it('waits for inline scripts that follow it', () => {
    const page = document.implementation.createHTMLDocument()
    Object.defineProperty(page, 'readyState', { value: 'loading', configurable: true })
    let ran = 0
    whenParsed(page, () => ran++)
    expect(ran).to.equal(0)
    page.dispatchEvent(new Event('DOMContentLoaded'))
    expect(ran).to.equal(1)
    Object.defineProperty(page, 'readyState', { value: 'interactive' })
    whenParsed(page, () => ran++)
    expect(ran).to.equal(2)
  })

  it('finds its folder from the module script that loaded it', () => {
    const { document: page } = aFrame()
    expect(scriptBase(page)).to.equal(null)
    for (const src of [
      '/other.js',
      'https://[',
      'https://x.example/chat/loomi/loomi-recovery.js?v=2',
      'data:,',
    ]) {
      const script = page.createElement('script')
      script.type = 'text/plain'
      script.src = src
      page.head.append(script)
    }
    expect(scriptBase(page)).to.equal('https://x.example/chat/loomi')
  })

  it('finds its folder as a classic script, whatever its name', async () => {
    const frame = aFrame()
    const found = new Promise((resolve) => {
      Object.assign(frame, { find: () => resolve(scriptBase(frame.document)) })
    })
    const script = frame.document.createElement('script')
    script.textContent = 'find()'
    Object.defineProperty(script, 'src', { value: 'https://x.example/api/loomi/renamed.js' })
    frame.document.head.append(script)
    expect(await found).to.equal('https://x.example/api/loomi')
  })

  it('starts by itself, with the globals set after its tag, and once when it is loaded twice', async () => {
    const src = new URL('../../elements/drop-in.ts', import.meta.url).href
    const base = `/loomi-${Math.random().toString(36).slice(2, 10)}`
    const page = `<!doctype html>
      <script type="text/plain" src="${base}/loomi-recovery.js"></script>
      <script type="module" src="${src}"></script>
      <script type="module" src="${src}?again"></script>
      <script>window.userId = 'ada'; window.sessionId = 's-42'</script>`
    const frame = fixtureSync<HTMLIFrameElement>(html`<iframe srcdoc=${page}></iframe>`)
    const manager = (): LoomiRecovery | undefined => frame.contentWindow!.recoveryManager
    await waitUntil(() => manager()?.snapshot, 'window.recoveryManager', { timeout: 10_000 })
    expect(manager()!.ownerDocument.querySelectorAll('loomi-recovery')).to.have.length(1)
    // Nothing is served there: it has asked, and says so.
    await waitUntil(() => manager()!.snapshot.state === 'failed', 'an answer', { timeout: 10_000 })
    // The server's own count: WebKit does not list every request among a page's resources.
    const { asked } = (await (await fetch(`${base}/control`)).json()) as { asked: string[] }
    expect(asked).to.deep.equal(['stream/s-42'])
  })

  it('leaves a tag alone that is defined already', () => {
    class Second extends LoomiRecovery {}
    Second.define()
    expect(customElements.get('loomi-recovery')).to.equal(LoomiRecovery)
  })
})
