/**
 * The table at the end of `npm test`: what was broken how often, and what that did to the views.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'

const COLUMNS = ['run', 'lost', 'duplicated', 'reordered', 'unsignalled', 'found']

/**
 * The table of the numbers that tests appended to a file (`test/proof.ts`), as lines; none when none did. A row has a
 * dash where nobody looked, a column that nobody filled is left out.
 */
export function proofTable(file) {
  const sums = new Map()
  for (const { of, ...counts } of proofsIn(file)) {
    const sum = sums.get(of) ?? {}
    for (const [name, count] of Object.entries(counts)) sum[name] = (sum[name] ?? 0) + count
    sums.set(of, sum)
  }
  if (sums.size === 0) return []
  const columns = COLUMNS.filter((name) => [...sums.values()].some((sum) => name in sum))
  const rows = [...sums].map(([of, sum]) => [of, ...columns.map((name) => cell(sum[name]))])
  return aligned([['', ...columns], ...rows])
}

function proofsIn(file) {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line))
}

function cell(count) {
  return count === undefined ? '–' : count.toLocaleString('en')
}

/** The first column to the left, the others to the right. */
function aligned(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows.map((row) =>
    row.map((text, i) => (i === 0 ? text.padEnd(widths[0]) : text.padStart(widths[i]))).join('  '),
  )
}
