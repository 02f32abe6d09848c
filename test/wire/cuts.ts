/**
 * `npm run test:cuts`: cuts a view off at every byte offset of a stream of 200 rows, in each course of events.
 *
 *     npm run test:cuts                          every offset: several minutes
 *     npm run test:cuts -- --every 50            every 50th
 *     npm run test:cuts -- --course replay       only courses whose names begin so
 */
import { parseArgs } from 'node:util'
import { COURSES, CutBench } from './cut-bench.ts'
import { addTo, isClean, noVerdict } from './truth.ts'

const { values } = parseArgs({
  options: { every: { type: 'string', default: '1' }, course: { type: 'string', default: '' } },
})
const every = Number(values.every)

const bench = await CutBench.start()
const total = noVerdict()
let cuts = 0
try {
  for (const course of COURSES.filter(({ name }) => name.startsWith(values.course))) {
    const started = performance.now()
    const bytes = await bench.measure(course)
    const step = every * course.stride
    const offsets = Array.from({ length: Math.floor(bytes / step) + 1 }, (_, i) => i * step)
    const report = await bench.run(course, offsets, (done) => {
      if (process.stdout.isTTY && done % 100 === 0)
        process.stdout.write(`\r${course.name}: ${done} of ${offsets.length}`)
    })
    if (process.stdout.isTTY) process.stdout.write('\r\x1b[K')
    const seconds = ((performance.now() - started) / 1000).toFixed(0)
    console.log(`${course.name}: ${bytes} bytes, ${report.cuts} cuts, ${seconds} s`)
    for (const why of report.wrong.slice(0, 10)) console.log(`  ${why}`)
    cuts += report.cuts
    addTo(total, report)
  }
} finally {
  await bench.close()
}
if (total.wrong.length > 0) console.log(`${total.wrong.length} views went wrong otherwise`)
console.log(`cuts ${cuts}: ${total.lost} lost, ${total.duplicated} duplicated, ${total.reordered} reordered`)
process.exitCode = isClean(total) && cuts > 0 ? 0 : 1
