import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Script } from 'node:vm'
import { gzipSync } from 'node:zlib'

const folder = fileURLToPath(new URL('../../dist/browser', import.meta.url))
const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
const chunks = (): string[] => readdirSync(join(folder, 'assets')).filter((name) => name.endsWith('.js'))

describe('the browser files', () => {
  for (const name of ['loomi-recovery.js', 'sw.js', 'worker.js']) {
    it(`${name} is a classic script: no import, no export, no import.meta`, () => {
      assert.doesNotThrow(() => new Script(read(name), { filename: name }))
    })

    it(`${name} leaves no name behind in the page`, () => {
      assert.match(read(name), /^(?:\(function|\(\(\) ?=>|!function)/)
    })

    it(`${name} has a source map`, () => {
      assert.ok(existsSync(join(folder, `${name}.map`)))
      assert.match(read(name), new RegExp(`//# sourceMappingURL=${name}\\.map\\s*$`))
    })
  }

  it('loomi-recovery.js loads the registration lazily, from the one chunk beside it', () => {
    const lazy = [...read('loomi-recovery.js').matchAll(/\bimport\(([^)]*)\)/g)].map((match) => match[1])
    assert.equal(chunks().length, 1)
    assert.match(chunks()[0]!, /^registration-[\w-]{8}\.js$/)
    assert.deepEqual(lazy, [`\`./assets/${chunks()[0]}\``])
  })

  it('only the registration chunk holds workbox-window', () => {
    const holding = ['loomi-recovery.js', 'sw.js', 'worker.js', `assets/${chunks()[0]}`].filter((name) =>
      JSON.parse(read(`${name}.map`)).sources.some((source: string) => source.includes('/workbox-')),
    )
    assert.deepEqual(holding, [`assets/${chunks()[0]}`])
  })

  it('service worker and heartbeat worker hold neither Lit nor an element', () => {
    for (const name of ['sw.js', 'worker.js']) {
      const { sources } = JSON.parse(read(`${name}.map`)) as { sources: string[] }
      assert.deepEqual(
        sources.filter((source) => /\/(?:lit|lit-html|elements)\//.test(source)),
        [],
      )
    }
  })

  it('loomi-recovery.js holds the production build of Lit', () => {
    assert.doesNotMatch(read('loomi-recovery.js'), /Lit is in dev mode/)
  })

  it('are small: see the sizes', () => {
    for (const name of ['loomi-recovery.js', 'sw.js', 'worker.js', `assets/${chunks()[0]}`]) {
      const bytes = gzipSync(read(name), { level: 9 }).length
      console.log(`  ${name}: ${(bytes / 1000).toFixed(1)} kB gzipped`)
      assert.ok(bytes < (name === 'loomi-recovery.js' ? 40_000 : 8000), `${name} has grown to ${bytes} bytes`)
    }
  })
})
