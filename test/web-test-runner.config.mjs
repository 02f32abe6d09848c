/**
 * Client, element and service worker tests in real engines: `BROWSERS=chromium,firefox,webkit` chooses which.
 * `npm test` runs it; by hand `test/node_modules/.bin/wtr --config test/web-test-runner.config.mjs`.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { esbuildPlugin } from '@web/dev-server-esbuild'
import { defaultReporter } from '@web/test-runner'
import { chromeLauncher } from '@web/test-runner-chrome'
import { puppeteerLauncher } from '@web/test-runner-puppeteer'
import { webdriverLauncher } from '@web/test-runner-webdriver'
import { ENGINES, findEngine } from '../scripts/browsers.mjs'
import { countBrowser } from '../scripts/count-browser.mjs'

const children = []
process.on('exit', () => children.forEach((child) => child.kill('SIGTERM')))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

const launchers = { chromium, firefox, webkit }
const browsers = []
for (const engine of process.env.BROWSERS?.split(',') ?? ENGINES) {
  const found = findEngine(engine)
  if (found.missing) throw new Error(`${engine}: ${found.missing}.`)
  browsers.push(named(engine, await launchers[engine](found)))
}

// Their fixtures must render with the one Lit that the elements use.
const lit = ['lit', 'lit-html', 'lit-element', '@lit/reactive-element']

export default {
  rootDir: fileURLToPath(new URL('..', import.meta.url)),
  files: process.env.LOOMI_TEST_FILES?.split(',') ?? ['test/{client,elements,sw}/**/*.test.ts'],
  nodeResolve: { dedupe: lit },
  hostname: 'localhost',
  // Above 1 the WebKit launcher would run the tests in iframes.
  concurrency: 1,
  browsers,
  middleware: await testEndpoints(),
  plugins: [
    esbuildPlugin({
      ts: true,
      target: 'es2022',
      tsconfig: fileURLToPath(new URL('../tsconfig.json', import.meta.url)),
    }),
  ],
  reporters: [defaultReporter({ reportTestProgress: false }), countBrowser()],
  filterBrowserLogs: ({ args }) => !String(args[0]).startsWith('Lit is in dev mode'),
  testFramework: { config: { timeout: 20_000 } },
  browserStartTimeout: 60_000,
  testsStartTimeout: 60_000,
  testsFinishTimeout: process.env.LOOMI_TEST_FULL ? 1_800_000 : 180_000,
}

function chromium({ path }) {
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
  ]
  return chromeLauncher({ launchOptions: { executablePath: path, headless: true, args } })
}

function firefox({ path }) {
  const launchOptions = { browser: 'firefox', executablePath: path, headless: true }
  return puppeteerLauncher({ concurrency: 1, launchOptions })
}

async function webkit({ path, miniBrowser, xvfb }) {
  let display = process.env.DISPLAY
  if (xvfb) {
    // WebKitGTK's MiniBrowser has no headless mode.
    const screen = start(xvfb, ['-displayfd', '1', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'])
    display = `:${String((await once(screen.stdout, 'data'))[0]).trim()}`
  }
  const port = await freePort()
  start(path, [`--port=${port}`], { DISPLAY: display, LIBGL_ALWAYS_SOFTWARE: '1', NO_AT_BRIDGE: '1' })
  await answering(`http://127.0.0.1:${port}/status`)
  const capabilities = {
    browserName: 'MiniBrowser',
    // The driver speaks no WebDriver BiDi.
    'wdio:enforceWebDriverClassic': true,
    'webkitgtk:browserOptions': { binary: miniBrowser, args: ['--automation'] },
  }
  return webdriverLauncher({ hostname: '127.0.0.1', port, path: '/', capabilities })
}

/** Calls the launcher by its engine, whatever it calls itself. */
function named(engine, launcher) {
  Object.defineProperty(launcher, 'name', { get: () => engine, set: () => {} })
  return launcher
}

function start(command, args, env = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, ...env } })
  children.push(child)
  return child
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

async function answering(url) {
  for (let tries = 0; tries < 100; tries++) {
    const ok = await fetch(url).then(
      (answer) => answer.ok,
      () => false,
    )
    if (ok) return
    await delay(100)
  }
  throw new Error(`Nothing answers at ${url}.`)
}

/** The endpoints that tests talk to: `middleware`, a list of Koa middleware. */
async function testEndpoints() {
  const file = new URL('./browser-server.mjs', import.meta.url)
  if (!existsSync(file)) return []
  const { middleware } = await import(file.href)
  return middleware
}
