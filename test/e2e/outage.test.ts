/**
 * The store goes away in the middle of an answer: another process holds the log's lock.
 */
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Browser, Page } from 'puppeteer-core'
import { launchChromium, noChromium } from './chromium.ts'
import { becomesWhole, look, until } from './page.ts'
import { makeWorld, type World } from './world.ts'

const OUTAGE_MS = process.env['LOOMI_TEST_FULL'] ? 60_000 : 8000
const WORD_MS = 50

describe('a store that is down in the middle of an answer, in Chromium', { skip: noChromium }, () => {
  let browser: Browser
  let world: World
  before(async () => {
    browser = await launchChromium()
    world = await makeWorld()
  })
  after(async () => {
    await browser?.close()
    await world?.close()
  })

  const wordsOf = async (page: Page): Promise<number> =>
    (await look(page)).items.reduce((sum, { text }) => sum + (text.match(/word/g)?.length ?? 0), 0)

  it('costs the live page no word and no longer pause than a second, and a reload shows the same once', async () => {
    const words = Math.round((OUTAGE_MS + 4000) / WORD_MS)
    const page = await browser.newPage()
    await page.goto(`${world.url}/chat/s`)
    await fetch(`${world.url}/speak/s?words=${words}`, { method: 'POST' })
    await until('the first words', async () => (await wordsOf(page)) > 10)

    const lock = new DatabaseSync(world.store)
    lock.exec('pragma busy_timeout = 5000; begin immediate')
    let longestPauseMs = 0
    let [count, changedAt] = [await wordsOf(page), performance.now()]
    for (const end = performance.now() + OUTAGE_MS; performance.now() < end; await delay(50)) {
      const now = await wordsOf(page)
      assert.ok(now >= count, 'text is never taken back')
      if (now > count) [count, changedAt] = [now, performance.now()]
      longestPauseMs = Math.max(longestPauseMs, performance.now() - changedAt)
    }
    lock.exec('rollback')
    lock.close()
    assert.ok(longestPauseMs < 1000 + 500, `a pause of ${Math.round(longestPauseMs)} ms`)

    await until('the end', async () => (await wordsOf(page)) === words, 20_000)
    const live = await becomesWhole(page, world, 's', 20_000)
    await page.reload()
    const again = await becomesWhole(page, world, 's')
    const shown = ({ items }: typeof live): unknown => items.map(({ id, text }) => [id, text])
    assert.deepEqual(shown(again), shown(live))
    console.log(
      `# ${OUTAGE_MS} ms without the store: ${words} words, longest pause ${Math.round(longestPauseMs)} ms`,
    )
  })
})
