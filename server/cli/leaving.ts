/**
 * Why a command that writes for long leaves before its end: it was told to, or nobody reads it any more.
 *
 * @module
 */

/** Listens for reasons from its making on, for the rest of the process. */
export class Leaving {
  /** Of the reason that came first. */
  exitCode = 0
  readonly #abort = new AbortController()

  constructor() {
    for (const [name, exitCode] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const)
      process.once(name, () => this.#now(exitCode))
    for (const stream of [process.stdout, process.stderr]) {
      stream.on('error', (error: NodeJS.ErrnoException) => {
        // `tail … | head` has what it wanted.
        if (error.code === 'EPIPE' || this.signal.aborted) return this.#now(0)
        console.error(`loomi-recovery: Cannot write: ${error.message}`)
        this.#now(1)
      })
    }
  }

  /** Fires when it is time. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  #now(exitCode: number): void {
    if (this.signal.aborted) return
    this.exitCode = exitCode
    this.#abort.abort()
  }
}
