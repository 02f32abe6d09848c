/**
 * `npm run test:cluster`: three servers on one store, viewers that move between them, and what may befall them.
 *
 *     npm run test:cluster                                     every trial on every store: some minutes
 *     npm run test:cluster -- --store postgres --trial servers only those whose names begin so
 */
import { parseArgs } from 'node:util'
import { addTo, isClean, noVerdict } from '../wire/truth.ts'
import { SHARED_STORES } from './shared-stores.ts'
import { isTooLate, type Size, trialsOf, tryOut } from './trials.ts'

const { values } = parseArgs({
  options: { store: { type: 'string', default: '' }, trial: { type: 'string', default: '' } },
})
const LONG: Size = { sessions: 8, chunks: 3000, kills: 20, downMs: 10_000, awayMs: 10_000, silentMs: 60_000 }

const total = { ...noVerdict(), events: 0, kills: 0 }
let isLate = false
for (const name of Object.keys(SHARED_STORES).filter((name) => name.startsWith(values.store))) {
  for (const trial of trialsOf(name).filter((trial) => trial.startsWith(values.trial))) {
    const report = await tryOut(trial, name, LONG)
    const { events, views, kills, withdrawn, lateMs, wrong } = report
    const late = (part: number): string => `${lateMs[Math.floor((lateMs.length - 1) * part)]} ms`
    console.log(
      `${name}, ${trial}: ${events} events, ${views} views, ${kills} kills, ${withdrawn} withdrawn; shown after it was stored: ` +
        `p50 ${late(0.5)}, p99 ${late(0.99)}, at most ${late(1)}`,
    )
    for (const why of wrong.slice(0, 10)) console.log(`  ${why}`)
    if (isTooLate(trial, report)) {
      isLate = true
      console.log('  too late')
    }
    addTo(total, report)
    total.events += events
    total.kills += kills
  }
}
const { lost, duplicated, reordered, events, kills } = total
console.log(
  `${events} events, ${kills} kills: ${lost} lost, ${duplicated} duplicated, ${reordered} reordered`,
)
process.exitCode = isClean(total) && events > 0 && !isLate ? 0 : 1
