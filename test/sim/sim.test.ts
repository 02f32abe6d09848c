/** The simulation as a suite: 1,000 seeds, 10,000 with LOOMI_TEST_FULL=1, and the same seed twice. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { prove } from '../proof.ts'
import { runSeeds } from './crew.ts'
import { simulate } from './simulation.ts'
import { othersOf, verdictOf } from './tally.ts'

const FIRST = Number(process.env['LOOMI_SIM_FIRST'] ?? 1)
const SEEDS = process.env['LOOMI_TEST_FULL'] ? 10_000 : 1000
const LATE_SEEDS = process.env['LOOMI_TEST_FULL'] ? 2000 : 200
/** A simulation that takes longer is run too seldom. */
const MOST_SECONDS = 240

describe('the simulation', () => {
  it(`shows every event once and in order, whatever breaks (seeds ${FIRST} to ${FIRST + SEEDS - 1})`, async (test) => {
    const began = performance.now()
    const { tally, failures } = await runSeeds({ first: FIRST, seeds: SEEDS })
    const seconds = Math.round((performance.now() - began) / 1000)
    const { lost = 0, doubled: duplicated = 0, reordered = 0, unsignalled = 0 } = tally.problems
    prove({ of: 'schedules', run: tally.seeds, lost, duplicated, reordered, unsignalled })
    const faults = Object.values(tally.faults).reduce((sum, count) => sum + count, 0)
    test.diagnostic(`${faults} faults, ${tally.shown} events shown`)
    test.diagnostic(verdictOf(tally))
    const seeds = failures.map(({ seed, problems }) => `${seed}: ${problems[0]?.kind} ${problems[0]?.text}`)
    assert.equal(othersOf(tally), null, seeds.join('\n'))
    assert.deepEqual(seeds, [])
    assert.ok(seconds <= MOST_SECONDS, `${SEEDS} seeds took ${seconds} s`)
  })

  it(`does so too where answers come late and pages have their own history (seeds 1 to ${LATE_SEEDS})`, async () => {
    const { tally, failures } = await runSeeds({ first: 1, seeds: LATE_SEEDS, scene: 'late' })
    assert.equal(tally.seeds, LATE_SEEDS)
    assert.deepEqual(
      failures.map(({ seed, problems }) => `${seed}: ${problems[0]?.kind} ${problems[0]?.text}`),
      [],
    )
  })

  it('does the same again from the same seed', async () => {
    for (const seed of [FIRST, FIRST + 1, FIRST + 2, FIRST + 3, FIRST + 4]) {
      const [one, other]: string[][] = [[], []]
      const first = await simulate(seed, one)
      const second = await simulate(seed, other)
      assert.equal(second.hash, first.hash, `seed ${seed}`)
      assert.deepEqual(other, one)
    }
  })
})
