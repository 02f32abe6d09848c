import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'puppeteer-core'
import { launchChromium, noChromium } from './chromium.ts'

const CLI = fileURLToPath(new URL('../../dist/server/cli.js', import.meta.url))
/** The longest that an answer takes, and a bit. */
const ANSWER_MS = 35_000

interface Row {
  readonly event_type: string
  readonly content_type: string
  readonly event_data: unknown
  readonly part_id?: string
  readonly key: string
}

describe('the demo', { skip: noChromium }, () => {
  let folder: string
  let demo: ChildProcess
  let output = ''
  let url: string
  let browser: Browser
  let page: Page
  const complaints: string[] = []

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'loomi-demo-'))
    const store = join(folder, 'log.db')
    demo = spawn(process.execPath, [CLI, 'serve', '--demo', '--port', '0', '--store', store])
    demo.stdout!.on('data', (chunk: Buffer) => (output += chunk.toString()))
    demo.stderr!.on('data', (chunk: Buffer) => (output += chunk.toString()))
    browser = await launchChromium()
    await until(
      () => output.includes('\n'),
      10_000,
      () => `no address in: ${output}`,
    )
    url = /http:\S+/.exec(output)![0]
    page = await browser.newPage()
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('console', (message) => {
      // The network's own complaints are what the buttons are for.
      if (message.type() === 'error' && !message.text().includes('net::ERR_')) complaints.push(message.text())
    })
  })

  after(async () => {
    await browser?.close()
    demo?.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  it('opens in the middle of an answer: text moves on both pages within three seconds', async () => {
    await page.goto(url)
    const opened = performance.now()
    await page.waitForFunction(bothHaveText, { timeout: 3000 })
    const lengths = await page.evaluate(textLengths)
    await page.waitForFunction(
      (before: number[]) => {
        const now = ['loomi-recovery', '#plain .chat'].map(
          (at) => document.querySelector(at)!.textContent.length,
        )
        return now.every((length, i) => length > before[i]!)
      },
      { timeout: 3000 - (performance.now() - opened) },
      lengths,
    )
    assert.match(await textOf('#plain .hole'), /^\d+ events came before this page did$/)
  })

  it(
    'is cut and killed, and the left page has the whole log, the right one holes',
    { timeout: 60_000 },
    async () => {
      await page.click('#cut')
      await page.waitForSelector('#plain .state[data-state="waiting"]')
      // A hole ends with the next event that arrives.
      const arrived = await textOf('#plain .score output')
      await page.waitForFunction(
        (before: string) => document.querySelector('#plain .score output')!.textContent !== before,
        { timeout: 10_000 },
        arrived,
      )
      const killed = await textOf('#server dd')
      await page.click('#kill')
      await page.waitForFunction(
        (before: string) => {
          const now = document.querySelector('#server dd')!.textContent
          return now.startsWith('pid') && now !== before
        },
        { timeout: 10_000 },
        killed,
      )

      let rows: Row[] = []
      await until(
        async () => {
          rows = await readLog(url, await page.evaluate(() => location.hash.slice(1)))
          return rows.at(-1)?.event_type === 'run_end'
        },
        ANSWER_MS,
        () => `the answer has not ended after ${rows.length} events`,
      )
      await page.waitForFunction(accountsFor, { timeout: 10_000 }, rows.length)

      assert.deepEqual(await page.evaluate(textsOfLeft), textsOf(rows))
      const missing = Number(await textOf('#plain [data-kind="missing"] b'))
      const holes = await page.$$eval('#plain .hole', (marks) =>
        marks.map((mark) => parseInt(mark.textContent, 10)),
      )
      assert.ok(
        holes.length >= 3,
        `one hole before the page, one by the cut, one by the kill: ${holes.join(', ')}`,
      )
      assert.equal(
        holes.reduce((sum, lost) => sum + lost, 0),
        missing,
      )
      assert.deepEqual(complaints, [])
    },
  )

  it('shows the whole log again after a reload, which leaves the right page with nothing', async () => {
    const all = await textOf('#whole .score output')
    const before = await page.evaluate(textsOfLeft)
    await Promise.all([page.waitForNavigation(), page.click('#reload')])
    await page.waitForFunction(
      (count: string) => document.querySelector('#whole .score output')!.textContent === count,
      { timeout: 10_000 },
      all,
    )
    assert.deepEqual(await page.evaluate(textsOfLeft), before)
    assert.equal(await textOf('#plain .score output'), '0')
  })

  it('refuses what its own buttons would not send, and goes on serving', async () => {
    const statusOf = async (
      path: string,
      body: string,
      headers: Record<string, string> = {},
    ): Promise<number> => {
      const init = { method: 'POST', body, headers: { 'Content-Type': 'application/json', ...headers } }
      return (await fetch(`${url}/demo/${path}`, init)).status
    }
    assert.deepEqual(
      [
        await statusOf('kill', '{}', { 'Content-Type': 'text/plain' }),
        await statusOf('kill', '{}', { Origin: 'https://elsewhere.example' }),
        await statusOf('cut', '{}'),
        await statusOf('cut', '[]'),
        await statusOf('ask', '{"session":"s","question":" "}'),
        await statusOf('ask', JSON.stringify({ session: 's', question: 'a'.repeat(5000) })),
        await statusOf('offline', '{"session":"s","ms":30001}'),
        await statusOf('cut', '{"session":"s"}'),
      ],
      [415, 403, 400, 400, 400, 413, 400, 204],
    )
  })

  it('ends on SIGINT with code 0, and its web server with it', async () => {
    const { server } = (await (await fetch(`${url}/demo/status/s`)).json()) as { server: number }
    demo.kill('SIGINT')
    assert.deepEqual(await once(demo, 'exit'), [0, null])
    assert.throws(() => process.kill(server, 0), { code: 'ESRCH' })
    assert.deepEqual(output.match(/http:\S+/g), [url])
    assert.equal(output.trim().split('\n').length, 2)
  })

  function textOf(selector: string): Promise<string> {
    return page.$eval(selector, (element) => element.textContent)
  }
})

function bothHaveText(): boolean {
  return ['loomi-recovery', '#plain .chat'].every(
    (at) => document.querySelector(at)!.textContent.trim() !== '',
  )
}

/** The left page has shown all events; of each one it is known whether it reached the right page. */
function accountsFor(count: number): boolean {
  const at = ['#whole .score output', '#plain [data-kind="live"] b', '#plain [data-kind="missing"] b']
  const [whole, arrived, missing] = at.map((place) => Number(document.querySelector(place)!.textContent))
  return whole === count && count === arrived! + missing!
}

function textLengths(): number[] {
  return ['loomi-recovery', '#plain .chat'].map((at) => document.querySelector(at)!.textContent.length)
}

/** What the left page says, bubble by bubble. */
function textsOfLeft(): string[] {
  const bubbles = document.querySelectorAll(
    'loomi-recovery [data-loomi-item] > :is(.user, .thought, .message)',
  )
  return Array.from(bubbles, (bubble) => bubble.textContent)
}

/** What the log says, text by text. */
function textsOf(rows: readonly Row[]): string[] {
  const texts = new Map<string, string>()
  for (const { content_type, part_id, key, event_data } of rows) {
    if (!['user', 'thought', 'concierge_message'].includes(content_type)) continue
    const id = part_id ?? key
    texts.set(id, (texts.get(id) ?? '') + String(event_data))
  }
  return [...texts.values()]
}

async function readLog(url: string, session: string): Promise<Row[]> {
  const response = await fetch(`${url}/api/loomi/stream/${session}?user_id=visitor&after=0&follow=0`)
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith('data:'))
  return lines
    .map((line) => JSON.parse(line.slice(5)) as Row & { type: string })
    .filter(({ type }) => type === 'event')
}

async function until(holds: () => boolean | Promise<boolean>, ms: number, what: () => string): Promise<void> {
  for (const end = performance.now() + ms; !(await holds()); await sleep(100)) {
    if (performance.now() > end) assert.fail(what())
  }
}
