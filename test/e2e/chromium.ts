/**
 * Chromium for the end-to-end tests.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import puppeteer, { type Browser } from 'puppeteer-core'

const path =
  process.env['CHROME_PATH'] ??
  ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((name) =>
    existsSync(name),
  )

/** For `describe(…, { skip: noChromium })`: why there is none to test in, or false when there is one. */
export const noChromium: string | false =
  path === undefined && 'no Chromium found: install it or set CHROME_PATH'

/** Starts a headless Chromium with a profile of its own, which the caller closes. `args` are added to the usual ones. */
export function launchChromium(args: readonly string[] = []): Promise<Browser> {
  if (path === undefined) throw new Error('There is no Chromium here: install it or set CHROME_PATH.')
  return puppeteer.launch({ executablePath: path, headless: true, args: [...USUAL, ...args] })
}

const USUAL = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
