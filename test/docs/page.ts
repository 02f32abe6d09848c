/**
 * A page of the documentation, open in Chromium, seen as its user and its scripts see it: public events, words, styles.
 */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { Browser, Page } from 'puppeteer-core'
import type { LoomiReplayEvent, LoomiShowEvent } from '../../elements/events.ts'

/** What has happened in a page so far. */
export interface Happened {
  /** `at` is in milliseconds of the page's life. */
  readonly events: { readonly text: string; readonly phase: string; readonly at: number }[]
  readonly replays: { readonly phase: string; readonly missed: number }[]
  /** Each text that the indicator has had. */
  readonly indicator: string[]
  /** What the page's scripts have logged. */
  readonly logged: string[]
}

/** For {@link becomes}: all text that the events have brought so far. */
export const SHOWN = `happened.events.map((e) => e.text).join('')`

/** Opens an address in a new tab that notes what happens. */
export async function openPage(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage()
  await page.evaluateOnNewDocument(watch)
  await page.goto(url)
  return page
}

/** What has happened in a page since it was loaded. */
export function happened(page: Page): Promise<Happened> {
  return page.evaluate(() => (window as unknown as { happened: Happened }).happened)
}

/** Waits until an expression is true in the page. */
export async function becomes(page: Page, expression: string, withinMs = 15_000): Promise<void> {
  await until(() => page.evaluate(expression) as Promise<boolean>, expression, withinMs)
}

/** Waits until the element is in a state. */
export function isIn(page: Page, state: string): Promise<void> {
  return becomes(page, `document.querySelector('loomi-recovery').matches(':state(${state})')`)
}

/** Waits until the device has kept what was displayed: the given cursor, or any at all. */
export async function isKept(page: Page, cursor?: string): Promise<void> {
  const found = async (): Promise<boolean> => {
    const kept = await page.evaluate(keptCursors)
    return cursor === undefined ? kept.length > 0 : kept.includes(cursor)
  }
  await until(found, `the device keeps ${cursor ?? 'a cursor'}`)
}

/** Waits until something answers at an address. */
export function answers(url: string): Promise<void> {
  const ask = async (): Promise<boolean> => (await fetch(url)).ok
  return until(() => ask().catch(() => false), `${url} answers`)
}

/** Waits for a condition; fails after `withinMs`. */
export async function until(
  check: () => Promise<boolean> | boolean,
  what: string,
  withinMs = 15_000,
): Promise<void> {
  const giveUpAt = Date.now() + withinMs
  while (!(await check())) {
    assert.ok(Date.now() < giveUpAt, `not within ${withinMs} ms: ${what}`)
    await delay(30)
  }
}

/** Runs in the page: the cursors that this device keeps for it. */
async function keptCursors(): Promise<string[]> {
  const databases = await indexedDB.databases()
  // To open it before it is there would make it, without its contents.
  if (!databases.some(({ name }) => name === 'loomi-recovery')) return []
  const done = <T>(request: IDBRequest<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      request.addEventListener('success', () => resolve(request.result))
      request.addEventListener('error', () => reject(request.error!))
    })
  const db = await done(indexedDB.open('loomi-recovery'))
  const rows = await done(db.transaction('displayed').objectStore('displayed').getAll())
  db.close()
  return rows.map((row: { cursor: string }) => row.cursor)
}

/** Runs in the page, before its own scripts. */
function watch(): void {
  const happened: Happened = { events: [], replays: [], indicator: [], logged: [] }
  Object.assign(window, { happened })
  addEventListener('loomi-event', (e) => {
    const { text, phase } = e as LoomiShowEvent
    happened.events.push({ text, phase, at: performance.now() })
  })
  addEventListener('loomi-replay', (e) => {
    const { phase, missed } = e as LoomiReplayEvent
    happened.replays.push({ phase, missed })
  })
  const log = console.log
  console.log = (...words) => {
    happened.logged.push(words.join(' '))
    log(...words)
  }
  setInterval(() => {
    const root = document.querySelector('loomi-recovery')?.shadowRoot
    const indicator = root?.querySelector<HTMLElement>('[part~="indicator"]')
    const words = indicator?.innerText.replaceAll(/\s+/g, ' ').trim()
    if (words && words !== happened.indicator.at(-1)) happened.indicator.push(words)
  }, 10)
}
