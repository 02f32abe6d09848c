import { expect } from '@open-wc/testing'
import type { ReactiveControllerHost } from 'lit'
import { CAUGHT_UP_MS, IndicatorController, PATIENCE_MS } from '../../elements/indicator.ts'
import type { Snapshot } from '../../elements/client/types.ts'
import { aSnapshot, FakeClock } from './builders.ts'

interface Host extends ReactiveControllerHost {
  isConnected: boolean
}

function anIndicator(): {
  readonly indicator: IndicatorController
  readonly clock: FakeClock
  readonly host: Host
  readonly updates: () => number
} {
  let updates = 0
  const host = {
    isConnected: true,
    addController: () => {},
    requestUpdate: () => void updates++,
  } as unknown as Host
  const clock = new FakeClock()
  return { indicator: new IndicatorController(host, clock), clock, host, updates: () => updates }
}

const waiting = (attempt: number, given: Partial<Snapshot> = {}): Snapshot =>
  aSnapshot({ state: 'waiting', attempt, ...given })

describe('IndicatorController', () => {
  it('says nothing of a restored view, a first connect and a live stream', () => {
    const { indicator } = anIndicator()
    for (const state of ['idle', 'connecting', 'replaying', 'live', 'complete'] as const) {
      indicator.follow(aSnapshot({ state }))
      expect(indicator.indication).to.deep.equal({ kind: 'none' })
    }
  })

  it('shows how far the replay of missed events is', () => {
    const { indicator } = anIndicator()
    indicator.follow(aSnapshot({ state: 'replaying', missed: 42, caughtUp: 7 }))
    expect(indicator.indication).to.deep.equal({ kind: 'catching-up', missed: 42, caughtUp: 7 })
  })

  it('says "Caught up" for two seconds, then leaves', () => {
    const { indicator, clock, updates } = anIndicator()
    indicator.follow(aSnapshot({ missed: 3 }))
    indicator.replayEnded(3)
    clock.advance(CAUGHT_UP_MS - 1)
    expect(indicator.indication).to.deep.equal({ kind: 'caught-up' })
    const before = updates()
    clock.advance(1)
    expect(indicator.indication).to.deep.equal({ kind: 'none' })
    expect(updates()).to.equal(before + 1)
  })

  it('stays away after a replay of nothing', () => {
    const { indicator } = anIndicator()
    indicator.follow(aSnapshot())
    indicator.replayEnded(0)
    expect(indicator.indication).to.deep.equal({ kind: 'none' })
  })

  it('tells nobody of a blip', () => {
    const { indicator, clock } = anIndicator()
    indicator.follow(waiting(1))
    clock.advance(PATIENCE_MS - 1)
    expect(indicator.indication).to.deep.equal({ kind: 'none' })
    indicator.follow(aSnapshot())
    clock.advance(PATIENCE_MS)
    expect(indicator.indication).to.deep.equal({ kind: 'none' })
    expect(clock.pending).to.equal(0)
  })

  it('says "Reconnecting" through all attempts of one trouble without starting over', () => {
    const { indicator, clock } = anIndicator()
    indicator.follow(waiting(1))
    clock.advance(PATIENCE_MS / 2)
    indicator.follow(aSnapshot({ state: 'connecting', attempt: 1 }))
    clock.advance(PATIENCE_MS / 2)
    expect(indicator.indication).to.deep.equal({ kind: 'reconnecting' })
    indicator.follow(waiting(2))
    expect(indicator.indication).to.deep.equal({ kind: 'reconnecting' })
    indicator.follow(aSnapshot())
    expect(indicator.indication).to.deep.equal({ kind: 'none' })
  })

  it('tells being offline and being served elsewhere from reconnecting', () => {
    const { indicator, clock } = anIndicator()
    indicator.follow(waiting(1, { state: 'offline' }))
    clock.advance(PATIENCE_MS)
    expect(indicator.indication).to.deep.equal({ kind: 'offline' })
    indicator.follow(waiting(0, { error: { code: 'superseded', message: '' } }))
    expect(indicator.indication).to.deep.equal({ kind: 'elsewhere' })
  })

  it('says at once why nothing more will be tried', () => {
    const { indicator } = anIndicator()
    indicator.follow(aSnapshot({ state: 'failed', error: { code: 'forbidden', message: 'Sign in.' } }))
    expect(indicator.indication).to.deep.equal({ kind: 'failed', message: 'Sign in.' })
  })

  it('stays as it is when the element is moved', async () => {
    for (const [state, kind] of [
      ['offline', 'offline'],
      ['live', 'caught-up'],
    ] as const) {
      const { indicator, clock } = anIndicator()
      indicator.follow(aSnapshot({ state }))
      clock.advance(PATIENCE_MS)
      indicator.replayEnded(3)
      indicator.hostDisconnected()
      await Promise.resolve()
      expect(indicator.indication).to.deep.equal({ kind })
      clock.advance(CAUGHT_UP_MS)
      expect(indicator.indication.kind).to.equal(state === 'live' ? 'none' : kind)
    }
  })

  it('lets all timers go when the element leaves', async () => {
    const { indicator, clock, host } = anIndicator()
    indicator.follow(waiting(1))
    indicator.replayEnded(3)
    host.isConnected = false
    indicator.hostDisconnected()
    await Promise.resolve()
    expect(clock.pending).to.equal(0)
  })
})
