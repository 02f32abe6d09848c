/**
 * `npm run test:sim -- --seeds N [--first SEED] [--scene NAME] [--threads N] [--trace]`: runs seeds and says what came of
 * them. With `--trace` one seed is run here and everything that happens is printed.
 */
import { parseArgs } from 'node:util'
import { type Failure, runSeeds } from './crew.ts'
import { SCENES, type SceneName } from './scenes.ts'
import { simulate } from './simulation.ts'
import { othersOf, verdictOf } from './tally.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    scene: { type: 'string', default: 'open' },
    threads: { type: 'string' },
    trace: { type: 'boolean', default: false },
    'until-found': { type: 'boolean', default: false },
  },
})
const first = Number(values.first)
const seeds = Number(values.seeds)
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(seeds) || seeds < 1)
  throw new Error('--seeds and --first are whole numbers.')

const scene = values.scene as SceneName
if (!Object.hasOwn(SCENES, scene)) throw new Error(`--scene is one of ${Object.keys(SCENES).join(', ')}.`)

if (values.trace) {
  const log: string[] = []
  const { hash, problems } = await simulate(first, log, scene)
  console.log(log.join('\n'))
  console.log(`seed ${first}, trace ${hash}: ${problems.length} problems`)
  process.exitCode = problems.length > 0 ? 1 : 0
} else await runMany()

async function runMany(): Promise<void> {
  console.log(`first seed ${first}`)
  const began = performance.now()
  let saidAt = began
  let done = 0
  const { tally, failures } = await runSeeds({
    first,
    seeds,
    scene,
    ...(values.threads !== undefined && { threads: Number(values.threads) }),
    untilFound: values['until-found'],
    onReport({ tally, failures }) {
      done += tally.seeds
      for (const failure of failures) console.log(describe(failure))
      if (performance.now() - saidAt < 30_000) return
      saidAt = performance.now()
      console.log(`${done} of ${seeds}`)
    },
  })
  const seconds = (performance.now() - began) / 1000
  console.log('faults injected:')
  for (const [kind, count] of Object.entries(tally.faults).toSorted(([one], [other]) =>
    one < other ? -1 : 1,
  ))
    console.log(`  ${String(count).padStart(9)}  ${kind}`)
  const hours = Math.round(tally.ms / 3_600_000)
  console.log(
    `${(tally.seeds / seconds).toFixed(0)} seeds a second, ${seconds.toFixed(0)} s; ${hours} simulated hours, ${tally.shown} events shown`,
  )
  const others = othersOf(tally)
  if (others) console.log(others)
  console.log(verdictOf(tally))
  process.exitCode = failures.length > 0 ? 1 : 0
}

function describe({ seed, problems, history, hash }: Failure): string {
  const shown = problems.slice(0, 5).map(({ kind, text }) => `  ${kind}: ${text.slice(0, 400)}`)
  const inScene = scene === 'open' ? '' : ` --scene ${scene}`
  const more = problems.length > 5 ? [`  and ${problems.length - 5} more`] : []
  const faults = history.map((line) => `    ${line}`)
  return [
    `seed ${seed} (trace ${hash}): npm run test:sim -- --trace --first ${seed}${inScene}`,
    ...shown,
    ...more,
    '  after these faults:',
    ...faults,
  ].join('\n')
}
