import { expect } from '@open-wc/testing'
import { backoffMs, retryAfterMs } from '../../elements/client/backoff.ts'

describe('the wait between attempts', () => {
  it('is drawn from a range that doubles from half a second and never leaves 0.5 to 20 s', () => {
    for (let failures = 0; failures < 100; failures++) {
      expect(backoffMs(failures, () => 0, 0)).to.equal(500)
      expect(backoffMs(failures, () => 0.999_999, 0)).to.be.closeTo(
        Math.min(20_000, 500 + 500 * 2 ** failures),
        1,
      )
    }
  })

  it('is at least what the server asked for', () => {
    expect(backoffMs(0, () => 0, 2500)).to.equal(2500)
    expect(backoffMs(9, () => 0.9, 2500)).to.be.above(10_000)
  })

  it('is never longer than five minutes, whatever the server asks', () => {
    expect(backoffMs(0, () => 0, 1e12)).to.equal(300_000)
  })

  it('understands Retry-After as seconds and as a date', () => {
    const now = Date.parse('2026-01-01T00:00:00Z')
    expect(retryAfterMs('7', now)).to.equal(7000)
    expect(retryAfterMs('Thu, 01 Jan 2026 00:00:09 GMT', now)).to.equal(9000)
    for (const senseless of [null, 'soon', '-3', 'Thu, 01 Jan 2025 00:00:09 GMT'])
      expect(retryAfterMs(senseless, now)).to.equal(0)
  })
})
