import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, afterEach, before, describe, it } from 'node:test'
import { prove } from '../proof.ts'
import { tempFolder } from '../server/support.ts'

const SCRIPT = new URL('../../scripts/proof.mjs', import.meta.url).href

describe('the table of what was proven', () => {
  const outer = process.env['LOOMI_TEST_PROOF']
  const folder = tempFolder()
  let file = ''
  let proofTable: (file: string) => string[]
  before(async () => {
    ;({ proofTable } = (await import(SCRIPT)) as { proofTable: typeof proofTable })
    file = folder.path('proofs')
    process.env['LOOMI_TEST_PROOF'] = file
  })
  afterEach(() => writeFileSync(file, ''))
  after(() => {
    if (outer === undefined) delete process.env['LOOMI_TEST_PROOF']
    else process.env['LOOMI_TEST_PROOF'] = outer
    folder.remove()
  })

  it('adds up what tests of one kind found, and has a dash where nobody looked', () => {
    prove({ of: 'cuts', run: 1000, lost: 0, duplicated: 2, reordered: 0 })
    prove({ of: 'schedules', run: 50, lost: 1, duplicated: 0, reordered: 0, unsignalled: 0 })
    prove({ of: 'cuts', run: 234, lost: 0, duplicated: 1, reordered: 0 })
    assert.deepEqual(proofTable(file), [
      '             run  lost  duplicated  reordered  unsignalled',
      'cuts       1,234     0           3          0            –',
      'schedules     50     1           0          0            0',
    ])
  })

  it('has a column of found ones only when planted bugs were looked for', () => {
    prove({ of: 'planted bugs', run: 34, found: 33 })
    assert.deepEqual(proofTable(file), ['              run  found', 'planted bugs   34     33'])
  })

  it('is empty when no test had numbers', () => {
    assert.deepEqual(proofTable(folder.path('nothing')), [])
  })
})
