/**
 * `npm test`: installs what the tests need, builds, runs every suite, and closes with one line of counts.
 *
 *     npm test                             everything
 *     npm test -- server                   one suite; several may be named
 *     npm test -- sw/gate --engine firefox files that begin so, in one engine
 *     npm run test:full                    with the repeats and long runs (LOOMI_TEST_FULL=1)
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ENGINES, findEngine, installEngines } from './browsers.mjs'
import { build, filesIn, install, node, root, run } from './project.mjs'

const SUITES = {
  server: { by: 'node' },
  // Server, client and network of a thousand seeds on a clock of their own.
  sim: { by: 'node' },
  // Real sockets cut at every byte and processes killed at every write: with `npm run test:full`, or by name.
  wire: { by: 'node', args: ['--test-concurrency=1'], isLong: true },
  tooling: { by: 'node' },
  // Only some of them drive a browser; those skip themselves where there is none.
  docs: { by: 'node', uses: 'chromium' },
  client: { by: 'browsers' },
  elements: { by: 'browsers' },
  sw: { by: 'browsers' },
  // They drive a browser each: one file at a time.
  e2e: { by: 'node', args: ['--test-concurrency=1'], needs: 'chromium' },
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { full: { type: 'boolean' }, engine: { type: 'string', multiple: true } },
})
const limitMs = values.full ? 7_200_000 : 600_000
const total = { passed: 0, failed: 0, skipped: 0 }
const notes = []
const counts = mkdtempSync(join(tmpdir(), 'loomi-counts-'))
const failing = (title, why) => {
  total.failed++
  notes.push(`${title}: ${why}`)
}
// Without an engine a developer goes on; the pipeline must not.
const absent = (title, why) => {
  if (process.env.CI === 'true') return failing(title, why)
  total.skipped++
  notes.push(`${title}: skipped (${why})`)
}

let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => (interrupted = true))

try {
  await runAll()
} catch (error) {
  failing('npm test', error.message)
} finally {
  rmSync(counts, { recursive: true, force: true })
}
for (const note of notes) console.log(note)
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = interrupted ? 130 : total.failed > 0 ? 1 : 0

async function runAll() {
  const suites = selected()
  const inBrowsers = [...suites.keys()].filter((suite) => SUITES[suite].by === 'browsers')
  await install()
  await install('test')
  if (inBrowsers.length > 0 || suites.has('e2e') || suites.has('docs')) await installEngines()
  // Client and elements are tested from their sources.
  if ([...suites.keys()].some((suite) => suite !== 'client' && suite !== 'elements')) {
    await build().catch((error) => failing('build', error.message))
  }
  for (const [suite, files] of suites) {
    if (files.length === 0) failing(suite, 'no test file')
    else if (SUITES[suite].by === 'node' && !interrupted) await runInNode(suite, files)
  }
  const files = inBrowsers.flatMap((suite) => suites.get(suite))
  if (files.length > 0 && !interrupted) await runInBrowsers(inBrowsers.join(', '), files)
}

/** The suites asked for, all by default, with their test files. */
function selected() {
  const usual = Object.keys(SUITES).filter((name) => values.full || !SUITES[name].isLong)
  const wanted = positionals.length > 0 ? positionals.map((name) => name.replace(/^test\//, '')) : usual
  const suites = new Map()
  for (const name of wanted) {
    const suite = name.split('/')[0]
    if (!SUITES[suite]) throw new Error(`There is no suite "${suite}": ${Object.keys(SUITES).join(', ')}.`)
    const prefix = name === suite ? `test/${suite}/` : `test/${name}`
    const files = filesIn(`test/${suite}`).filter(
      (file) => file.startsWith(prefix) && file.endsWith('.test.ts'),
    )
    suites.set(suite, [...new Set([...(suites.get(suite) ?? []), ...files])])
  }
  return suites
}

async function runInNode(suite, files) {
  const { needs, uses = needs, args = [] } = SUITES[suite]
  const engine = uses ? findEngine(uses) : {}
  if (engine.missing) absent(suite, `${uses}: ${engine.missing}`)
  if (engine.missing && needs) return
  const reporter = `--test-reporter=${join(root, 'scripts/count-node.mjs')}`
  const env = engine.path ? { CHROME_PATH: engine.path } : {}
  await runSuite(suite, ['--test', reporter, ...args, ...files], env)
}

async function runInBrowsers(title, files) {
  const wanted = values.engine ?? ENGINES
  const found = wanted.filter((engine) => {
    const { missing } = findEngine(engine)
    if (missing) absent(engine, missing)
    return !missing
  })
  if (found.length === 0) return
  const runner = join(root, 'test/node_modules/@web/test-runner/dist/bin.js')
  const config = join(root, 'test/web-test-runner.config.mjs')
  const env = { BROWSERS: found.join(','), LOOMI_TEST_FILES: files.join(',') }
  await runSuite(title, [runner, '--config', config], env)
}

/** Runs one child to its end and adds what it counted; one that died before counting is a failure. */
async function runSuite(title, args, env) {
  const file = join(counts, `${title}.json`)
  console.log(`\n${title}`)
  const { code } = await run(node, args, {
    alone: true,
    timeoutMs: limitMs,
    env: {
      ...env,
      LOOMI_TEST_COUNTS: file,
      ...(values.full ? { LOOMI_TEST_FULL: '1' } : {}),
      PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}`,
    },
  })
  const before = total.failed
  for (const counted of Object.values(read(file))) {
    for (const key of Object.keys(total)) total[key] += counted[key]
  }
  if (code === 124) failing(title, `not done within ${limitMs / 1000} s`)
  else if (code !== 0 && total.failed === before) failing(title, `ended with code ${code}`)
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return {}
  }
}
