import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Poll } from '../../server/poll.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { FakeClock, settle, storeWith } from './support.ts'

/** A poll of a store that can be down, with what it looked at. */
function scene(): {
  clock: FakeClock
  poll: Poll
  looks: (readonly string[])[]
  fail: (isDown: boolean) => void
  errors: () => number
} {
  const clock = new FakeClock()
  const looks: (readonly string[])[] = []
  let isDown = false
  let errors = 0
  const poll = new Poll({
    store: storeWith(openSqlite(':memory:'), { watch: () => () => undefined }),
    clock,
    look: async (sessionIds) => {
      await Promise.resolve()
      if (isDown) throw new Error('Down.')
      looks.push([...(sessionIds ?? ['all'])])
    },
    onPoll: () => undefined,
    onError: () => errors++,
  })
  return { clock, poll, looks, fail: (down) => (isDown = down), errors: () => errors }
}

describe('the poll', () => {
  it('looks soon again at what it could not look at, and at what was hinted meanwhile', async () => {
    const { clock, poll, looks, fail, errors } = scene()
    poll.start()
    fail(true)
    poll.now(new Set(['a']))
    poll.now(new Set(['b']))
    await clock.advance(200)
    poll.now(new Set(['c']))
    fail(false)
    await clock.advance(800)
    assert.deepEqual(looks, [['b', 'a', 'c']])
    assert.equal(errors(), 1)
    poll.stop()
  })

  it('tries a few times a second at most while the store is down', async () => {
    const { clock, poll, fail, errors } = scene()
    poll.start()
    fail(true)
    for (let i = 0; i < 50; i++) {
      poll.now(new Set([`${i}`]))
      await clock.advance(100)
    }
    assert.ok(errors() >= 5 && errors() <= 20, `${errors()} tries in 5 s`)
    poll.stop()
  })

  it('gives up when nobody watches any more, and begins anew with the next who does', async () => {
    const { clock, poll, looks, fail } = scene()
    poll.start()
    fail(true)
    poll.now(new Set(['a']))
    await settle()
    poll.stop()
    await settle()
    assert.equal(clock.pending, 0)
    fail(false)
    poll.start()
    poll.now(new Set(['b']))
    await settle()
    assert.deepEqual(looks, [['b']])
    poll.stop()
  })
})
