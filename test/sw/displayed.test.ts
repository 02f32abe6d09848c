import { expect } from '@open-wc/testing'
import { createCursorStore, type CursorStore } from '../../sw/cursor-store.ts'
import { Displayed } from '../../sw/displayed.ts'
import type { DisplayedMessage } from '../../sw/messages.ts'
import { FakeClock } from './support.ts'

describe('Displayed', () => {
  let name: string
  let store: CursorStore
  let clock: FakeClock
  let asked: DisplayedMessage[]
  let failures: number

  beforeEach(() => {
    name = `test-${Math.random()}`
    store = createCursorStore({ name })
    clock = new FakeClock()
    asked = []
    failures = 0
  })

  afterEach(() => {
    store.close()
    indexedDB.deleteDatabase(name)
  })

  function displayed(answer: unknown, kept: CursorStore = store): Displayed {
    const worker = {
      postMessage(message: DisplayedMessage, [port]: readonly [MessagePort]) {
        asked.push(message)
        if (answer !== undefined) port.postMessage(answer)
      },
    } as unknown as ServiceWorker
    const serviceWorker = (): ServiceWorker | null => (answer === null ? null : worker)
    const onFailure = (): void => void failures++
    return new Displayed({ userId: 'ada', sessionId: 's1', serviceWorker, onFailure, store: kept, clock })
  }

  it('asks the service worker at most once in 250 ms, for the newest', async () => {
    const writer = displayed(true)
    for (let ms = 0; ms < 1000; ms += 50) {
      writer.push(`e1-${ms + 1}-aaaaaa`)
      await clock.pass(50)
    }
    expect(asked.map((message) => message.cursor)).to.deep.equal([
      'e1-201-aaaaaa',
      'e1-451-aaaaaa',
      'e1-701-aaaaaa',
      'e1-951-aaaaaa',
    ])
    expect(writer.newest).to.equal('e1-951-aaaaaa')
    expect(await writer.kept()).to.equal(null)
  })

  it('writes at once when it is flushed, and nothing twice', async () => {
    const writer = displayed(true)
    writer.push('e1-1-aaaaaa')
    await writer.flush()
    await writer.flush()
    await clock.pass(1000)
    expect(asked).to.deep.equal([
      { type: 'loomi:displayed', userId: 'ada', sessionId: 's1', cursor: 'e1-1-aaaaaa' },
    ])
  })

  it('writes itself without a service worker, or when that could not', async () => {
    for (const [answer, cursor] of [
      [null, 'e1-1-aaaaaa'],
      [false, 'e1-2-aaaaaa'],
    ] as const) {
      const writer = displayed(answer)
      writer.push(cursor)
      await writer.flush()
      expect(await writer.kept()).to.equal(cursor)
    }
  })

  it('writes itself when the service worker has not answered for 3 s', async () => {
    const writer = displayed(undefined)
    writer.push('e1-1-aaaaaa')
    const flushed = writer.flush()
    await clock.pass(2999)
    expect(await writer.kept()).to.equal(null)
    await clock.pass(1)
    await flushed
    expect(await writer.kept()).to.equal('e1-1-aaaaaa')
  })

  it('tells when the device keeps nothing', async () => {
    const broken = { ...store, put: () => Promise.reject(new Error('no room')) }
    const writer = displayed(null, broken)
    writer.push('e1-1-aaaaaa')
    await writer.flush()
    expect(failures).to.equal(1)
  })

  it('goes back once when the log was replaced, through the service worker and without', async () => {
    const writer = displayed(true)
    writer.push('e1-9-aaaaaa')
    writer.push('e1-1-bbbbbb', true)
    writer.push('e1-2-bbbbbb')
    await writer.flush()
    writer.push('e1-3-bbbbbb')
    await writer.flush()
    expect(asked.map(({ cursor, restarts }) => [cursor, restarts])).to.deep.equal([
      ['e1-2-bbbbbb', true],
      ['e1-3-bbbbbb', undefined],
    ])
    const own = displayed(null)
    own.push('e1-9-aaaaaa')
    await own.flush()
    own.push('e1-1-bbbbbb', true)
    await own.flush()
    expect(await own.kept()).to.equal('e1-1-bbbbbb')
  })

  it('forgets what waits and what was kept', async () => {
    const writer = displayed(null)
    writer.push('e1-1-aaaaaa')
    await writer.flush()
    writer.push('e1-2-aaaaaa')
    await writer.forget()
    await clock.pass(1000)
    expect(await writer.kept()).to.equal(null)
    expect(writer.newest).to.equal(null)
  })
})
