/**
 * `loomi-recovery stop`: stops whatever is being answered in a session.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { createLoomi } from '../loomi.ts'
import { openStore } from '../stores/open.ts'
import { CliError, DEFAULT_STORE, idFlag, readFlags } from './flags.ts'

/** Stops; resolves when the stop is in the log, which the producers read within a second. */
export async function stop(args: string[]): Promise<void> {
  const flags = readFlags(args, {
    session: { type: 'string' },
    store: { type: 'string', default: DEFAULT_STORE },
  })
  const sessionId = idFlag('session', flags.session)
  const file = /^(?:sqlite:)?(?!\w\w+:)(.*)$/i.exec(flags.store)?.[1]
  if (file && !existsSync(file))
    throw new CliError(
      `There is no log at ${file}. Give --store the path of the one that the answer goes to.`,
    )
  const store = await openStore(flags.store)
  const loomi = createLoomi({ store })
  try {
    await loomi.stop(sessionId)
  } finally {
    await loomi.close()
    await store.close()
  }
}
