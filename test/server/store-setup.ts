/** Stores that are set up wrongly, and how it is tested what is said of each. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { LoomiError, LoomiErrorCode } from '../../server/errors.ts'
import { createLoomi, type Report } from '../../server/loomi.ts'
import { setEnvironment } from './environment.ts'
import type { Processes } from './processes.ts'
import { FakeClock, REF, until } from './support.ts'

/** Of the databases' passwords, as they are and as a URL has them, and of keys. */
const SECRETS = /own|%E2|sb_secret_/

/** What a store needs beside its URL. */
export type Env = Readonly<Record<string, string>>

/** A store that is set up wrongly, and what is to be said of it. */
export interface Mistake {
  readonly what: string
  readonly skip?: string | false
  readonly store: () => Promise<{ readonly url: string; readonly env?: Env }>
  readonly code: LoomiErrorCode
  readonly says: RegExp
}

/** The test of one mistake. */
export function isTold({ what, skip = false, store, code, says }: Mistake, processes: Processes): void {
  it(`is told to createLoomi, and serve ends with one line: ${what}`, { skip }, async () => {
    const { url, env = {} } = await store()
    const served = processes.run(['serve', '--store', url, '--port', '0'], { env })
    const error = await firstReport(url, env)
    assert.equal(error.code, code, error.message)
    assert.match(error.message, says)
    assert.doesNotMatch(`${error.message} ${String(error.cause)}`, SECRETS)
    const { code: exit, out, err } = await served
    assert.deepEqual([exit, out, err.trim().split('\n').length], [1, '', 1], err)
    assert.match(err, says)
    assert.doesNotMatch(err, SECRETS)
  })
}

/** What `createLoomi` reports of a store at its first event. */
async function firstReport(store: string, env: Env): Promise<LoomiError> {
  const restore = setEnvironment(env)
  try {
    const clock = new FakeClock()
    const reports: Report[] = []
    const loomi = createLoomi({ store, clock, onEvent: (report) => reports.push(report) })
    loomi.session(REF).message('x')
    await until(() => reports.length > 0, 'a report')
    let isClosed = false
    void loomi.close().then(() => (isClosed = true))
    await until(() => clock.advance(1000).then(() => isClosed), 'the end')
    return reports[0]!.error
  } finally {
    restore()
  }
}
