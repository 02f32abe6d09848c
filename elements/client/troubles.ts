/**
 * Which of a connection's troubles the page is told of, and how often.
 *
 * @module
 */
import type { LinkStatus } from './link.ts'
import type { ClientError } from './types.ts'

/** What passes by itself, and what the snapshot's state says already. */
const PASSING = new Set(['network', 'hole', 'silent', 'superseded'])

const BUFFERED: ClientError = {
  code: 'stream_buffered',
  message:
    'Something on the way holds the event stream back, so the page polls every 2 s. Switch the proxy’s buffering off for text/event-stream.',
}

/** Tells each trouble once until the stream is open again, and of polling once. */
export class Troubles {
  readonly #tell: (error: ClientError) => void
  readonly #told = new Set<string>()
  #toldOfPolling = false

  constructor(tell: (error: ClientError) => void) {
    this.#tell = tell
  }

  /** Takes the newest status of the link. */
  follow({ state, error, polling }: LinkStatus): void {
    if (state === 'open') this.#told.clear()
    if (polling && !this.#toldOfPolling) {
      this.#toldOfPolling = true
      this.#tell(BUFFERED)
    }
    const matters = state === 'failed' || (state === 'waiting' && !PASSING.has(error?.code ?? ''))
    if (!error || !matters || this.#told.has(error.code)) return
    // A failure is the last of its link: connecting again may run into the same, and says so again.
    if (state === 'waiting') this.#told.add(error.code)
    this.#tell(error)
  }
}
