import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { thaw, withoutFrozenFiles, withoutSmallDisk } from '../databases/small-disk.ts'
import { tempFolder } from '../server/support.ts'

const MODULE = JSON.stringify(new URL('../databases/small-disk.ts', import.meta.url))
/** As many as Node warns of. */
const DISKS = 11

describe('disks in trouble', { timeout: 30_000 }, () => {
  const skip = withoutSmallDisk() || withoutFrozenFiles()
  it('are gone, and frozen files thawed, when the process that made them is ended', { skip }, async (t) => {
    const folder = tempFolder()
    const path = folder.path('frozen')
    t.after(() => {
      thaw([path])
      folder.remove()
    })
    writeFileSync(path, '')
    const script = `import { freeze, SmallDisk } from ${MODULE}
      freeze([${JSON.stringify(path)}])
      const disks = Array.from({ length: ${DISKS} }, () => new SmallDisk(1))
      console.log(disks.map(({ folder }) => folder).join())
      setInterval(() => undefined, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script])
    let [out, err] = ['', '']
    child.stderr.on('data', (bytes) => (err += bytes))
    child.stdout.on('data', (bytes) => {
      out += bytes
      if (out.endsWith('\n')) child.kill('SIGTERM')
    })
    await new Promise((resolve) => child.once('close', resolve))
    assert.doesNotMatch(err, /MaxListeners|Error/)
    assert.equal(out.split(',').length, DISKS)
    assert.deepEqual(out.trim().split(',').filter(existsSync), [])
    writeFileSync(path, 'x')
  })
})
