/**
 * `npm run build`: the package by tsc and the browser files by Vite, into `dist/`.
 *
 * Everything is made in a folder beside it that takes its place at the end, so that a server which runs from
 * `dist/` never sees half a build and no file of a deleted source stays behind.
 *
 * @module
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'
import { filesIn, fingerprint, node, root, run } from './project.mjs'

const made = fingerprint()
const out = join(root, `dist-${process.pid}`)
// The element names the registration chunk by its hash, so that one is built first.
const modes = ['registration', 'element', 'sw', 'worker']
let failed = false
const tsc = join(root, 'node_modules/typescript/bin/tsc')
const types = run(node, [tsc, '-p', 'tsconfig.build.json', '--outDir', out], { alone: true })
// A signal that ends us half-way ends tsc too; until then it would write the folder anew.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => types.finally(() => process.exit(1)))
process.on('exit', () => rmSync(out, { recursive: true, force: true }))

for (const mode of modes) await browserFile(mode)
if ((await types).code !== 0) failed = true
copyStatic()
if (!failed) writeFileSync(join(out, '.stamp'), made)
takePlace()

for (const file of filesIn('dist/browser').filter((name) => name.endsWith('.js'))) {
  const code = readFileSync(join(root, file))
  console.log(`${file}  ${code.length} bytes, ${gzipSync(code, { level: 9 }).length} gzipped`)
}
process.exitCode = failed ? 1 : 0

async function browserFile(mode) {
  try {
    const configFile = join(root, 'vite.config.ts')
    await build({ root, mode, configFile, logLevel: 'warn', build: { outDir: join(out, 'browser') } })
  } catch (error) {
    failed = true
    console.error(`${mode}: ${error.message}`)
  }
}

/** What neither tool copies. */
function copyStatic() {
  mkdirSync(out, { recursive: true })
  for (const path of ['demo/page', 'elements/jsx.d.ts']) {
    if (existsSync(join(root, path))) cpSync(join(root, path), join(out, path), { recursive: true })
  }
  const command = join(out, 'server/cli.js')
  if (existsSync(command)) chmodSync(command, 0o755)
}

/** Another build may do the same at this moment: whoever comes last stays. */
function takePlace() {
  const dist = join(root, 'dist')
  const old = `${out}-old`
  for (let tries = 1; ; tries++) {
    try {
      if (existsSync(dist)) renameSync(dist, old)
      renameSync(out, dist)
      break
    } catch (error) {
      if (tries === 5) throw error
    } finally {
      rmSync(old, { recursive: true, force: true })
    }
  }
}
