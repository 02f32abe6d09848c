/**
 * `npm run test:planted [-- --recorded] [--only WORDS]`: puts each planted bug into a copy of the core and runs the
 * simulation against it until a seed finds it; with `--recorded` its recorded seed alone. A bug that survives means that the
 * simulation is too weak.
 */
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { prove } from '../proof.ts'
import { type Planted, PLANTED } from './planted-list.ts'
import { simulate } from './simulation.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** A bug that no seed of so many finds has survived. */
const MOST_SEEDS = 10_000
const PATIENCE_MS = 20 * 60_000

const { values } = parseArgs({
  options: { recorded: { type: 'boolean', default: false }, only: { type: 'string' } },
})
const chosen = PLANTED.filter(({ name }) => values.only === undefined || name.includes(values.only))
for (const planted of chosen) checkEdits(planted)
let untouched: Promise<boolean> = Promise.resolve(true)
const width = Math.max(...chosen.map(({ name }) => name.length))
const results = await inTurns(chosen, async (planted) => {
  const result = await find(planted, values.recorded)
  console.log(`${planted.name.padEnd(width)}  ${result.text}`)
  return result
})
const found = results.filter(({ isFound }) => isFound).length
prove({ of: 'planted bugs', run: chosen.length, found })
console.log(`${found} of ${chosen.length} planted bugs found`)
process.exitCode = found === chosen.length ? 0 : 1

/** What came of one bug. */
interface Result {
  readonly isFound: boolean
  readonly text: string
}

async function find(planted: Planted, recorded: boolean): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'loomi-planted-'))
  try {
    copyCore(folder)
    plant(planted, folder)
    const [first, seeds] = recorded ? [planted.seed, 1] : [1, MOST_SEEDS]
    const { scene = 'open' } = planted
    const args = ['--first', `${first}`, '--seeds', `${seeds}`, '--scene', scene]
    const output = await runSimulation(folder, args)
    const seed = /^seed (\d+) /m.exec(output)?.[1]
    const kind = /^seed \d+ .*\n {2}(\w+): /m.exec(output)?.[1]
    if (seed === undefined)
      return {
        isFound: false,
        text: `SURVIVED ${seeds} seeds from ${first}${output.includes('seeds ') ? '' : `: ${output}`}`,
      }
    // One world at a time: they would disturb each other in one process.
    untouched = untouched.then(async () => (await simulate(Number(seed), null, scene)).problems.length === 0)
    if (!(await untouched)) return { isFound: false, text: `seed ${seed} fails without it too` }
    const where = scene === 'open' ? '' : ` (scene ${scene})`
    return { isFound: true, text: `seed ${seed.padStart(5)}  ${kind}${where}` }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function copyCore(folder: string): void {
  for (const name of ['server', 'elements', 'test/sim', 'package.json'])
    cpSync(join(ROOT, name), join(folder, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
}

/** Throws when a text that is to be replaced is not there exactly once: then the list is behind the core. */
function checkEdits({ name, edits }: Planted): void {
  for (const { file, search } of edits) {
    const times = readFileSync(join(ROOT, file), 'utf8').split(search).length - 1
    if (times !== 1) throw new Error(`“${name}”: ${file} has ${times} times, not once: ${search}`)
  }
}

function plant({ edits }: Planted, folder: string): void {
  for (const { file, search, replace } of edits) {
    const path = join(folder, file)
    writeFileSync(path, readFileSync(path, 'utf8').split(search).join(replace))
  }
}

function runSimulation(folder: string, args: readonly string[]): Promise<string> {
  const script = join(folder, 'test/sim/run.ts')
  return new Promise((resolve) => {
    const options = { cwd: folder, timeout: PATIENCE_MS, maxBuffer: 1 << 28 }
    const all = [script, '--until-found', '--threads', '1', ...args]
    execFile(process.execPath, all, options, (_, stdout, stderr) => resolve(`${stdout}${stderr}`))
  })
}

/** As many at a time as there are cores; the results in the order of the items. */
async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const left = items.entries()
  await Promise.all(
    Array.from({ length: availableParallelism() }, async () => {
      for (const [at, item] of left) results[at] = await work(item)
    }),
  )
  return results
}
