/**
 * `npm run check`: lint, format and types. All run, whatever the others say.
 *
 * @module
 */
import { join } from 'node:path'
import { install, root, run } from './project.mjs'

const CHECKS = {
  lint: ['oxlint', '--type-aware', '--deny-warnings'],
  format: ['oxfmt', '--check'],
  types: ['tsc', '-p', 'tsconfig.json'],
  'types of the service worker': ['tsc', '-p', 'sw/tsconfig.json'],
}

await install()
await install('test')
const env = { PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` }
let failed = 0
for (const [title, [command, ...args]] of Object.entries(CHECKS)) {
  const { code, output } = await run(command, args, { env, quiet: true })
  console.log(`${code === 0 ? '✔' : '✖'} ${title}`)
  if (code === 0) continue
  failed++
  console.log(output.trim())
}
console.log(`${Object.keys(CHECKS).length - failed} checks passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
