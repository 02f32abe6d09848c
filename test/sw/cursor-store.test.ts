import { expect } from '@open-wc/testing'
import { forgetDevice } from '../../sw/index.ts'
import { createCursorStore, MAX_AGE_MS, MAX_SESSIONS, type CursorStore } from '../../sw/cursor-store.ts'

describe('CursorStore', () => {
  let name: string
  let now: number
  let store: CursorStore

  beforeEach(() => {
    name = `test-${Math.random()}`
    now = 1_000_000
    store = createCursorStore({ name, now: () => now })
  })

  afterEach(() => {
    store.close()
    indexedDB.deleteDatabase(name)
  })

  it('knows nothing at first', async () => {
    expect(await store.get('ada', 's1')).to.equal(null)
  })

  for (const [title, puts, kept] of [
    ['moves forward', ['e1-1-aaaaaa', 'e1-2-bbbbbb'], 'e1-2-bbbbbb'],
    ['compares numbers, not letters', ['e1-9-aaaaaa', 'e1-10-bbbbbb'], 'e1-10-bbbbbb'],
    ['never moves back', ['e1-10-aaaaaa', 'e1-9-bbbbbb'], 'e1-10-aaaaaa'],
    ['leaves an equal place alone', ['e1-3-aaaaaa', 'e1-3-bbbbbb'], 'e1-3-aaaaaa'],
    ['follows to another epoch, however early', ['e1-10-aaaaaa', 'e2-1-bbbbbb'], 'e2-1-bbbbbb'],
    ['follows to another epoch that is empty', ['e1-10-aaaaaa', 'e2-0'], 'e2-0'],
    ['ignores what is no cursor', ['e1-1-aaaaaa', 'nonsense', '', '0'], 'e1-1-aaaaaa'],
  ] as const) {
    it(title, async () => {
      for (const cursor of puts) await store.put('ada', 's1', cursor)
      expect(await store.get('ada', 's1')).to.equal(kept)
    })
  }

  it('goes back in the same epoch for a log that was replaced', async () => {
    await store.put('ada', 's1', 'e1-10-aaaaaa')
    await store.put('ada', 's1', 'e1-3-bbbbbb', true)
    await store.put('ada', 's1', 'e1-2-aaaaaa')
    expect(await store.get('ada', 's1')).to.equal('e1-3-bbbbbb')
  })

  it('moves forward whoever writes, all at once', async () => {
    const others = [1, 2, 3].map(() => createCursorStore({ name }))
    await Promise.all(
      [7, 3, 12, 5].map((seq, i) => (others[i] ?? store).put('ada', 's1', `e1-${seq}-aaaaaa`)),
    )
    expect(await store.get('ada', 's1')).to.equal('e1-12-aaaaaa')
    for (const other of others) other.close()
  })

  it('forgets all sessions of one user and no other', async () => {
    for (const user of ['ad', 'ada', 'ada ', 'bob']) {
      for (const session of ['', 's1', '\u{10ffff}']) await store.put(user, session, 'e1-1-aaaaaa')
    }
    await store.forget('ada')
    const kept = ['ad', 'ada', 'ada ', 'bob'].map((user) =>
      Promise.all(['', 's1', '\u{10ffff}'].map(async (session) => (await store.get(user, session)) !== null)),
    )
    expect(await Promise.all(kept)).to.deep.equal([
      [true, true, true],
      [false, false, false],
      [true, true, true],
      [true, true, true],
    ])
  })

  it('keeps the sessions touched last when there are too many', async () => {
    for (let i = 0; i < MAX_SESSIONS; i++) await store.put('ada', `s${i}`, `e1-1-aaaaaa`)
    now++
    await store.put('ada', 's0', 'e1-2-aaaaaa')
    await store.put('ada', 'new', 'e1-1-aaaaaa')
    const sessions = Array.from({ length: MAX_SESSIONS }, (_, i) => `s${i}`)
    const cursors = await Promise.all(sessions.map((session) => store.get('ada', session)))
    expect(cursors.filter((cursor) => cursor === null)).to.have.length(1)
    expect(cursors[0]).to.equal('e1-2-aaaaaa')
    expect(await store.get('ada', 'new')).to.equal('e1-1-aaaaaa')
  })

  it('drops cursors that nobody touched for long', async () => {
    await store.put('ada', 'old', 'e1-1-aaaaaa')
    now += MAX_AGE_MS
    await store.put('ada', 'recent', 'e1-1-aaaaaa')
    expect(await store.get('ada', 'old')).to.equal('e1-1-aaaaaa')
    now++
    await store.put('ada', 'new', 'e1-1-aaaaaa')
    expect(await store.get('ada', 'old')).to.equal(null)
    expect(await store.get('ada', 'recent')).to.equal('e1-1-aaaaaa')
  })

  it('lets a newer release have the database, and does not touch what that one wrote', async () => {
    await store.put('ada', 's1', 'e1-1-aaaaaa')
    const newer = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(name, 2)
      request.addEventListener('success', () => resolve(request.result))
      request.addEventListener('blocked', () => reject(new Error('blocked')))
    })
    const error = await store.get('ada', 's1').catch((reason: unknown) => reason)
    expect((error as DOMException).name).to.equal('VersionError')
    newer.close()
  })

  it('opens again after it was closed', async () => {
    await store.put('ada', 's1', 'e1-1-aaaaaa')
    store.close()
    expect(await store.get('ada', 's1')).to.equal('e1-1-aaaaaa')
  })
})

describe('forgetDevice', () => {
  it('drops what the device keeps of one user, and lets go of the database', async () => {
    const store = createCursorStore()
    const [ada, bob] = [`ada-${Math.random()}`, `bob-${Math.random()}`]
    for (const user of [ada, bob]) await store.put(user, 's1', 'e1-1-aaaaaa')
    await forgetDevice(ada)
    expect(await store.get(ada, 's1')).to.equal(null)
    expect(await store.get(bob, 's1')).to.equal('e1-1-aaaaaa')
    await forgetDevice(bob)
    store.close()
  })

  it('has nothing to drop where the browser keeps nothing', async () => {
    const { open } = indexedDB
    indexedDB.open = () => {
      throw new DOMException('Not here.', 'SecurityError')
    }
    try {
      await forgetDevice('ada')
    } finally {
      indexedDB.open = open
      Reflect.deleteProperty(indexedDB, 'open')
    }
  })
})
