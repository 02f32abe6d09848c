/**
 * README's blocks, each run as a reader would run it, against the packed package.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { noChromium } from '../e2e/chromium.ts'
import { DocPage } from './blocks.ts'
import { installedProject } from './project.ts'
import { agentBlocks } from './readme-agent.ts'
import { commands } from './readme-commands.ts'
import { firstScreen } from './readme-first-screen.ts'
import { pageBlocks } from './readme-page.ts'
import { setScene } from './scene.ts'

const readme = DocPage.read('README.md')

describe('README', { concurrency: 1 }, () => {
  const scene = setScene(installedProject)
  firstScreen(readme, scene)
  pageBlocks(readme, scene)
  agentBlocks(readme, scene)
  commands(readme, scene)

  it('has no block that no test runs', { skip: noChromium }, () => {
    assert.deepEqual(readme.unclaimed, [])
  })
})
