/**
 * `npm run test:kill`: kills the server, the producer, and one process that is both, before and after each of its writes.
 *
 *     npm run test:kill                     every boundary: some minutes
 *     npm run test:kill -- --every 10       every 10th
 */
import { parseArgs } from 'node:util'
import { findPoints, killAll, ROLES } from './kill-bench.ts'
import { addTo, isClean, noVerdict } from './truth.ts'

const { values } = parseArgs({ options: { every: { type: 'string', default: '1' } } })

const total = noVerdict()
let kills = 0
for (const role of ROLES) {
  const started = performance.now()
  const points = (await findPoints(role)).filter((_, i) => i % Number(values.every) === 0)
  const { kills: made, ...verdict } = await killAll(points)
  kills += made
  addTo(total, verdict)
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  console.log(`${role}: ${points.length} boundaries, ${made} kills, ${seconds} s`)
  for (const why of verdict.wrong.slice(0, 10)) console.log(`  ${why}`)
}
if (total.wrong.length > 0) console.log(`${total.wrong.length} things went wrong otherwise`)
console.log(
  `kills ${kills}: ${total.lost} lost, ${total.duplicated} duplicated, ${total.reordered} reordered`,
)
process.exitCode = isClean(total) && kills > 0 ? 0 : 1
