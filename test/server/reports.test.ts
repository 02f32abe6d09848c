import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import { sparingly } from '../../server/reports.ts'
import { FakeClock } from './support.ts'

describe('a report to the operator', () => {
  const clock = new FakeClock()
  const said: string[] = []
  const report = sparingly(clock, ({ code, message }) => said.push(`${code} ${message}`))
  const times = (count: number, error: unknown): string[] => {
    said.length = 0
    for (let k = 0; k < count; k++) report(error)
    return said
  }

  it('of a store that is away is made once, and again when that goes on', async () => {
    const away = new LoomiError('store_unavailable', 'Nothing answers.')
    assert.deepEqual(times(100, away), ['store_unavailable Nothing answers.'])
    await clock.advance(9000)
    assert.deepEqual(times(1, away), [])
    assert.deepEqual(times(1, new LoomiError('store_unavailable', 'In other words.')).length, 1)
    await clock.advance(1000)
    assert.equal(times(2, away).length, 1)
  })

  it('of what is lost, or is nobody’s outage, is made each time', () => {
    assert.equal(times(3, new LoomiError('store_refused', 'Never.')).length, 3)
    assert.equal(times(3, new Error('a fault')).length, 3)
    assert.deepEqual(times(1, 'thrown'), ['internal thrown'])
  })
})
