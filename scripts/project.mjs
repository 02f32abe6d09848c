/**
 * What the scripts share: where things lie, and how to install and build only when that is needed.
 * They are started by whatever Node the machine has, so they are plain JavaScript for Node 20 and later.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's folder. */
export const root = fileURLToPath(new URL('..', import.meta.url))

/** The Node that the project pins; it is there after {@link install}. */
export const node = join(root, 'node_modules/.bin/node')

/** Where a build leaves the fingerprint of the sources that it was made of. */
export const buildStamp = join(root, 'dist/.stamp')

/**
 * Installs a folder's packages exactly as locked, unless npm did so after the lock file was last written.
 * Throws with npm's whole output when that fails.
 */
export async function install(folder = '.') {
  const at = join(root, folder)
  // npm writes this file last, so an install that was cut short does not count.
  const installed = modified(join(at, 'node_modules/.package-lock.json'))
  if (installed !== 0 && installed >= modified(join(at, 'package-lock.json'))) return
  const what = folder === '.' ? 'packages' : `packages of ${folder}/`
  await step(`Installing ${what}`, 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: at })
}

/** Builds `dist/` unless it was made of these very sources. Throws with the tools' output when that fails. */
export async function build() {
  if (existsSync(buildStamp) && readFileSync(buildStamp, 'utf8') === fingerprint()) return
  await step('Building', node, [join(root, 'scripts/build.mjs')])
}

/** A hash of everything that decides what a build makes. */
export function fingerprint() {
  const files = [
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'vite.config.ts',
    'scripts/build.mjs',
  ]
  for (const folder of ['server', 'elements', 'sw', 'demo']) files.push(...filesIn(folder))
  const hash = createHash('sha256')
  for (const file of files.toSorted()) hash.update(`${file}\n`).update(readFileSync(join(root, file)))
  return hash.digest('hex')
}

/** All files below a folder of the repository, as paths from its root with slashes; none when it isn't there. */
export function filesIn(folder) {
  if (!existsSync(join(root, folder))) return []
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath ?? entry.path, entry.name)
        .slice(root.length)
        .replaceAll('\\', '/'),
    )
    .filter((path) => !path.includes('node_modules/'))
    .toSorted()
}

/** Runs a command behind one progress line; shows its output only when it fails, and then throws. */
export async function step(title, command, args, options = {}) {
  const started = performance.now()
  process.stdout.write(`${title} … `)
  const { code, output } = await run(command, args, { ...options, quiet: true })
  if (code === 0) {
    console.log(`${((performance.now() - started) / 1000).toFixed(1)} s`)
    return
  }
  console.log('failed')
  throw new Error(`${output.trim()}\n\n"${[command, ...args].join(' ')}" ended with code ${code}.`)
}

/**
 * Runs a command to its end and tells its exit code. SIGINT and SIGTERM that reach us are handed on to it.
 * `quiet` collects what it prints instead of showing it. `alone` gives it a process group of its own, of which
 * nothing is left running afterwards. After `timeoutMs` it is ended, with code 124.
 */
export function run(
  command,
  args,
  { cwd = root, env = {}, quiet = false, alone = false, timeoutMs = 0 } = {},
) {
  const stdio = quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit'
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio, detached: alone })
  const chunks = []
  child.stdout?.on('data', (chunk) => chunks.push(chunk))
  child.stderr?.on('data', (chunk) => chunks.push(chunk))
  const send = (signal) => {
    try {
      process.kill(alone ? -child.pid : child.pid, signal)
    } catch {
      // It has ended already.
    }
  }
  process.on('SIGINT', send).on('SIGTERM', send)
  let late = false
  const timers = []
  const end = () => {
    late = true
    send('SIGTERM')
  }
  if (timeoutMs > 0) timers.push(setTimeout(end, timeoutMs), setTimeout(send, timeoutMs + 10_000, 'SIGKILL'))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      timers.forEach(clearTimeout)
      process.off('SIGINT', send).off('SIGTERM', send)
      if (alone) send('SIGKILL')
      // As shells do: 128 and the signal's number.
      const ended = code ?? 128 + (constants.signals[signal] ?? 0)
      resolve({ code: late ? 124 : ended, output: Buffer.concat(chunks).toString() })
    })
  })
}

function modified(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
