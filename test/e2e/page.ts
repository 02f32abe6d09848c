/**
 * Looking at a page under test.
 */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { Page } from 'puppeteer-core'
import { expected, type World } from './world.ts'

export interface Seen {
  readonly state: string
  readonly items: readonly { readonly id: string; readonly text: string; readonly phase: string }[]
  /** The words of each item as rendered. */
  readonly rendered: readonly string[]
  readonly events: { cursor: string | null; phase: string }[]
  readonly replays: { phase: string; missed: number }[]
  readonly pill: string
  /** Every word that the indicator has said. */
  readonly pills: readonly string[]
}

/** What the element shows now. */
export function look(page: Page): Promise<Seen> {
  return page.evaluate(() => {
    const element = document.querySelector('loomi-recovery')!
    const { log } = window as unknown as { log: { events: never[]; replays: never[]; pills: string[] } }
    const root = element.shadowRoot!
    return {
      state: element.snapshot?.state ?? '',
      items: (element.snapshot?.items ?? []).map(({ id, text, phase }) => ({ id, text, phase })),
      rendered: [...root.querySelectorAll('[part~="item"]')].map((item) => item.textContent),
      events: log?.events ?? [],
      replays: log?.replays ?? [],
      pill: root.querySelector('[part~="indicator"]')?.textContent?.trim() ?? '',
      pills: log?.pills ?? [],
    }
  })
}

/** Waits until the view holds exactly the log; fails with the difference after `withinMs`. */
export async function becomesWhole(
  page: Page,
  world: World,
  sessionId: string,
  withinMs = 15_000,
): Promise<Seen> {
  const want = await expected(world, sessionId)
  const giveUpAt = Date.now() + withinMs
  for (;;) {
    const seen = await look(page).catch(() => null)
    const got = seen?.items.map(({ id, text }) => ({ id, text }))
    if (seen && JSON.stringify(got) === JSON.stringify(want)) {
      assertInOrder(seen)
      return seen
    }
    if (Date.now() > giveUpAt) {
      assert.deepEqual(got, want, `state ${seen?.state}, replays ${JSON.stringify(seen?.replays)}`)
    }
    await delay(100)
  }
}

/** Every event was announced once, in the order of the log. */
function assertInOrder({ events }: Seen): void {
  // What came before the store had it has no place yet.
  const seqs = events.flatMap(({ cursor }) => (cursor === null ? [] : [Number(cursor.split('-')[1])]))
  for (const [i, seq] of seqs.entries())
    assert.ok(i === 0 || seq > seqs[i - 1]!, `event ${seq} came after ${seqs[i - 1]}`)
}

/** Every text of the log stands in exactly one rendered item, in the order of the log. */
export function assertRendered({ rendered }: Seen, texts: readonly string[]): void {
  const places = texts.map((text) => {
    const found = rendered.flatMap((words, place) => (words.trim().endsWith(text.trim()) ? [place] : []))
    assert.equal(found.length, 1, `${found.length} items show: ${text.slice(0, 60)}`)
    return found[0]!
  })
  assert.deepEqual(
    places,
    [...places].sort((a, b) => a - b),
  )
}

/** Waits for a condition in the page or the world. */
export async function until(
  what: string,
  check: () => Promise<boolean> | boolean,
  withinMs = 10_000,
): Promise<void> {
  const giveUpAt = Date.now() + withinMs
  while (!(await check())) {
    assert.ok(Date.now() < giveUpAt, `${what} did not happen within ${withinMs} ms`)
    await delay(50)
  }
}
