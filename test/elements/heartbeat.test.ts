import { expect, fixtureSync, waitUntil } from '@open-wc/testing'
import type { HeartbeatBody } from '../../server/protocol.ts'
import { LoomiRecovery } from '../../elements/index.ts'
import { createCursorStore } from '../../sw/cursor-store.ts'
import { FakeSession } from './fake-session.ts'
import { aPage, cleanUp, open } from './harness.ts'

const PATIENCE = { timeout: 10_000, interval: 50 }

/** An element that beats at a base of its own, which the test server keeps a record of. */
function aBeatingPage(base: string): { readonly element: LoomiRecovery; readonly session: FakeSession } {
  const { element, session } = aPage()
  element.base = base
  element.userId = 'ada'
  element.heartbeatMs = 100
  return { element, session }
}

function aBase(): string {
  return `/loomi-${Math.random().toString(36).slice(2)}`
}

/** One whose rendering waits as long as a test wants. */
class Held extends LoomiRecovery {
  held: Promise<void> | null = null

  protected override async scheduleUpdate(): Promise<void> {
    await this.held
    await super.scheduleUpdate()
  }
}
Held.define('loomi-held')

async function beats(base: string, sessionId: string | null): Promise<readonly HeartbeatBody[]> {
  const answer = await fetch(`${base}/control`)
  const { beats: all } = (await answer.json()) as {
    readonly beats: readonly { readonly body: HeartbeatBody }[]
  }
  return all.map(({ body }) => body).filter(({ session_id }) => session_id === sessionId)
}

describe('<loomi-recovery> beats', () => {
  afterEach(cleanUp)

  it('with what was displayed, and asks for the stream anew when a beat tells of more', async () => {
    const base = aBase()
    const { element, session } = aBeatingPage(base)
    session.say('message', 'Hello')
    await open(element)
    const displayed = element.snapshot.position
    await waitUntil(
      async () => (await beats(base, element.sessionId)).at(-1)?.last_event_id === displayed,
      'the displayed cursor in a beat',
      PATIENCE,
    )
    // The test server claims that the log goes on to seq 9.
    await waitUntil(() => session.requests.length > 1, 'a second request', PATIENCE)
  })

  it('until it leaves the page', async () => {
    const base = aBase()
    const { element: leaving } = aBeatingPage(base)
    const { element: staying } = aBeatingPage(base)
    await open(leaving)
    await open(staying)
    const count = async ({ sessionId }: LoomiRecovery): Promise<number> =>
      (await beats(base, sessionId)).length
    await waitUntil(async () => (await count(leaving)) > 0 && (await count(staying)) > 0, 'beats', PATIENCE)

    leaving.remove()
    await Promise.resolve()
    const [left, stayed] = [await count(leaving), await count(staying)]
    await waitUntil(async () => (await count(staying)) >= stayed + 6, 'beats of the other', PATIENCE)
    // One may have been on its way.
    expect(await count(leaving)).to.be.at.most(left + 1)
  })

  it('of what is rendered, not of what is about to be', async () => {
    const base = aBase()
    const session = new FakeSession()
    const element = fixtureSync<Held>('<loomi-held></loomi-held>')
    Object.assign(element, { base, fetch: session.fetch, userId: 'ada', heartbeatMs: 100 })
    await open(element)
    const rendering = Promise.withResolvers<void>()
    element.held = rendering.promise
    session.say('message', 'Hello')
    await waitUntil(() => element.snapshot.items.length === 1, 'an item', PATIENCE)
    const sent = await beats(base, element.sessionId)
    const displayed = async (): Promise<unknown> =>
      (await beats(base, element.sessionId)).at(-1)?.last_event_id
    await waitUntil(
      async () => (await beats(base, element.sessionId)).length >= sent.length + 6,
      'more beats',
      PATIENCE,
    )
    expect(await displayed()).to.equal(undefined)
    rendering.resolve()
    await waitUntil(async () => (await displayed()) === element.snapshot.position, 'the cursor', PATIENCE)
  })

  for (const [how, end] of [
    ['is complete', (session: FakeSession) => session.frame({ type: 'session_complete' }, 'e1-2-000000')],
    ['was refused', (session: FakeSession) => refuse(session)],
  ] as const) {
    it(`no longer when the session ${how}`, async () => {
      const base = aBase()
      const { element, session } = aBeatingPage(base)
      const { element: other } = aBeatingPage(base)
      session.say('message', 'Hello')
      await open(element)
      await open(other)
      const count = async ({ sessionId }: LoomiRecovery): Promise<number> =>
        (await beats(base, sessionId)).length
      await waitUntil(async () => (await count(element)) > 0 && (await count(other)) > 0, 'beats', PATIENCE)
      end(session)
      await waitUntil(() => /complete|failed/.test(element.snapshot.state), 'the end', PATIENCE)
      const { position } = element.snapshot
      if (how === 'is complete') {
        const last = async (): Promise<HeartbeatBody | undefined> =>
          (await beats(base, element.sessionId)).at(-1)
        await waitUntil(async () => (await last())?.state === 'paused', 'a last beat', PATIENCE)
        expect((await last())!.last_event_id).to.equal(position)
      }
      const [ended, others] = [await count(element), await count(other)]
      await waitUntil(async () => (await count(other)) >= others + 6, 'beats of the other', PATIENCE)
      // One may have been on its way.
      expect(await count(element)).to.be.at.most(ended + 1)

      if (how === 'is complete') return
      session.refusal = null
      element.connect()
      await waitUntil(async () => (await count(element)) > ended + 1, 'beats again', PATIENCE)
    })
  }

  it('and leaves the device clean after forget()', async () => {
    const base = aBase()
    const { element: first, session } = aBeatingPage(base)
    session.say('message', 'Hello')
    await open(first)
    const { sessionId } = first
    const displayed = first.snapshot.position
    await waitUntil(
      async () => (await beats(base, sessionId)).at(-1)?.last_event_id === displayed,
      'kept',
      PATIENCE,
    )
    expect(await seenByNextPage(base, sessionId)).to.equal(displayed)
    await first.forget()
    expect(await seenByNextPage(base, sessionId)).to.equal(null)
  })

  for (const [when, paused] of [
    ['was paused all the time', true],
    ['has not been rendered yet', false],
  ] as const) {
    it(`never, and forget() leaves the device clean all the same, when it ${when}`, async () => {
      const store = createCursorStore()
      const user = `ada-${Math.random()}`
      await store.put(user, 's-42', 'e1-1-aaaaaa')
      const { element, session } = aPage()
      Object.assign(element, { paused, userId: user, sessionId: 's-42' })
      if (paused) await element.updateComplete
      await element.forget()
      expect(await store.get(user, 's-42')).to.equal(null)
      store.close()
      await element.updateComplete
      expect(session.requests).to.deep.equal([])
    })
  }
})

/** The next connect is refused for good. */
function refuse(session: FakeSession): void {
  session.refusal = { status: 403, code: 'forbidden', message: 'Not yours.' }
  session.cut()
}

/** What the next page of the same user and session tells the server to have been seen. */
async function seenByNextPage(base: string, sessionId: string | null): Promise<string | null> {
  const { element, session } = aBeatingPage(base)
  element.sessionId = sessionId
  await waitUntil(() => session.requests.length > 0, 'a request', PATIENCE)
  element.parentElement!.remove()
  return session.requests[0]!.searchParams.get('seen')
}
