/** Simulations on all cores: threads that take seeds in blocks until there are none left. */
import { availableParallelism } from 'node:os'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import type { Problem } from './problems.ts'
import type { SceneName } from './scenes.ts'
import { simulate } from './simulation.ts'
import { addTallies, NOTHING, type Tally, tallyOf } from './tally.ts'

const BLOCK_SEEDS = 50

/** A seed that found something. */
export interface Failure {
  readonly seed: number
  readonly problems: readonly Problem[]
  readonly history: readonly string[]
  readonly hash: string
}

/** What a block of seeds came to. */
export interface Report {
  readonly tally: Tally
  readonly failures: readonly Failure[]
}

/** Which seeds, on how many threads. */
export interface Order {
  readonly first: number
  readonly seeds: number
  readonly threads?: number
  readonly scene?: SceneName
  /** Ends with the first block in which something is found. */
  readonly untilFound?: boolean
  readonly onReport?: (report: Report) => void
}

/** Runs them all. */
export async function runSeeds(order: Order): Promise<Report> {
  const { first, seeds, scene, threads = availableParallelism(), untilFound = false, onReport } = order
  let sum: Report = { tally: NOTHING, failures: [] }
  let next = first
  const end = first + seeds
  await Promise.all(
    Array.from({ length: Math.min(threads, Math.ceil(seeds / BLOCK_SEEDS)) }, async () => {
      const worker = new Worker(new URL(import.meta.url), {
        resourceLimits: { maxYoungGenerationSizeMb: 64 },
      })
      try {
        while (next < end && !(untilFound && sum.failures.length > 0)) {
          const from = next
          next = Math.min(end, from + BLOCK_SEEDS)
          worker.postMessage({ from, to: next, scene })
          const report = await answerOf(worker)
          sum = {
            tally: addTallies(sum.tally, report.tally),
            failures: [...sum.failures, ...report.failures].slice(0, 100),
          }
          onReport?.(report)
        }
      } finally {
        await worker.terminate()
      }
    }),
  )
  return { ...sum, failures: sum.failures.toSorted((one, other) => one.seed - other.seed) }
}

/** Runs a block of seeds here. */
export async function runBlock(from: number, to: number, scene?: SceneName): Promise<Report> {
  let tally = NOTHING
  const failures: Failure[] = []
  for (let seed = from; seed < to; seed++) {
    const outcome = await simulate(seed, null, scene)
    tally = addTallies(tally, tallyOf(outcome))
    const { problems, history, hash } = outcome
    if (problems.length > 0) failures.push({ seed, problems, history, hash })
  }
  return { tally, failures }
}

function answerOf(worker: Worker): Promise<Report> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('message', (report: Report) => {
      worker.off('error', reject)
      resolve(report)
    })
  })
}

if (!isMainThread) {
  // A tenth of the time goes into traces that nobody reads; a seed that is traced alone has them.
  Error.stackTraceLimit = 0
  parentPort?.on('message', ({ from, to, scene }: { from: number; to: number; scene?: SceneName }) => {
    void runBlock(from, to, scene).then((report) => parentPort?.postMessage(report))
  })
}
