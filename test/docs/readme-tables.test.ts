/**
 * What README's tables and the words around them say of the element.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import type { Browser, Page } from 'puppeteer-core'
import type { LoomiEventMap } from '../../elements/events.ts'
import type { ClientState } from '../../elements/client/index.ts'
import { DEFAULT_BASE, DEFAULT_HEARTBEAT_MS } from '../../server/protocol.ts'
import { launchChromium, noChromium } from '../e2e/chromium.ts'
import { DocPage } from './blocks.ts'
import { becomes, happened, isIn, openPage, SHOWN } from './page.ts'
import { build } from './project.ts'

const readme = DocPage.read('README.md')
const attributes = readme.table('attribute')
const defaults = new Map(attributes.map(([name, , , value]) => [name!, value!]))
const states = readme.table('state')

/** All of them, by the compiler's word. */
const STATES: Readonly<Record<ClientState, true>> = {
  idle: true,
  connecting: true,
  replaying: true,
  live: true,
  waiting: true,
  offline: true,
  complete: true,
  failed: true,
}
const EVENTS: Readonly<Record<keyof LoomiEventMap, true>> = {
  'loomi-event': true,
  'loomi-state': true,
  'loomi-replay': true,
  'loomi-gap': true,
  'loomi-reset': true,
  'loomi-unsaved': true,
  'loomi-error': true,
}

describe('README’s tables', () => {
  before(build)

  it('name every attribute of the element, and no other', async () => {
    const { LoomiRecovery } = await import('../../dist/elements/index.js')
    assert.deepEqual([...defaults.keys()].toSorted(), LoomiRecovery.observedAttributes.toSorted())
  })

  it('name every state, and the events that there are', () => {
    const named = states.map(([state]) => state!)
    assert.deepEqual(named.concat('idle').toSorted(), Object.keys(STATES).toSorted())
    assert.deepEqual(
      named,
      states.map(([, , css]) => css),
    )
    assert.match(readme.text, /`idle` is the state before it connects/)
    const events = [...readme.text.matchAll(/\bloomi-(?!recovery|accent|indicator)[a-z]+/g)].map(
      ([name]) => name,
    )
    assert.deepEqual([...new Set(events)].toSorted(), Object.keys(EVENTS).toSorted())
  })

  it('quote the element’s own words', async () => {
    const { ENGLISH: words } = await import('../../dist/elements/strings.js')
    const own = [
      words.catchingUp(42),
      words.showAll,
      words.caughtUp,
      words.reconnecting,
      words.offline,
      words.tryAgain,
    ]
    const quoted = states.flatMap(([, text]) => [...text!.matchAll(/\*(.+?)\*/g)].map(([, quote]) => quote))
    assert.deepEqual(quoted, own)
  })
})

describe('README’s defaults and slots, in Chromium', { skip: noChromium, concurrency: 1 }, () => {
  const pages = new Map<string, string>()
  let loomi: ReturnType<(typeof import('../../dist/server/index.js'))['createLoomi']>
  let server: Server
  let browser: Browser
  let url = ''
  before(async () => {
    build()
    const { createLoomi } = await import('../../dist/server/index.js')
    loomi = createLoomi({ store: ':memory:' })
    const app = new Hono().route('/deep/loomi', loomi.routes)
    app.get('/:page', (c) =>
      c.html(`<!doctype html><title>Tables</title><body>${pages.get(c.req.param('page'))}`),
    )
    server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server
    await once(server, 'listening')
    url = `http://localhost:${(server.address() as AddressInfo).port}`
    browser = await launchChromium()
  })
  after(async () => {
    await browser?.close()
    await loomi?.close()
    server?.close()
    server?.closeAllConnections()
  })

  /** Opens a page with one element for a session of its own. */
  function open(session: string, attributes = '', children = ''): Promise<Page> {
    const tag = `<loomi-recovery session-id="${session}" user-id="ada" ${attributes}>${children}</loomi-recovery>`
    pages.set(session, `${tag}<script src="/deep/loomi/loomi-recovery.js"></script>`)
    return openPage(browser, `${url}/${session}`)
  }

  it('base is the script’s folder, else where the route is by default', async () => {
    const page = await open('base')
    await isIn(page, 'live')
    const { LoomiRecovery } = await import('../../dist/elements/index.js')
    assert.equal(LoomiRecovery.defaultBase, DEFAULT_BASE)
    assert.equal(defaults.get('base'), `the script's folder, else \`${DEFAULT_BASE}\``)
    await page.close()
  })

  it('credentials, history, after and paused', async () => {
    const page = await open('requests', 'paused')
    await page.evaluate(() => {
      const element = document.querySelector('loomi-recovery')!
      const asked: string[] = []
      Object.assign(window, { asked })
      element.fetch = (input, init) => {
        asked.push(`${init?.credentials} ${new Request(input).url.replace(/.*\?/, '?')}`)
        return fetch(input, init)
      }
    })
    assert.deepEqual(await page.evaluate('asked'), [], 'nothing is asked while paused is present')
    await page.evaluate(() => document.querySelector('loomi-recovery')!.removeAttribute('paused'))
    await isIn(page, 'live')
    const [first] = (await page.evaluate('asked')) as string[]
    assert.equal(first!.split(' ')[0], defaults.get('credentials'))
    assert.equal(defaults.get('history'), 'restore')
    assert.match(first!, /[?&]after=0(&|$)/)
    assert.equal(defaults.get('paused'), 'absent')
    await page.close()
  })

  it('heartbeat-ms is what the server asks for', async () => {
    const body = JSON.stringify({ user_id: 'ada', session_id: 'beats' })
    const headers = { 'Content-Type': 'application/json' }
    const answer = await fetch(`${url}/deep/loomi/heartbeat`, { method: 'POST', headers, body })
    const { interval_ms } = (await answer.json()) as { interval_ms: number }
    assert.equal(interval_ms, Number(defaults.get('heartbeat-ms')))
    assert.equal(interval_ms, DEFAULT_HEARTBEAT_MS)
  })

  it('replay-ms lies between two missed events, and the indicator in its corner', async () => {
    const { page, times } = await replay('few', 16)
    const gaps = times.slice(1).map((time, i) => time - times[i]!)
    const median = gaps.toSorted((a, b) => a - b)[gaps.length >> 1]!
    const interval = Number(defaults.get('replay-ms'))
    // A timer is late on a busy machine, never early by more than its rounding.
    assert.ok(median > 0.9 * interval && median < 1.5 * interval, `${median} ms`)
    assert.equal(defaults.get('indicator'), 'top-right')
    const box = await page.$eval('loomi-recovery', (element) => {
      const indicator = element.shadowRoot!.querySelector('[part~="indicator"]')!
      const { top, right } = indicator.getBoundingClientRect()
      return { top, fromRight: document.documentElement.clientWidth - right }
    })
    assert.ok(box.top < 40 && box.fromRight < 40, JSON.stringify(box))
    await page.close()
  })

  it('replay-budget-ms holds all missed events, however many', async () => {
    const { page, times } = await replay('many', 150)
    const budget = Number(defaults.get('replay-budget-ms'))
    assert.match(readme.text, new RegExp(`follows within ${budget / 1000} s`))
    const ms = times.at(-1)! - times[0]!
    assert.ok(ms > 0.7 * budget && ms < 1.7 * budget, `${ms} ms`)
    await page.close()
  })

  /** Lets a new view miss `count` events and tells when it showed each. */
  async function replay(sessionId: string, count: number): Promise<{ page: Page; times: number[] }> {
    const session = loomi.session({ sessionId, userId: 'ada' })
    for (let i = 0; i < count; i++) session.message(`Message ${i}.`)
    await session.cursor()
    const page = await open(sessionId)
    await becomes(page, `happened.replays.at(-1)?.phase === 'end'`)
    const { events, replays } = await happened(page)
    assert.deepEqual(
      replays.map(({ missed }) => missed),
      [count, count],
    )
    return { page, times: events.map(({ at }) => at) }
  }

  it('each named slot draws its items with each named field, as text', async () => {
    const sentence = /with the slot (.*?) or an exact `content_type`.*?names what goes in:\n(.*?)\. The slots/
    const [, listed, fields] = sentence.exec(readme.text)!
    const slots = [...listed!.matchAll(/`(\w+)`/g)].map(([, name]) => name!)
    assert.deepEqual(slots, ['thought', 'message', 'user', 'tool', 'event'])
    const binds = [...fields!.matchAll(/`([\w.…]+)`/g)].map(([, name]) => name!.replace('…', 'name'))
    const spans = binds.map((name) => `<i data-bind="${name}"></i>`).join(' ')
    const templates = [...slots, 'weather']
      .map((slot) => `<template slot="${slot}">${slot}: ${spans}</template>`)
      .join('')
    const page = await open(
      'slots',
      '',
      `${templates}<p slot="empty">Nothing yet</p><b slot="indicator">Wait</b>`,
    )
    await isIn(page, 'live')
    const empty = await page.$eval('p', (p) => p.checkVisibility() && p.innerText)
    assert.equal(empty, 'Nothing yet')

    const session = loomi.session({ sessionId: 'slots', userId: 'ada' })
    session.thought('<b>1</b>')
    session.message('2')
    session.user('3')
    session.emit({ event_type: 'tool_call', event_data: { name: 'look', text: '4' } })
    session.emit({ event_type: 'other', event_data: { name: 'any', text: '5' }, agent_source: 'planner' })
    session.emit({ event_type: 'weather', event_data: '6' })
    await becomes(page, `${SHOWN}.includes('6')`)
    const drawn = (): Promise<string[]> =>
      page.$$eval('loomi-recovery > [data-phase]', (items) =>
        items.map((item) => item.textContent.replaceAll(/\s+/g, ' ').trim()),
      )
    assert.deepEqual(await drawn(), [
      'thought: <b>1</b> live false agent',
      'message: 2 live false agent',
      'user: 3 live false user',
      'tool: 4 live false agent look',
      'event: 5 live false planner any',
      'weather: 6 live false agent',
    ])
    assert.equal(await page.$eval('b', (b) => b.checkVisibility()), false)
    await page.close()

    session.user('7')
    await session.cursor()
    const again = await openPage(browser, `${url}/slots`)
    await becomes(again, `document.querySelector('b').checkVisibility()`)
    await again.close()
  })
})
