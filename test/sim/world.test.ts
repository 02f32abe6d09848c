/** Virtual time: the order in which things happen. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Owner, World } from './world.ts'

describe('the world of the simulation', () => {
  it('does what fell due in a freeze before what falls due in the moment of the thaw', async () => {
    const world = new World()
    const page = new Owner('page')
    const done: string[] = []
    world.after(20, () => world.thaw(page))
    world.after(10, () => done.push('first piece'), page)
    world.after(20, () => done.push('second piece'), page)
    world.freeze(page)
    await world.run(30)
    assert.deepEqual(done, ['first piece', 'second piece'])
  })

  it('leaves out a timer that is cleared between the thaw and its turn', async () => {
    const world = new World()
    const page = new Owner('page')
    const clock = world.clockOf(page)
    let hasFired = false
    const timer = clock.setTimeout(() => (hasFired = true), 10)
    world.freeze(page)
    await world.run(20)
    world.thaw(page)
    clock.clearTimeout(timer)
    await world.run(20)
    assert.equal(hasFired, false)
    assert.equal(page.timers, 0)
  })

  it('knows only whole milliseconds, so that no rounding error puts one thing before another', async () => {
    const world = new World()
    const times: number[] = []
    world.after(0.1, () => {
      times.push(world.now)
      world.after(0.2, () => times.push(world.now))
    })
    await world.run(5)
    assert.deepEqual(times, [1, 2])
  })
})
