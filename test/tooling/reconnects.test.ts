import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const BENCH = fileURLToPath(new URL('../../bench/reconnects.ts', import.meta.url))
const CYCLES = process.env['LOOMI_TEST_FULL'] ? 10_000 : 200

describe('a connection that is over', () => {
  it(`leaves no listener, timer, handle or memory behind (${CYCLES} times)`, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [BENCH, String(CYCLES)], {
      encoding: 'utf8',
    })
    assert.equal(status, 0, stdout + stderr)
    assert.match(
      stdout,
      new RegExp(`^${CYCLES} cycles of connect and abort, [1-9]\\d* in the middle of a replay`),
    )
  })
})
