/**
 * The oldest way to use it: two globals and a script.
 *
 * @module
 */
import type { LoomiRecovery } from './loomi-recovery.ts'

declare global {
  interface Window {
    userId?: unknown
    sessionId?: unknown
    /** The element that the script file has added. */
    recoveryManager?: LoomiRecovery
  }
}

/**
 * With `window.userId` and `window.sessionId` set and no `<loomi-recovery>` on the page, adds one at the body's
 * end and exposes it as `window.recoveryManager`. Otherwise does nothing.
 */
export function startFromGlobals(window: Window): void {
  const { document, userId, sessionId } = window
  if (!isName(userId) || !isName(sessionId) || document.querySelector('loomi-recovery')) return
  const element = document.createElement('loomi-recovery')
  element.userId = String(userId)
  element.sessionId = String(sessionId)
  window.recoveryManager = element
  document.body.append(element)
}

/** Runs `fn` when the page's inline scripts have run: they may come after the script file. */
export function whenParsed(document: Document, fn: () => void): void {
  if (document.readyState === 'loading')
    document.addEventListener('DOMContentLoaded', () => fn(), { once: true })
  else fn()
}

function isName(value: unknown): value is string | number {
  return (typeof value === 'string' && value !== '') || typeof value === 'number'
}
