import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const reporter = fileURLToPath(new URL('../../scripts/count-node.mjs', import.meta.url))

describe('the count of a Node suite', () => {
  let folder = ''
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'loomi-counts-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  function count(content: string): { passed: number; failed: number; skipped: number } {
    const file = join(folder, 'sample.test.mjs')
    const counts = join(folder, 'counts.json')
    writeFileSync(file, `import { it, describe, before } from 'node:test'\n${content}\n`)
    // A runner inside a runner would report to the outer one.
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined, LOOMI_TEST_COUNTS: counts }
    spawnSync(process.execPath, ['--test', `--test-reporter=${reporter}`, file], { cwd: folder, env })
    return JSON.parse(readFileSync(counts, 'utf8')).node
  }

  it('is of tests, not of the suites around them', () => {
    const content = "describe('a', () => { describe('b', () => { it('c', () => {}) }); it('d', () => {}) })"
    assert.deepEqual(count(content), { passed: 2, failed: 0, skipped: 0 })
  })

  it('takes a failure once and a skipped or a planned test as skipped', () => {
    const content =
      "describe('a', () => { it('b', () => { throw new Error('c') }); it.skip('d'); it.todo('e') })"
    assert.deepEqual(count(content), { passed: 0, failed: 1, skipped: 2 })
  })

  it('takes a file without a test as a failure', () => {
    assert.deepEqual(count(''), { passed: 0, failed: 1, skipped: 0 })
  })

  it('takes a file that breaks as a failure', () => {
    assert.deepEqual(count("import './nowhere.mjs'"), { passed: 0, failed: 1, skipped: 0 })
  })

  it('takes a rejection after the last test as a failure', () => {
    const content = "it('a', () => { setTimeout(() => Promise.reject(new Error('late')), 5) })"
    assert.deepEqual(count(content), { passed: 1, failed: 1, skipped: 0 })
  })

  it('takes a broken hook as a failure of its suite and of each of its tests', () => {
    const content = "describe('a', () => { before(() => { throw new Error('b') }); it('c', () => {}) })"
    assert.deepEqual(count(content), { passed: 0, failed: 2, skipped: 0 })
  })
})
