/**
 * The proxies of docs/deploy.md, each with the configuration that the page gives, before three servers on one Postgres.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, it, type TestContext } from 'node:test'
import type { Browser, Page } from 'puppeteer-core'
import { createLoomi } from '../../server/index.ts'
import { launchChromium, noChromium } from '../e2e/chromium.ts'
import { tempFolder } from '../server/support.ts'
import { Caddy, caddyIsMissing } from '../wire/caddy.ts'
import { Nginx, nginxIsMissing } from '../wire/nginx.ts'
import type { DocPage } from './blocks.ts'
import { cutStreamsOf, goesOn, Servers, showsOnce, Speaker } from './deploy-servers.ts'
import { lacking } from './needs.ts'
import { openPage } from './page.ts'
import { freePort } from './project.ts'
import type { Scene } from './scene.ts'

const SERVERS = 3
/** What Chromium is told, by the protocol that it then speaks. */
const PROTOCOLS: Readonly<Record<string, readonly string[]>> = { h2: [], 'http/1.1': ['--disable-http2'] }

/** The tests, in the suite that calls it. `database` gives a new one with the log's tables. */
export function proxies(
  page: DocPage,
  scene: Scene,
  database: () => Promise<string>,
  skip: string | false,
): void {
  const folder = tempFolder()
  const blocks = {
    nginx: page.claim('nginx', 'upstream loomi {'),
    caddy: page.claim('caddyfile', 'chat.example.com {'),
  }
  const program = page.claim('ts', 'serve({ fetch: app.fetch')
  const missing = {
    nginx: lacking(skip, noChromium, nginxIsMissing),
    caddy: lacking(skip, noChromium, caddyIsMissing),
  }
  const browsers: Browser[] = []

  before(async () => {
    if (missing.nginx && missing.caddy) return
    for (const args of Object.values(PROTOCOLS))
      browsers.push(await launchChromium(['--ignore-certificate-errors', ...args]))
  })
  after(async () => {
    await Promise.all(browsers.map((browser) => browser.close()))
    folder.remove()
  })

  it(
    'nginx: pages go on, each word once, when servers are killed and replaced',
    { skip: missing.nginx },
    (t) =>
      replaceServers(t, async (port, servers) => {
        certificate(folder.path('chat.pem'), folder.path('chat.key'))
        const http = inPlace(blocks.nginx, servers)
          .replace('listen 443', `listen 127.0.0.1:${port}`)
          .replaceAll('/etc/ssl/chat.example.com', folder.path('chat'))
          .replaceAll('chat.example.com', 'localhost')
        return Nginx.startWith(http, port)
      }),
  )

  it(
    'Caddy: pages go on, each word once, when servers are killed and replaced',
    { skip: missing.caddy },
    (t) =>
      replaceServers(t, (port, servers) => {
        const site = inPlace(blocks.caddy, servers).replace('chat.example.com', `https://localhost:${port}`)
        return Caddy.start(site, port)
      }),
  )

  async function replaceServers(
    t: TestContext,
    start: (port: number, servers: Servers) => Promise<{ stop(): Promise<void> }>,
  ): Promise<void> {
    const url = await database()
    const block = program.replace('drainMs: 3000', 'drainMs: 1000')
    const servers = await Servers.start(scene.project, SERVERS, block, { LOOMI_STORE: url })
    t.after(() => servers.close())
    const port = await freePort()
    const proxy = await start(port, servers)
    t.after(() => proxy.stop())
    const speaker = new Speaker(createLoomi({ store: url }), 's-42')
    t.after(() => speaker.stop())
    const tabs = await Promise.all(
      browsers.map((browser) => openPage(browser, `https://localhost:${port}/s-42`)),
    )
    await passesOn(tabs)
    const bothGoOn = (): Promise<unknown> => Promise.all(tabs.map((tab) => goesOn(tab, speaker)))
    await bothGoOn()
    for (const signal of ['SIGKILL', 'SIGTERM'] as const)
      for (let i = 0; i < SERVERS; i++) {
        await servers.end(i, signal)
        await bothGoOn()
        await servers.start(i)
      }
    const everything = await speaker.stop()
    for (const tab of tabs) {
      await showsOnce(tab, everything)
      assert.ok((await cutStreamsOf(tab)) > 0, 'it was on one of the servers that went away')
      await tab.close()
    }
  }

  /** The protocols are the ones meant, and the servers learn who asks from where. */
  async function passesOn(tabs: readonly Page[]): Promise<void> {
    for (const [i, protocol] of Object.keys(PROTOCOLS).entries()) {
      const spoken = await tabs[i]!.evaluate(async () => {
        const headers = { 'X-Forwarded-For': '192.0.2.1' }
        const who = (await (await fetch('/who', { headers })).json()) as Record<string, string>
        const [navigation] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
        const [host] = who['host']!.split(':')
        // The browser takes one of this machine's two addresses.
        const client = who['x-forwarded-for']!.replace('::1', '127.0.0.1')
        return [navigation!.nextHopProtocol, client, who['x-forwarded-proto'], host]
      })
      assert.deepEqual(spoken, [protocol, '127.0.0.1', 'https', 'localhost'])
    }
  }
}

/** A configuration with the servers' addresses. */
function inPlace(block: string, { ports }: Servers): string {
  return block.replaceAll(/10\.0\.0\.(\d):8787/g, (_, nth) => `127.0.0.1:${ports[Number(nth) - 1]}`)
}

function certificate(cert: string, key: string): void {
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  execFileSync('openssl', ['req', '-x509', ...kind, ...name, '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  })
}
