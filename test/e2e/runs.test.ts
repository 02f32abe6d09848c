/**
 * The end of an answer whose producer is another process: stopped from a page, killed, or told to go.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Browser, Page } from 'puppeteer-core'
import { launchChromium, noChromium } from './chromium.ts'
import { becomesWhole, look, until } from './page.ts'
import { makeWorld, type World } from './world.ts'

const LEASE_MS = 3000

describe('an answer of another process, in Chromium', { skip: noChromium, concurrency: 1 }, () => {
  let browser: Browser
  let world: World
  const producers = new Set<ChildProcess>()
  before(async () => {
    browser = await launchChromium()
    world = await makeWorld()
  })
  after(async () => {
    for (const producer of producers) producer.kill('SIGKILL')
    await browser?.close()
    await world?.close()
  })

  /** A producer that speaks, and two tabs that show it. */
  async function scene(sessionId: string): Promise<{ producer: ChildProcess; tabs: Page[] }> {
    const producer = fork(join(import.meta.dirname, 'producer.ts'), [
      world.store,
      sessionId,
      String(LEASE_MS),
    ])
    producers.add(producer)
    producer.once('exit', () => producers.delete(producer))
    await once(producer, 'message')
    const tabs = [await browser.newPage(), await browser.newPage()]
    for (const tab of tabs) {
      await tab.goto(`${world.url}/chat/${sessionId}`)
      await until('words', async () => (await look(tab)).items.some(({ text }) => text.includes('word')))
    }
    return { producer, tabs }
  }

  const ending = async (tab: Page): Promise<string> => (await look(tab)).rendered.at(-1)?.trim() ?? ''

  /** Nothing turns, blinks or waits. */
  async function assertAtRest(tab: Page): Promise<void> {
    const moving = await tab.evaluate(() => {
      const root = document.querySelector('loomi-recovery')!.shadowRoot!
      return root.querySelectorAll('.pending, [data-open]').length
    })
    assert.equal(moving, 0)
  }

  it('is stopped by a second tab within a second, and both tabs show it', async () => {
    const { producer, tabs } = await scene('stop')
    const ended = once(producer, 'message') as Promise<[{ status: string; at: number }]>
    const at = await tabs[1]!.evaluate(async () => {
      const now = Date.now()
      await fetch('/stop/stop', { method: 'POST' })
      return now
    })
    const [{ status, at: endedAt }] = await ended
    assert.equal(status, 'stopped')
    assert.ok(endedAt - at < 1000, `the producer ended after ${endedAt - at} ms`)
    for (const tab of tabs) {
      await until('the word of the stop', async () => (await ending(tab)) === 'The answer was stopped.', 1000)
      await becomesWhole(tab, world, 'stop')
      await assertAtRest(tab)
    }
    await Promise.all(tabs.map((tab) => tab.close()))
  })

  it('goes on when every page has left, for a disconnect is no stop', async () => {
    const { producer, tabs } = await scene('leave')
    await Promise.all(tabs.map((tab) => tab.close()))
    const words = async (): Promise<number> => {
      let count = 0
      for await (const event of world.loomi.session({ sessionId: 'leave', userId: 'ada' }).read())
        if (event.part_id) count++
      return count
    }
    const before = await words()
    await until('more words', async () => (await words()) > before + 3)
    producer.kill('SIGKILL')
  })

  it('whose producer is killed is shown as interrupted within the lease and 5 s, and nothing spins', async () => {
    const { producer, tabs } = await scene('kill')
    const at = Date.now()
    producer.kill('SIGKILL')
    for (const tab of tabs) {
      const word = 'The answer was interrupted.'
      await until(word, async () => (await ending(tab)) === word, LEASE_MS + 5000 - (Date.now() - at))
      await becomesWhole(tab, world, 'kill')
      await assertAtRest(tab)
    }
    await Promise.all(tabs.map((tab) => tab.close()))
  })

  it('whose producer is told to go is shown as interrupted at once', async () => {
    const { producer, tabs } = await scene('term')
    producer.kill('SIGTERM')
    assert.deepEqual(await once(producer, 'exit'), [0, null])
    for (const tab of tabs) {
      const word = 'The answer was interrupted.'
      await until(word, async () => (await ending(tab)) === word, 1000)
      await assertAtRest(tab)
    }
    await Promise.all(tabs.map((tab) => tab.close()))
  })
})
