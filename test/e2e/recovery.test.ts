/**
 * The promise, end to end in a real browser: whatever happens to page, wire or server in the middle of an answer, the page
 * shows every event of the log once and in order, and the indicator exactly when something was missed.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Browser, BrowserContext, Page } from 'puppeteer-core'
import { launchChromium, noChromium } from './chromium.ts'
import { assertRendered, becomesWhole, look, type Seen, until } from './page.ts'
import { answer, expected, makeWorld, type World } from './world.ts'

const REPEATS = process.env['LOOMI_TEST_FULL'] ? 20 : 2
const OFFLINE_MS = 20_000
const seed = Number(process.env['LOOMI_SEED'] ?? Date.now() % 1_000_000)
const random = mulberry32(seed)

describe('recovery in Chromium', { skip: noChromium, concurrency: 1 }, () => {
  let browser: Browser
  before(async () => {
    console.log(`# LOOMI_SEED=${seed}`)
    browser = await launchChromium()
  })
  after(() => browser?.close())

  /** Runs one fault at a random moment of a running answer and compares the page with the log at the end. */
  async function withFault(fault: (scene: Scene) => Promise<Page>): Promise<{ page: Page; seen: Seen }> {
    return withScene(browser, async (scene) => {
      const answered = answer(scene.world.loomi.session({ sessionId: 's', userId: 'ada' }), 'Which room?')
      await delay(200 + random() * 1500)
      const page = await fault(scene)
      await answered
      const seen = await becomesWhole(page, scene.world, 's')
      await until('live again', async () => (await look(page)).state === 'live')
      await assertAllRendered(page, scene.world)
      return { page, seen }
    })
  }

  const faults: Record<string, (scene: Scene, repeat: number) => Promise<Page>> = {
    'a reload': async ({ page }) => {
      await page.reload()
      return page
    },
    'closing the tab and opening it again': async ({ page, context, world }) => {
      await page.close()
      await delay(300 + random() * 700)
      const again = await context.newPage()
      await again.goto(`${world.url}/blank`)
      const displayed = seqOf(await displayedOnDevice(again))
      const least = seqOf(await headOf(world)) - displayed
      await again.goto(`${world.url}/chat/s`)
      await until('a replay', async () => (await look(again)).replays.length > 0)
      const most = seqOf(await headOf(world)) - displayed
      const { missed } = (await look(again)).replays[0]!
      assert.ok(
        least > 0 && missed >= least && missed <= most,
        `missed ${missed}, by the log ${least} to ${most}`,
      )
      return again
    },
    'a dropped socket': async ({ page, world }) => {
      for (let i = 0; i < 3; i++) {
        world.cut()
        await delay(random() * 400)
      }
      return page
    },
    'a server that is stopped and started': async ({ page, world }, repeat) => {
      await world.stopServer(repeat % 2 ? 'SIGTERM' : 'SIGKILL')
      await delay(random() * 1000)
      await world.startServer()
      return page
    },
  }

  for (const [name, fault] of Object.entries(faults)) {
    for (let repeat = 1; repeat <= REPEATS; repeat++) {
      it(`shows every event once and in order through ${name} (${repeat})`, async () => {
        const { seen } = await withFault((scene) => fault(scene, repeat))
        assertIndicatorIffMissed(seen)
      })
    }
  }

  it('shows no indicator when nothing was missed', () =>
    withScene(browser, async ({ page, world }) => {
      await answer(world.loomi.session({ sessionId: 's', userId: 'ada' }), 'Which room?', { paceMs: 2 })
      await becomesWhole(page, world, 's')
      await until('the displayed cursor reached the device', async () => {
        const cursor = await world.loomi.session({ sessionId: 's', userId: 'ada' }).cursor()
        return (await displayedOnDevice(page)) === cursor
      })
      await page.reload()
      const seen = await becomesWhole(page, world, 's')
      assert.deepEqual(seen.replays, [])
      assert.ok(seen.events.every(({ phase }) => phase === 'restored'))
      await delay(500)
      assert.equal((await look(page)).pill, '')
    }))

  it('shows no indicator either when the page is reloaded the moment that all is shown', () =>
    withScene(browser, async ({ page, world }) => {
      for (let i = 0; i < 5; i++) {
        await answer(world.loomi.session({ sessionId: 's', userId: 'ada' }), `Again ${i}?`, { paceMs: 0 })
        await becomesWhole(page, world, 's')
        await page.reload()
        const seen = await becomesWhole(page, world, 's')
        assert.deepEqual(seen.replays, [])
      }
    }))

  it('keeps three questions and their answers in order, with a reload after each', () =>
    withScene(browser, async ({ page, world }) => {
      for (const question of ['First?', 'Second?', 'Third?']) {
        await answer(world.loomi.session({ sessionId: 's', userId: 'ada' }), question, { paceMs: 2 })
        await becomesWhole(page, world, 's')
        await page.reload()
      }
      const { items } = await becomesWhole(page, world, 's')
      await assertAllRendered(page, world)
      const questions = items.map(({ text }) => text).filter((text) => text.endsWith('?'))
      assert.deepEqual(questions, ['First?', 'Second?', 'Third?'])
    }))

  it('shows the first event of a session live on a page that was there before it', () =>
    withScene(browser, async ({ page, world }) => {
      await until('live', async () => (await look(page)).state === 'live')
      await answer(world.loomi.session({ sessionId: 's', userId: 'ada' }), 'Early?', { paceMs: 2 })
      const seen = await becomesWhole(page, world, 's')
      assert.ok(seen.events.every(({ phase }) => phase === 'live'))
      assert.deepEqual(seen.replays, [])
    }))

  it('shares one stream between two tabs, each whole, also after the first is closed', () =>
    withScene(browser, async ({ page, context, world }) => {
      const second = await context.newPage()
      await second.goto(`${world.url}/chat/s`)
      await until('live', async () => (await look(second)).state === 'live')
      const answered = answer(world.loomi.session({ sessionId: 's', userId: 'ada' }), 'Both?')
      await delay(700)
      assert.equal(await world.streams(), 1)
      await page.close()
      await answered
      await becomesWhole(second, world, 's')
    }))

  it('sends beats of rung worker where there is no service worker', () =>
    withScene(
      browser,
      async ({ world }) => {
        await until('a beat', async () => (await world.beats()).some(({ rung }) => rung === 'worker'), 15_000)
      },
      {
        prepare: (page) =>
          page.evaluateOnNewDocument(() =>
            Object.defineProperty(navigator, 'serviceWorker', { get: () => undefined }),
          ),
      },
    ))

  it('replays a missed event with the two script tags of the seed', () =>
    withScene(
      browser,
      async ({ page, world }) => {
        const session = world.loomi.session({ sessionId: 's', userId: 'ada' })
        session.message('seen')
        await until('shown', async () => (await look(page)).rendered.some((words) => words.trim() === 'seen'))
        await until('displayed', async () => (await displayedOnDevice(page)) === (await session.cursor()))
        await page.goto(`${world.url}/blank`)
        session.thought('missed thought')
        await session.cursor()
        await page.goto(`${world.url}/globals/s`)
        await until('replayed', async () => {
          const { items } = await look(page)
          return items.length === 2 && items[1]!.text === 'missed thought' && items[1]!.phase === 'replay'
        })
        assert.equal(await page.evaluate(() => 'recoveryManager' in window), true)
      },
      { path: '/globals/s' },
    ))

  // These mostly wait, so they wait together.
  describe('over longer times', { concurrency: 4 }, () => {
    for (let repeat = 1; repeat <= REPEATS; repeat++) {
      it(`shows every event once and in order through 20 s offline, and says so (${repeat})`, async () => {
        const { seen } = await withFault(async ({ page, world }) => {
          await page.setOfflineMode(true)
          world.setDown(true)
          await until('the word offline', async () => (await look(page)).pill.startsWith('Offline'))
          await delay(OFFLINE_MS)
          world.setDown(false)
          await page.setOfflineMode(false)
          return page
        })
        assert.ok(seen.replays.some(({ missed }) => missed > 0))
        assertIndicatorIffMissed(seen)
      })
    }

    it('sends beats of rung sw every 5 s with the displayed cursor, which is in IndexedDB', () =>
      withScene(browser, async ({ page, world }) => {
        await answer(world.loomi.session({ sessionId: 's', userId: 'ada' }), 'Beats?', { paceMs: 1 })
        const cursor = await world.loomi.session({ sessionId: 's', userId: 'ada' }).cursor()
        await becomesWhole(page, world, 's')
        await until(
          'three beats',
          async () => (await world.beats()).filter(({ rung }) => rung === 'sw').length >= 3,
          20_000,
        )
        const beats = (await world.beats()).filter(({ rung }) => rung === 'sw')
        const gaps = beats.slice(1).map(({ at }, i) => at - beats[i]!.at)
        for (const gap of gaps) assert.ok(gap > 4000 && gap < 6500, `gap of ${gap} ms`)
        assert.equal(beats.at(-1)!.last_event_id, cursor)
        assert.equal(await displayedOnDevice(page), cursor)
        assert.equal(await page.evaluate(() => navigator.serviceWorker.controller), null)
      }))

    it('beats at heartbeat-ms where the server allows it, and paces a replay by replay-ms', () =>
      withScene(
        browser,
        async ({ page, world, context }) => {
          await until('three beats', async () => (await world.beats()).length >= 3, 15_000)
          const beats = await world.beats()
          const gaps = beats.slice(1).map(({ at }, i) => at - beats[i]!.at)
          for (const gap of gaps) assert.ok(gap > 2400 && gap < 4200, `gap of ${gap} ms`)
          await page.close()
          const session = world.loomi.session({ sessionId: 's', userId: 'ada' })
          for (let i = 0; i < 8; i++) session.message(`whole ${i}`)
          await session.cursor()
          const again = await context.newPage()
          await again.evaluateOnNewDocument(() =>
            addEventListener(
              'loomi-event',
              (e) => (((window as unknown as { at: number[] }).at ??= []).push(performance.now()), e),
            ),
          )
          await again.goto(
            `${world.url}/chat/s?attributes=${encodeURIComponent('replay-ms="100" replay-budget-ms="5000"')}`,
          )
          await becomesWhole(again, world, 's')
          const at = await again.evaluate(() => (window as unknown as { at: number[] }).at)
          assert.ok(at.at(-1)! - at[0]! >= 650, `eight events within ${at.at(-1)! - at[0]!} ms`)
        },
        { heartbeatMs: 1000, attributes: 'heartbeat-ms="3000"' },
      ))
  })
})

interface Scene {
  readonly world: World
  readonly context: BrowserContext
  readonly page: Page
}

interface SceneOptions {
  readonly heartbeatMs?: number
  readonly attributes?: string
  readonly path?: string
  readonly prepare?: (page: Page) => Promise<unknown>
}

async function withScene<T>(
  browser: Browser,
  play: (scene: Scene) => Promise<T>,
  {
    heartbeatMs = 5000,
    attributes = '',
    path = `/chat/s?attributes=${encodeURIComponent(attributes)}`,
    prepare,
  }: SceneOptions = {},
): Promise<T> {
  const world = await makeWorld({ heartbeatMs })
  const context = await browser.createBrowserContext()
  try {
    const page = await context.newPage()
    await prepare?.(page)
    await page.goto(world.url + path)
    return await play({ world, context, page })
  } finally {
    await context.close()
    await world.close()
  }
}

/** The page shows each text of the log in one place, in order. */
async function assertAllRendered(page: Page, world: World): Promise<void> {
  const texts = (await expected(world, 's')).map(({ text }) => text).filter((text) => text !== '')
  assertRendered(await look(page), texts)
}

/** The pill speaks of catching up exactly when something was missed. */
function assertIndicatorIffMissed({ replays, events, pills }: Seen): void {
  const replayed = events.some(({ phase }) => phase === 'replay')
  assert.equal(
    replays.some(({ phase, missed }) => phase === 'start' && missed > 0),
    replayed,
  )
  assert.equal(
    pills.some((words) => words.startsWith('Catching up') || words === 'Caught up'),
    replayed,
    `the pill said ${JSON.stringify(pills)}`,
  )
}

function headOf(world: World): Promise<string> {
  return world.loomi.session({ sessionId: 's', userId: 'ada' }).cursor()
}

function seqOf(cursor: string | null): number {
  return Number(cursor?.split('-')[1] ?? 0)
}

/** The displayed cursor as the service worker keeps it. */
function displayedOnDevice(page: Page): Promise<string | null> {
  return page.evaluate(async () => {
    for (const { name } of await indexedDB.databases()) {
      const db = await new Promise<IDBDatabase>((resolve, reject) => {
        const open = indexedDB.open(name!)
        open.addEventListener('success', () => resolve(open.result))
        open.addEventListener('error', () => reject(open.error!))
      })
      for (const store of db.objectStoreNames) {
        const rows = await new Promise<unknown[]>((resolve) => {
          const all = db.transaction(store).objectStore(store).getAll()
          all.addEventListener('success', () => resolve(all.result))
        })
        const cursor = JSON.stringify(rows).match(/[a-z0-9]{1,16}-[1-9][0-9]*-[a-z0-9]{6}/)?.[0]
        db.close()
        if (cursor) return cursor
      }
    }
    return null
  })
}

/** A small seeded generator (https://en.wikipedia.org/wiki/Permuted_congruential_generator gives better ones; this is enough here). */
function mulberry32(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
