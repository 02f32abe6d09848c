import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { prove } from '../proof.ts'
import { SEED } from '../server/support.ts'
import { COURSES, type Course, CutBench } from './cut-bench.ts'
import { addTo, noVerdict } from './truth.ts'

/** Offsets of each course, drawn anew with another seed only. `npm run test:full` takes every one. */
const SAMPLE = process.env['LOOMI_TEST_FULL'] ? null : 60

describe('a view whose connection is cut off after any number of bytes', () => {
  let bench: CutBench
  const total = noVerdict()
  let cuts = 0

  before(async () => {
    bench = await CutBench.start()
  })
  after(async () => {
    await bench.close()
    const { lost, duplicated, reordered } = total
    prove({ of: 'cuts', run: cuts, lost, duplicated, reordered })
    console.log(
      `cuts ${cuts} (seed ${SEED.seed}): ${lost} lost, ${duplicated} duplicated, ${reordered} reordered`,
    )
  })

  for (const course of COURSES) {
    it(`shows every event once and in order: ${course.name}`, async () => {
      const offsets = offsetsOf(course, await bench.measure(course))
      const { cuts: made, ...verdict } = await bench.run(course, offsets)
      cuts += made
      addTo(total, verdict)
      assert.deepEqual(verdict, noVerdict())
      // Pages of a log that grows are not always parted alike, so the last offsets may lie beyond the end.
      assert.ok(made > offsets.length * 0.9, `only ${made} of ${offsets.length} connections were cut`)
    })
  }
})

function offsetsOf({ stride }: Course, bytes: number): number[] {
  if (SAMPLE === null) return Array.from({ length: Math.floor(bytes / stride) + 1 }, (_, i) => i * stride)
  const random = mulberry32(SEED.seed)
  return Array.from({ length: SAMPLE }, () => Math.floor(random() * (bytes + 1)))
}

/** Numbers from 0 to 1, the same for the same seed (https://gist.github.com/tommyettinger/46a874533244883189143505d203312c). */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
