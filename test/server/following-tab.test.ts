import assert from 'node:assert/strict'
import { it } from 'node:test'
import { RecoveryClient } from '../../elements/client/index.ts'
import { formatCursor } from '../../server/protocol.ts'
import { makeWorld, REF, settle, until } from './support.ts'

it(
  'a following tab that renders its own history is told when that log is gone',
  { timeout: 20_000 },
  async () => {
    const { loomi, store, clock } = makeWorld()
    loomi.session(REF).message('old')
    await settle()
    const [head] = await store.heads([REF])
    await loomi.deleteSession(REF.sessionId)
    const resets: string[] = []
    const open = (options: Partial<ConstructorParameters<typeof RecoveryClient>[0]>): RecoveryClient => {
      const client = new RecoveryClient({
        ...REF,
        base: 'http://localhost/api/loomi',
        clock,
        fetch: async (input, init) => loomi.fetch(new Request(input, init)),
        ...options,
      })
      client.connect()
      return client
    }
    // Tabs talk over a real channel, the rest is on the fake clock.
    const moving = async (holds: () => boolean): Promise<boolean> => {
      await clock.advance(10)
      return holds()
    }
    const leader = open({})
    await until(() => moving(() => leader.snapshot.state === 'live'), 'the first tab is live')
    const after = formatCursor(head!.epoch, head!.head, head!.headKey)
    const follower = open({ history: 'none', after, onReset: (reason) => void resets.push(reason) })
    await until(() => moving(() => follower.snapshot.state === 'live'), 'the second tab is live')
    loomi.session(REF).message('new')
    await until(() => moving(() => follower.snapshot.items.length > 0), 'the second tab shows the new log')
    leader.disconnect()
    follower.disconnect()
    assert.deepEqual(resets, ['epoch'])
    assert.deepEqual(
      follower.snapshot.items.map(({ text }) => text),
      ['new'],
    )
  },
)
