/**
 * Chromium for the end-to-end tests.
 *
 * @module
 */
import { findEngine } from '../../scripts/browsers.mjs'
import puppeteer, { type Browser } from 'puppeteer-core'

/** For `describe(…, { skip })`: why there is no Chromium to test in, or false when there is one. */
export const noChromium: string | false = executable() === null && 'no chromium found: install it or set CHROME_PATH'

/** Starts a headless Chromium with a profile of its own; the caller closes it. `args` are added to the usual ones. */
export function launchChromium(args: readonly string[] = []): Promise<Browser> {
  const executablePath = executable()
  if (executablePath === null) throw new Error('There is no chromium here: install it or set CHROME_PATH.')
  return puppeteer.launch({
    executablePath,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...args,
    ],
  })
}

