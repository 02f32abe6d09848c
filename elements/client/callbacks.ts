/**
 * The app's callbacks, called so that an error in one of them does not break the stream.
 *
 * @module
 */
import type { Cursor, ResetReason } from '../../server/protocol.ts'
import type { ClientOptions, Notice, Shown } from './types.ts'

/** Calls what the app gave; what it throws goes to `reportError` and becomes a notice `callback_failed`. */
export class Callbacks {
  readonly #options: ClientOptions

  constructor(options: ClientOptions) {
    this.#options = options
  }

  /** Whether the event is to be shown. */
  beforeShow(shown: Shown): boolean {
    return this.call('beforeShow', () => this.#options.beforeShow?.(shown)) !== false
  }

  /** Whether what is shown may be cleared. */
  reset(reason: ResetReason): boolean {
    return this.call('onReset', () => this.#options.onReset?.(reason)) !== false
  }

  displayed(cursor: Cursor, restarts: boolean): void {
    this.call('onDisplayed', () => this.#options.onDisplayed?.(cursor, restarts))
  }

  notice(notice: Notice): void {
    try {
      this.#options.onNotice?.(notice)
    } catch (error) {
      report(error)
    }
  }

  /** The value, or undefined when it threw. */
  call<T>(name: string, fn: () => T): T | undefined {
    try {
      return fn()
    } catch (error) {
      report(error)
      const message = `${name} threw (${error instanceof Error ? error.message : String(error)}); the stream goes on.`
      this.notice({ type: 'error', code: 'callback_failed', message })
      return undefined
    }
  }
}

function report(error: unknown): void {
  if (typeof globalThis.reportError === 'function') globalThis.reportError(error)
}
