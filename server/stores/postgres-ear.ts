/**
 * A connection that listens to a channel, and is made again whenever it is lost.
 *
 * @module
 */
import { type Clock, sleep } from '../clock.ts'
import type { PostgresClient } from './postgres-client.ts'

/** What all servers of a log tell each other by. */
export const CHANNEL = 'loomi'

const RETRY_MIN_MS = 100
/** Whoever watches is shown nothing new for so long after the database has come back. */
const RETRY_MAX_MS = 500

/** What an ear works with. */
export interface EarDeps {
  readonly clock: Clock
  readonly connect: () => PostgresClient
  /** It begins to listen, or does again; what was told before is lost. `isDirect`: with no pooler in between. */
  readonly onListen: (isDirect: boolean) => void
  /** It listens no more, until `onListen` says that it does again. */
  readonly onLost: () => void
  readonly onPayload: (payload: string) => void
}

/** Listens until it is ended; see the module. */
export class PostgresEar {
  readonly #ended = new AbortController()

  constructor(deps: EarDeps) {
    void this.#keepListening(deps)
  }

  end(): void {
    this.#ended.abort()
  }

  async #keepListening({ clock, connect, onListen, onLost, onPayload }: EarDeps): Promise<void> {
    const { signal } = this.#ended
    for (let waitMs = RETRY_MIN_MS; ; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
      let client: PostgresClient | null = null
      const leave = (): void => void client?.leave()
      signal.addEventListener('abort', leave)
      try {
        // The driver reads certificates here, and throws when one is not there any more.
        client = connect()
        const isDirect = await listen(client, (payload) => signal.aborted || onPayload(payload))
        if (!signal.aborted) onListen(isDirect)
        waitMs = RETRY_MIN_MS
        await client.closed
        if (!signal.aborted) onLost()
      } catch {
        // The database is away, and those who call it hear so.
      }
      signal.removeEventListener('abort', leave)
      client?.cut()
      await sleep(clock, waitMs * (0.5 + Math.random() / 2), signal)
      if (signal.aborted) return
    }
  }
}

/**
 * Connects and listens; resolves with whether it does so with no pooler in between. Rejects when that can't be done; the
 * client is to be cut then as well.
 */
export async function listen(
  client: PostgresClient,
  onPayload: (payload: string) => unknown,
): Promise<boolean> {
  client.on('notification', ({ payload = '' }) => onPayload(payload))
  await client.connect()
  const isDirect = await client.isDirect()
  await client.query(`listen ${CHANNEL}`)
  return isDirect
}
