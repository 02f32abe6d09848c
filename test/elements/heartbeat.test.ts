import { expect, waitUntil } from '@open-wc/testing'
import type { HeartbeatBody } from '../../server/protocol.ts'
import type { LoomiRecovery } from '../../elements/index.ts'
import type { FakeSession } from './fake-session.ts'
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
})

/** What the next page of the same user and session tells the server to have been seen. */
async function seenByNextPage(base: string, sessionId: string | null): Promise<string | null> {
  const { element, session } = aBeatingPage(base)
  element.sessionId = sessionId
  await waitUntil(() => session.requests.length > 0, 'a request', PATIENCE)
  element.parentElement!.remove()
  return session.requests[0]!.searchParams.get('seen')
}
