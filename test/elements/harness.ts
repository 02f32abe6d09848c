/**
 * Puts a real `<loomi-recovery>` with a real client on the page, in front of a {@link FakeSession}.
 *
 * @module
 */
import { fixtureCleanup, fixtureSync, waitUntil } from '@open-wc/testing'
import { LoomiRecovery } from '../../elements/index.ts'
import { FakeSession } from './fake-session.ts'

LoomiRecovery.define()

let sessions = 0

/** An element in the page, not asked to show anything yet, and the session behind its `fetch`. */
export function aPage(children = ''): { readonly element: LoomiRecovery; readonly session: FakeSession } {
  const session = new FakeSession()
  const place = fixtureSync<HTMLElement>(`<div><loomi-recovery>${children}</loomi-recovery></div>`)
  const element = place.querySelector('loomi-recovery')!
  element.fetch = session.fetch
  element.replayMs = 0
  return { element, session }
}

/** Names a session of its own, so that tests don't share tabs, and waits for the state. */
export async function open(element: LoomiRecovery, state = 'live'): Promise<void> {
  element.sessionId = `test-${++sessions}`
  await element.updateComplete
  await reach(element, state)
}

/** Waits for a condition, as long as a busy machine may need. */
export async function eventually(condition: () => unknown, what = 'the condition'): Promise<void> {
  await waitUntil(condition, what, { timeout: 10_000, interval: 10 })
}

/** Waits for a state and for its rendering. */
export async function reach(element: LoomiRecovery, state: string): Promise<void> {
  await eventually(() => element.snapshot.state === state, `state ${state}, is ${element.snapshot.state}`)
  await element.updateComplete
}

/** Waits until the client has taken in as many items. */
export async function items(element: LoomiRecovery, count: number): Promise<void> {
  await eventually(
    () => element.snapshot.items.length === count,
    `${count} items, are ${element.snapshot.items.length}`,
  )
  await element.updateComplete
}

/** Whether, and with what words, the indicator is there. */
export function indicator(element: LoomiRecovery): string | null {
  const pill = element.shadowRoot!.querySelector('[part=indicator]')
  return pill ? pill.querySelector('.label')!.textContent : null
}

/** The items of the transcript in the element's own look, as `kind: text`. */
export function transcript(element: LoomiRecovery): readonly string[] {
  const shown = element.shadowRoot!.querySelectorAll('[part=log] > [part]')
  return [...shown].map((item) => `${item.getAttribute('part')}: ${words(item)}`)
}

/** Waits until what has just come is no longer half transparent: an audit of contrasts would trip over it. */
export async function arrived(element: LoomiRecovery): Promise<void> {
  const arrivals = element.shadowRoot!.getAnimations().filter(isArrival)
  await Promise.all(arrivals.map(({ finished }) => finished))
}

/** Elements leave the page between tests, and nothing of them stays behind. */
export function cleanUp(): void {
  fixtureCleanup()
  document.querySelector('[data-loomi-announcer]')?.remove()
}

function isArrival(animation: Animation): boolean {
  return animation instanceof CSSAnimation && ['arrive', 'appear'].includes(animation.animationName)
}

function words(item: Element): string {
  return item.textContent.replaceAll(/\s+/g, ' ').trim()
}
