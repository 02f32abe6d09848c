/**
 * The two ways out of a command that writes for long: patient with a slow reader, gone with one that left.
 *
 * @module
 */
import { once } from 'node:events'
import type { Writable } from 'node:stream'

/** A stream of the process that a terminal, a pipe or a file reads. */
export class Output {
  readonly isTerminal: boolean
  /** Whether to write colours: to a terminal, unless the environment says otherwise. */
  readonly hasColours: boolean
  readonly #stream: Writable
  readonly #signal: AbortSignal

  /** After `signal` nothing is waited for any more. */
  constructor(stream: Writable & { isTTY?: boolean }, signal: AbortSignal, env = process.env) {
    this.#stream = stream
    this.#signal = signal
    this.isTerminal = stream.isTTY === true
    this.hasColours = wantsColours(this.isTerminal, env)
  }

  /** Writes; waits as long as the reader is behind. Rejects when the signal fires meanwhile. */
  async write(text: string): Promise<void> {
    if (text === '' || this.#signal.aborted || this.#stream.write(text)) return
    await once(this.#stream, 'drain', { signal: this.#signal })
  }

  /** Waits until all of it was taken, since a process that exits loses what was not. Resolves early when the signal fires. */
  async flush(): Promise<void> {
    if (this.#signal.aborted) return
    await new Promise<void>((resolve) => {
      this.#signal.addEventListener('abort', () => resolve(), { once: true })
      this.#stream.write('', () => resolve())
    })
  }
}

/** `FORCE_COLOR` decides if set (`0` is no), then `NO_COLOR` (https://no-color.org), then whether it is a terminal. */
export function wantsColours(
  isTerminal: boolean,
  { FORCE_COLOR, NO_COLOR, TERM }: { readonly [name: string]: string | undefined },
): boolean {
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  return isTerminal && !NO_COLOR && TERM !== 'dumb'
}
