import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { LoomiError } from '../../server/errors.ts'

/** The error of a call that must fail, every word of which is looked through for the key. */
export async function failure(work: () => Promise<unknown>, key = ''): Promise<LoomiError> {
  let failed: unknown
  try {
    await work()
  } catch (error) {
    failed = error
  }
  assert.ok(failed instanceof LoomiError, inspect(failed))
  if (key !== '') assert.equal(inspect(failed, { depth: 9, showHidden: true }).includes(key), false)
  return failed
}
