/** The simulation must go on finding each planted bug, on the seed that found it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('planted.ts', import.meta.url))

it('every planted bug is found on its recorded seed', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, '--recorded'], { encoding: 'utf8' })
  assert.equal(status, 0, stdout + stderr)
})
