/**
 * What happens to the page, told to client and heartbeat, which know no DOM.
 *
 * @module
 */
import type { TabState } from '../server/protocol.ts'
import type { Signal } from './client/index.ts'

/** Who is told. */
export interface SignalSinks {
  readonly signal: (signal: Signal) => void
  readonly tab: (state: TabState) => void
}

/** Whether the tab is looked at. */
export function tabState(): 'visible' | 'hidden' {
  return document.visibilityState === 'hidden' ? 'hidden' : 'visible'
}

/** Tells `sinks` how things stand and, until `until` is aborted, whatever changes. */
export function listenToPage(sinks: SignalSinks, until: AbortSignal): void {
  const options = { signal: until }
  const visibility = (): void => {
    sinks.signal(tabState())
    sinks.tab(tabState())
  }
  const wake = (signal: Signal) => (): void => {
    sinks.signal(signal)
    sinks.tab(tabState())
  }
  const sleep = (): void => {
    sinks.signal('freeze')
    sinks.tab('paused')
  }

  window.addEventListener('online', () => sinks.signal('online'), options)
  window.addEventListener('offline', () => sinks.signal('offline'), options)
  document.addEventListener('visibilitychange', visibility, options)
  document.addEventListener('freeze', sleep, options)
  document.addEventListener('resume', wake('resume'), options)
  window.addEventListener('pageshow', wake('pageshow'), options)
  // Only Chromium tells `freeze`: elsewhere a page that is kept for the back button learns of it here.
  window.addEventListener('pagehide', (event) => (event.persisted ? sleep() : sinks.tab('paused')), options)

  visibility()
  if (!navigator.onLine) sinks.signal('offline')
}
