/**
 * What the tests of a documentation page share: a project that has the package, and Chromium where there is one.
 */
import { after, before } from 'node:test'
import type { Browser } from 'puppeteer-core'
import { launchChromium, noChromium } from '../e2e/chromium.ts'
import type { Project } from './project.ts'

/** Filled before the first test of the suite that it belongs to. */
export interface Scene {
  project: Project
  /** Only for tests that are skipped without Chromium. */
  browser: Browser
}

/** Makes a scene for the suite that calls it, and takes it down when that has ended. */
export function setScene(makeProject: () => Promise<Project>): Scene {
  const scene: Partial<Scene> = {}
  before(async () => {
    scene.project = await makeProject()
    if (!noChromium) scene.browser = await launchChromium()
  })
  after(async () => {
    await scene.browser?.close()
    await scene.project?.close()
  })
  return scene as Scene
}
