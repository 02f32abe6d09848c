/**
 * What `npm start` shows: one process that is the agent and keeps a web server, which may be killed, running.
 *
 * @module
 */
import { isLoopbackHost } from '../server/authorize.ts'
import { CliError } from '../server/cli/flags.ts'
import { urlOf } from '../server/cli/serve.ts'
import { createLoomi } from '../server/loomi.ts'
import { openStore } from '../server/stores/open.ts'
import { Agent } from './agent.ts'
import { WebServer } from './web-server.ts'

/** Where the demo listens and where its log is. */
export interface DemoOptions {
  readonly host: string
  /** 0 takes any free one. */
  readonly port: number
  /** A file: the agent and the web server are two processes that share it. */
  readonly storeUrl: string
}

/**
 * Starts the demo; resolves when the page can be opened. It runs until SIGINT or SIGTERM. Throws a {@link CliError}
 * for a host beyond this machine and for a store that two processes cannot share, and what opening the store throws.
 */
export async function startDemo({ host, port, storeUrl }: DemoOptions): Promise<void> {
  if (!isLoopbackHost(host)) {
    throw new CliError(
      'The demo answers this machine only, since it can be cut and killed by a button: leave --host out.',
    )
  }
  if (/^(sqlite:)?:memory:$/i.test(storeUrl)) {
    throw new CliError(
      'The demo’s agent and web server are two processes with one log: give --store a file’s path.',
    )
  }
  const store = await openStore(storeUrl)
  const loomi = createLoomi({ store })
  const agent = new Agent(loomi)
  const web = new WebServer({
    host,
    port,
    storeUrl,
    answer: (request) => agent.answer(request),
    restarted: () => console.log('The web server was killed and runs again; the agent never stopped.'),
  })

  let stopping = false
  const stop = async (code: number): Promise<void> => {
    if (stopping) return
    stopping = true
    await web.stop()
    // What is being answered ends as interrupted, and says so to whoever comes back.
    await loomi.close()
    await store.close()
    process.exit(code)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(0))
  web.failed.catch((error: unknown) => {
    console.error(`loomi-recovery: ${error instanceof Error ? error.message : String(error)}`)
    void stop(1)
  })

  console.log(`loomi-recovery demo: ${urlOf(host, await web.start())}`)
}
