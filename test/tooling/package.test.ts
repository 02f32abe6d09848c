import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

const root = fileURLToPath(new URL('../..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { types: string }>
  bin: Record<string, string>
}
const quiet = ['--no-audit', '--no-fund', '--loglevel=error']
/** What a consumer imports, with the name that must be there. */
const NAMES: Readonly<Record<string, string>> = {
  '.': 'LoomiRecovery',
  './element': 'LoomiRecovery',
  './client': 'RecoveryClient',
  './server': 'createLoomi',
  './sw': 'startHeartbeat',
  './protocol': 'parseCursor',
}

describe('the npm package', () => {
  let folder = ''
  let tarball = ''
  let files: string[] = []

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'loomi-package-'))
    // The build is `npm test`'s work; packing must not replace it under other tests.
    const [packed] = JSON.parse(npm(root, 'pack', '--json', '--ignore-scripts', '--pack-destination', folder))
    tarball = join(folder, packed.filename)
    files = packed.files.map((file: { path: string }) => file.path)
    writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "type": "module", "private": true }')
    npm(folder, 'install', ...quiet, tarball)
  })

  after(() => rmSync(folder, { recursive: true }))

  it('holds a file for each of its public paths, and no more paths than the public ones', () => {
    const targets = Object.values(manifest.exports).map((to) => (typeof to === 'string' ? to : to.types))
    assert.deepEqual(
      targets.filter((to) => !files.includes(to.replace('./', ''))),
      [],
    )
    assert.deepEqual(Object.keys(manifest.exports), [...Object.keys(NAMES), './jsx', './package.json'])
  })

  it('holds no test, no script and no private file', () => {
    const folders = /^(?:dist|migrations|server|elements|sw|demo)\//
    const single = ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']
    assert.deepEqual(
      files.filter((file) => !folders.test(file) && !single.includes(file)),
      [],
    )
    assert.deepEqual(
      files.filter((file) => /\.test\.|tsconfig|\.stamp|node_modules/.test(file)),
      [],
    )
    assert.ok(files.includes('README.md') && files.includes('LICENSE') && files.includes('CHANGELOG.md'))
  })

  it('holds the browser files and the demo page', () => {
    const wanted = ['loomi-recovery.js', 'sw.js', 'worker.js'].map((name) => `dist/browser/${name}`)
    assert.deepEqual(
      [...wanted, 'dist/demo/page/index.html'].filter((name) => !files.includes(name)),
      [],
    )
  })

  it('names no folder of the machine that it was built on', () => {
    const naming = files.filter((file) => readFileSync(join(root, file), 'utf8').includes(root))
    assert.deepEqual(naming, [])
  })

  it('is to publint’s liking', async () => {
    const bytes = readFileSync(tarball)
    const pack = { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) }
    const { messages, pkg } = await publint({ pack, strict: true })
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg!)),
      [],
    )
  })

  for (const [path, name] of Object.entries(NAMES)) {
    const specifier = path.replace('.', 'loomi-recovery')
    it(`gives ${name} from '${specifier}' once installed, in Node too`, () => {
      const code = `const { ${name} } = await import('${specifier}'); console.log(typeof ${name})`
      assert.equal(execNode(folder, '--input-type=module', '--eval', code), 'function\n')
    })
  }

  for (const moduleResolution of ['bundler', 'nodenext']) {
    it(`brings types that a consumer can use with moduleResolution ${moduleResolution}`, () => {
      const imports = Object.entries(NAMES).map(
        ([path, name], at) => `import { ${name} as name${at} } from '${path.replace('.', 'loomi-recovery')}'`,
      )
      const uses = Object.keys(NAMES).map((_, at) => `name${at}`)
      const lines = [...imports, "import 'loomi-recovery/jsx'", `export const all = [${uses.join(', ')}]`]
      // A wrong type would pass unnoticed if everything were `any`.
      lines.push('// @ts-expect-error', 'name5(1)')
      writeFileSync(join(folder, 'consumer.ts'), `${lines.join('\n')}\n`)
      if (!existsSync(join(folder, 'types')))
        symlinkSync(join(root, 'node_modules/@types'), join(folder, 'types'))
      const module = moduleResolution === 'bundler' ? 'esnext' : 'nodenext'
      const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', '--module', module]
      options.push('--moduleResolution', moduleResolution, '--typeRoots', 'types', '--types', 'node')
      execNode(folder, join(root, 'node_modules/typescript/bin/tsc'), ...options, 'consumer.ts')
    })
  }

  it('installs the command', () => {
    for (const command of Object.keys(manifest.bin)) {
      const help = execFileSync(join(folder, 'node_modules/.bin', command), ['--help'], { encoding: 'utf8' })
      assert.match(help, /serve/)
      assert.match(help, /feed/)
    }
  })
})

describe('the lock files', () => {
  for (const file of ['package-lock.json', 'test/package-lock.json']) {
    it(`${file} names no registry`, () => {
      assert.doesNotMatch(readFileSync(join(root, file), 'utf8'), /"resolved": "https?:/)
    })
  }
})

function npm(cwd: string, ...args: string[]): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Runs Node and gives what it printed; throws with its output when it fails. */
function execNode(cwd: string, ...args: string[]): string {
  try {
    return execFileSync(process.execPath, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${stdout}${stderr}`, { cause: error })
  }
}
