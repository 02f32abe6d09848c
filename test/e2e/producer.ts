/**
 * An agent as a process of its own: it answers without end, a word every 30 ms, until it is stopped.
 *
 *     node test/e2e/producer.ts STORE SESSION LEASE_MS
 */
import { setTimeout as delay } from 'node:timers/promises'
import { createLoomi } from '../../dist/server/index.js'

const [store, sessionId, leaseMs] = process.argv.slice(2)
const loomi = createLoomi({ store: store!, leaseMs: Number(leaseMs) })
process.on('SIGTERM', () => void loomi.close().then(() => process.exit(0)))

const session = loomi.session({ sessionId: sessionId!, userId: 'ada' })
session.user('Talk.')
const { signal } = session
let spoken = 0

async function* model(): AsyncGenerator {
  for (;;) {
    yield { choices: [{ delta: { content: `word ${++spoken} ` } }] }
    await delay(30, undefined, { signal })
  }
}

process.send!({ type: 'speaking' })
const { status } = await session.record(model())
process.send!({ type: 'ended', status, at: Date.now() })
await loomi.close()
process.disconnect()
