/**
 * `npm test`: installs what the tests need, builds, runs every suite, and closes with a table of what was proven and
 * one line of counts.
 *
 *     npm test                             everything
 *     npm test -- server                   one suite; several may be named
 *     npm test -- sw/gate --engine firefox files that begin so, in one engine
 *     npm run test:full                    with the repeats and long runs (LOOMI_TEST_FULL=1)
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ENGINES, findEngine, installEngines } from './browsers.mjs'
import { build, filesIn, install, node, root, run } from './project.mjs'
import { proofTable } from './proof.mjs'

const SUITES = {
  // They drive a browser each and mostly wait: two files at a time, beside the other suites.
  e2e: { by: 'node', atOnce: 2, needs: 'chromium', isBeside: true },
  // Three servers on each store that they can share, while servers and databases are killed: they mostly wait, too.
  cluster: { by: 'node', isBeside: true },
  server: { by: 'node' },
  // Server, client and network of a thousand seeds on a clock of their own.
  sim: { by: 'node' },
  // Real sockets that are cut and processes that are killed: a sample, with `npm run test:full` at every byte and write.
  wire: { by: 'node', atOnce: 1 },
  tooling: { by: 'node' },
  // Only some of them drive a browser; those skip themselves where there is none.
  docs: { by: 'node', uses: 'chromium' },
  client: { by: 'browsers' },
  elements: { by: 'browsers' },
  sw: { by: 'browsers' },
}

// Node's own choice is one less than there are cores, so on two cores one file that waits would hold up all others.
const FILES_AT_ONCE = Math.max(2, availableParallelism() - 1)

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { full: { type: 'boolean' }, engine: { type: 'string', multiple: true } },
})
const limitMs = values.full ? 7_200_000 : 600_000
const total = { passed: 0, failed: 0, skipped: 0 }
const notes = []
const folder = mkdtempSync(join(tmpdir(), 'loomi-counts-'))
const proofs = join(folder, 'proofs')
let table = []
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
  table = proofTable(proofs)
} catch (error) {
  failing('npm test', error.message)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
for (const line of ['', ...table, ...(table.length > 0 ? [''] : []), ...notes]) console.log(line)
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = interrupted ? 130 : total.failed > 0 ? 1 : 0

async function runAll() {
  const suites = selected()
  const inBrowsers = [...suites.keys()].filter((suite) => SUITES[suite].by === 'browsers')
  await install()
  await install('test')
  if (
    inBrowsers.length > 0 ||
    ['e2e', 'docs', 'wire', 'server', 'cluster'].some((suite) => suites.has(suite))
  )
    await installEngines()
  // Client and elements are tested from their sources.
  if ([...suites.keys()].some((suite) => suite !== 'client' && suite !== 'elements')) {
    await build().catch((error) => failing('build', error.message))
  }
  const beside = []
  for (const [suite, files] of suites) {
    const isBeside = SUITES[suite].isBeside && suites.size > 1
    if (files.length === 0) failing(suite, 'no test file')
    else if (SUITES[suite].by !== 'node' || interrupted) continue
    else if (isBeside) beside.push(runInNode(suite, files, { quiet: true }))
    else report(await runInNode(suite, files))
  }
  const files = inBrowsers.flatMap((suite) => suites.get(suite))
  if (files.length > 0 && !interrupted) report(await runInBrowsers(inBrowsers.join(', '), files))
  // What ran beside the others has its say when they have had theirs.
  for (const running of beside) report(await running)
}

/** The suites asked for, all by default, with their test files. */
function selected() {
  const named = positionals.map((name) => name.replace(/^test\//, ''))
  const wanted = named.length > 0 ? named : Object.keys(SUITES)
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

async function runInNode(suite, files, options) {
  const { needs, uses = needs, atOnce = FILES_AT_ONCE } = SUITES[suite]
  const engine = uses ? findEngine(uses) : {}
  if (engine.missing) absent(suite, `${uses}: ${engine.missing}`)
  if (engine.missing && needs) return null
  const reporter = `--test-reporter=${join(root, 'scripts/count-node.mjs')}`
  const env = engine.path ? { CHROME_PATH: engine.path } : {}
  return runSuite(suite, ['--test', reporter, `--test-concurrency=${atOnce}`, ...files], env, options)
}

async function runInBrowsers(title, files) {
  const wanted = values.engine ?? ENGINES
  const found = wanted.filter((engine) => {
    const { missing } = findEngine(engine)
    if (missing) absent(engine, missing)
    return !missing
  })
  if (found.length === 0) return null
  const runner = join(root, 'test/node_modules/@web/test-runner/dist/bin.js')
  const config = join(root, 'test/web-test-runner.config.mjs')
  const env = { BROWSERS: found.join(','), LOOMI_TEST_FILES: files.join(',') }
  return runSuite(title, [runner, '--config', config], env)
}

/** Runs one child to its end and counts; one that died before counting is a failure. `quiet` keeps what it prints. */
async function runSuite(title, args, env, { quiet = false } = {}) {
  const file = join(folder, `${title}.json`)
  if (!quiet) console.log(`\n${title}`)
  const began = performance.now()
  const { code, output } = await run(node, args, {
    quiet,
    alone: true,
    timeoutMs: limitMs,
    env: {
      ...env,
      LOOMI_TEST_COUNTS: file,
      LOOMI_TEST_PROOF: proofs,
      // A fifth of the time of a hundred short test files goes into compiling the same sources.
      NODE_COMPILE_CACHE: join(folder, 'compiled'),
      ...(values.full ? { LOOMI_TEST_FULL: '1' } : {}),
      PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}`,
    },
  })
  const sum = { passed: 0, failed: 0, skipped: 0 }
  for (const counted of Object.values(read(file))) {
    for (const key of Object.keys(sum)) sum[key] += counted[key]
  }
  const seconds = (performance.now() - began) / 1000
  return { title, code, sum, seconds, output: quiet ? `\n${title}\n${output.trimEnd()}` : null }
}

/** Says what a suite came to, null when it did not run, and adds it to the total. */
function report(result) {
  if (result === null) return
  const { title, code, sum, seconds, output } = result
  if (output !== null) console.log(output)
  for (const key of Object.keys(total)) total[key] += sum[key]
  if (code === 124) failing(title, `not done within ${limitMs / 1000} s`)
  else if (code !== 0 && sum.failed === 0) failing(title, `ended with code ${code}`)
  const { passed, failed, skipped } = sum
  console.log(`${title}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds.toFixed(1)} s`)
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return {}
  }
}
