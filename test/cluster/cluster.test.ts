import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withoutPostgres } from '../databases/postgres.ts'
import { prove } from '../proof.ts'
import { SHARED_STORES } from './shared-stores.ts'
import { isTooLate, type Size, trialsOf, tryOut } from './trials.ts'

const SHORT: Size = { sessions: 4, chunks: 200, kills: 3, downMs: 1000, awayMs: 4000, silentMs: 6000 }

describe('three servers on one store show every event once and in order', { concurrency: 1 }, () => {
  for (const name of Object.keys(SHARED_STORES)) {
    const skip = name !== 'sqlite' && withoutPostgres()
    for (const trial of trialsOf(name))
      it(`when ${trial}: ${name}`, { skip }, async () => {
        const report = await tryOut(trial, name, SHORT)
        const { lost, duplicated, reordered, wrong, events, kills, withdrawn, lateMs } = report
        prove({ of: 'kills', run: kills, lost, duplicated, reordered })
        assert.deepEqual(
          { lost, duplicated, reordered, wrong },
          { lost: 0, duplicated: 0, reordered: 0, wrong: [] },
        )
        assert.ok(events > 0)
        // A server took with it what it showed before it was stored: this is what that trial is about.
        if (trial.includes('while')) assert.ok(withdrawn > 0)
        assert.ok(!isTooLate(trial, report), `${lateMs.at(-1)} ms late`)
      })
  }
})
