/**
 * README's blocks for the page: how it is made one's own.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import type { Page } from 'puppeteer-core'
import { noChromium } from '../e2e/chromium.ts'
import type { DocPage } from './blocks.ts'
import { becomes, happened, isIn, isKept, openPage, SHOWN, until } from './page.ts'
import type { Project } from './project.ts'
import type { Scene } from './scene.ts'

const START = '<!doctype html><title>Rooms</title><body>'

/** The suite. */
export function pageBlocks(readme: DocPage, scene: Scene): void {
  describe('its blocks for the page', { skip: noChromium }, () => {
    let loomi: ReturnType<Project['server']['createLoomi']>
    let server: Server
    let url = ''
    before(async () => {
      loomi = scene.project.server.createLoomi({ store: scene.project.path('page.db') })
      const script = `<script>${readme.claim('js', "const element = document.querySelector('loomi-recovery')")}</script>`
      const style = `<style>${readme.claim('css', 'loomi-recovery { ')}</style>`
      const tag = readme.claim('html', '<loomi-recovery ')
      const globals = readme.claim('html', "  window.userId = 'ada'")
      const app = new Hono()
      app.route('/api/loomi', loomi.routes)
      app.get('/own', (c) => c.html(START + style + tag + script))
      app.get('/globals', (c) => c.html(START + globals))
      server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server
      await once(server, 'listening')
      url = `http://localhost:${(server.address() as AddressInfo).port}`
    })
    after(() => stopServer())

    it('draw a plan, keep a debug event out and take the thoughts over', async () => {
      const page = await openPage(scene.browser, `${url}/own`)
      await isIn(page, 'live')

      const session = loomi.session({ sessionId: 's-42', userId: 'ada' })
      session.user('Which room?')
      session.emit({ event_type: 'plan', event_data: { steps: ['look', 'choose'] } })
      session.emit({ event_type: 'debug', event_data: 'for developers only' })
      const [, byHand] = /^\/\/ or by hand: (.*)$/m.exec(readme.claim('ts', 'const session = '))!
      // oxlint-disable-next-line no-implied-eval, typescript/no-implied-eval -- it is the page's own code
      new Function('session', byHand!)(session)
      await becomes(page, `${SHOWN}.includes('Found two.')`)

      const shown = await wordsOf(page)
      assert.match(shown, /Which room\?[^]*Found two\./)
      assert.match(shown, /Plan: look, choose/)
      assert.doesNotMatch(shown, /for developers only|Looking at rooms…/)
      assert.deepEqual((await happened(page)).logged, ['live Looking at rooms… Looking at rooms…'])
      await isKept(page, await session.cursor())
      await page.close()

      session.thought('Three more.')
      await session.end()
      const again = await openPage(scene.browser, `${url}/own`)
      await until(async () => (await happened(again)).logged.length > 1, 'both thoughts are handed over')
      assert.deepEqual((await happened(again)).logged, [
        'restored Looking at rooms… Looking at rooms…',
        'missed Three more. Three more.',
      ])
      await again.close()
    })

    it('need no tag of the page’s own, only two globals', async () => {
      const page = await openPage(scene.browser, `${url}/globals`)
      loomi.session({ sessionId: 's-42', userId: 'ada' }).message('For the globals.')
      await becomes(page, `${SHOWN}.includes('For the globals.')`)
      assert.ok(await page.evaluate(`recoveryManager === document.querySelector('loomi-recovery')`))
      await page.close()
    })

    it('style the user’s words, and what the indicator says while the server is away', async () => {
      const page = await openPage(scene.browser, `${url}/own`)
      loomi.session({ sessionId: 's-42', userId: 'ada' }).user('And breakfast?')
      await becomes(page, `${SHOWN}.includes('And breakfast?')`)
      await isIn(page, 'live')
      assert.equal(await styleOf(page, '[part~="user"]', 'fontWeight'), '600')
      assert.equal(await styleOf(page, null, 'opacity'), '1')
      await stopServer()
      await isIn(page, 'waiting')
      assert.equal(await styleOf(page, null, 'opacity'), '0.7')
      await until(async () => (await happened(page)).indicator.includes('Reconnecting…'), 'it says so')
      assert.equal(await styleOf(page, '[part~="indicator"]', 'right'), '24px')
      assert.equal(await styleOf(page, '[part~="indicator"]', 'top'), '24px')
      assert.equal(await styleOf(page, '[part~="indicator"] .spin', 'stroke'), 'rgb(102, 51, 153)')
      await page.close()
    })

    async function stopServer(): Promise<void> {
      await loomi.close()
      server.close()
      server.closeAllConnections()
    }
  })
}

/** All words of the transcript, the page's own and the element's, in no certain order. */
function wordsOf(page: Page): Promise<string> {
  return page.$eval(
    'loomi-recovery',
    (element) => `${element.shadowRoot!.textContent}\n${element.textContent}`,
  )
}

/** A computed style of the element, or of what `selector` finds inside it. */
function styleOf(
  page: Page,
  selector: string | null,
  name: 'opacity' | 'right' | 'top' | 'stroke' | 'fontWeight',
): Promise<string> {
  return page.$eval(
    'loomi-recovery',
    (element, selector, name) => {
      const inside = selector === null ? element : element.shadowRoot!.querySelector(selector)!
      return getComputedStyle(inside)[name]
    },
    selector,
    name,
  )
}
