/**
 * A process of its own for the tests: `append-loop.ts PATH SESSION RUN COUNT` appends COUNT events, one batch after
 * another, and prints the seq of each that was acknowledged. `hold PATH MS` holds the write lock instead.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { DatabaseSync } from 'node:sqlite'
import { openStore } from '../../server/stores/open.ts'
import { newEvent } from './support.ts'

const [path = '', session = '', run = '', count = '0'] = process.argv.slice(2)

if (path === 'hold') {
  const db = new DatabaseSync(session)
  db.exec('begin immediate')
  console.log('held')
  await delay(Number(run))
  db.exec('commit')
  db.close()
} else {
  const store = await openStore(path)
  for (let n = 1; n <= Number(count); n++) {
    const result = await store.append({ sessionId: session, userId: 'ada' }, [newEvent(n, { run_id: run })])
    if (!result.ok) throw new Error(result.code)
    // Only what the store acknowledged may be claimed, and at once: a killed process flushes nothing.
    process.stdout.write(`${result.added[0]!.seq}\n`)
  }
  await store.close()
}
