/**
 * A reporter for @web/test-runner that counts: one line per engine, and the sums for `npm test` in the file that
 * LOOMI_TEST_COUNTS names.
 *
 * @module
 */
import { writeFileSync } from 'node:fs'

/** Every session is one test file in one engine; one that broke before or beside its tests counts as a failure. */
export function countBrowser() {
  return {
    onTestRunFinished({ sessions }) {
      const engines = new Map()
      for (const session of sessions) {
        const counts = engines.get(session.browser.name) ?? { passed: 0, failed: 0, skipped: 0 }
        engines.set(session.browser.name, counts)
        const before = counts.failed
        const ran = countSuite(session.testResults, counts)
        if ((!session.passed || ran === 0) && counts.failed === before) {
          counts.failed++
          if (ran === 0) console.log(`${session.browser.name}: no test ran in ${session.testFile}`)
        }
      }
      for (const [engine, { passed, failed, skipped }] of engines) {
        console.log(`${engine}: ${passed} passed, ${failed} failed, ${skipped} skipped`)
      }
      const file = process.env.LOOMI_TEST_COUNTS
      if (file) writeFileSync(file, JSON.stringify(Object.fromEntries(engines)))
    },
  }
}

function countSuite(suite, counts) {
  if (!suite) return 0
  let ran = suite.tests.length
  for (const test of suite.tests) {
    if (test.skipped) counts.skipped++
    else if (test.passed) counts.passed++
    else counts.failed++
  }
  for (const inner of suite.suites) ran += countSuite(inner, counts)
  return ran
}
