/**
 * A reporter for `node --test`: one line per file, whole stories of failures, and the sums for `npm test` in the
 * file that LOOMI_TEST_COUNTS names.
 *
 * @module
 */
import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { inspect } from 'node:util'

export default async function* countNode(source) {
  const files = new Map()
  const path = []
  for await (const { type, data } of source) {
    if (type === 'test:start') path[data.nesting] = data.name
    if (type === 'test:stdout' || type === 'test:stderr') yield data.message
    // What broke after its test had ended is told only here.
    if (type === 'test:diagnostic' && /^(Error|Warning):/.test(data.message)) yield `${data.message}\n`
    if (type !== 'test:pass' && type !== 'test:fail') continue

    const counts = countsOf(files, data.file)
    if (data.nesting === 0) counts.ms += data.details.duration_ms
    const outcome = outcomeOf(type, data)
    if (outcome === null) continue
    counts[outcome]++
    const name = [...path.slice(0, data.nesting), data.name].join(' › ')
    if (outcome === 'skipped') yield `- ${name}: skipped${reason(data.skip ?? data.todo)}\n`
    if (outcome === 'failed') yield `✖ ${name}  ${place(data)}\n${story(type, data)}\n`
  }
  const sum = { passed: 0, failed: 0, skipped: 0 }
  for (const [file, counts] of files) {
    for (const key of Object.keys(sum)) sum[key] += counts[key]
    yield summary(file, counts)
  }
  if (process.env.LOOMI_TEST_COUNTS)
    writeFileSync(process.env.LOOMI_TEST_COUNTS, JSON.stringify({ node: sum }))
}

/** What a result counts as; null when its own tests have been counted already. */
function outcomeOf(type, data) {
  if (type === 'test:fail') return data.details.error?.failureType === 'subtestsFailed' ? null : 'failed'
  if (isFile(data)) return 'failed'
  if (data.details.type === 'suite') return null
  return data.skip !== undefined || data.todo !== undefined ? 'skipped' : 'passed'
}

/** The runner reports a file as if it were a test when it held none, or when its process broke. */
function isFile(data) {
  return data.nesting === 0 && data.file !== undefined && data.file.endsWith(data.name.replace(/^\.\//, ''))
}

function countsOf(files, path) {
  const file = path ? relative(process.cwd(), path) : '(no file)'
  if (!files.has(file)) files.set(file, { passed: 0, failed: 0, skipped: 0, ms: 0 })
  return files.get(file)
}

function story(type, data) {
  const error = data.details.error
  const text =
    type === 'test:pass' ? 'There is no test in this file.' : inspect(error?.cause ?? error, { depth: 8 })
  return text.replace(/^/gm, '    ')
}

function place({ file, line }) {
  return file && line ? `${relative(process.cwd(), file)}:${line}` : ''
}

function reason(why) {
  return typeof why === 'string' && why !== '' ? ` (${why})` : ''
}

function summary(file, { passed, failed, skipped, ms }) {
  const rest = `${failed ? `, ${failed} failed` : ''}${skipped ? `, ${skipped} skipped` : ''}`
  return `${failed ? '✖' : '✔'} ${file}  ${passed} passed${rest}  ${(ms / 1000).toFixed(1)} s\n`
}
