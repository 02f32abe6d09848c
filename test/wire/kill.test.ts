import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { prove } from '../proof.ts'
import { findPoints, killAll, type Point, ROLES } from './kill-bench.ts'
import { addTo, noVerdict } from './truth.ts'

/** Kills of each role, spread evenly over its life. `npm run test:full` does every one. */
const SAMPLE = process.env['LOOMI_TEST_FULL'] ? Infinity : 8

describe('a process that is killed at one of its own writes', () => {
  const total = noVerdict()
  let kills = 0

  after(() => {
    const { lost, duplicated, reordered } = total
    prove({ of: 'kills', run: kills, lost, duplicated, reordered })
    console.log(`kills ${kills}: ${lost} lost, ${duplicated} duplicated, ${reordered} reordered`)
  })

  for (const role of ROLES) {
    it(`loses and doubles nothing that was acknowledged: ${role}`, async () => {
      const points = sampleOf(await findPoints(role))
      const { kills: made, ...verdict } = await killAll(points)
      kills += made
      addTo(total, verdict)
      assert.deepEqual(verdict, noVerdict())
      // How many writes a life has depends a little on how they fall together.
      assert.ok(made > points.length * 0.8, `only ${made} of ${points.length} processes were killed`)
    })
  }
})

/** Points at even distances, of `before` and `after` about as many. */
function sampleOf(points: readonly Point[]): Point[] {
  const size = Math.min(SAMPLE, points.length)
  return Array.from({ length: size }, (_, i) => points[Math.floor(((i + 0.5) * points.length) / size)]!)
}
