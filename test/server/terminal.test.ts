import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { describe, it } from 'node:test'
import { Output, wantsColours } from '../../server/cli/terminal.ts'
import { settle } from './support.ts'

/** A reader that takes the next piece when it is told to. */
class SlowReader extends Writable {
  taken = ''
  #take: (() => void) | null = null

  constructor() {
    super({ highWaterMark: 4 })
  }

  override _write(chunk: Buffer, _: unknown, done: () => void): void {
    this.#take = () => {
      this.taken += chunk.toString()
      done()
    }
  }

  async take(): Promise<void> {
    this.#take?.()
    await settle()
  }
}

describe('Output', () => {
  /** What has become of a promise. */
  const stateOf = async (work: Promise<unknown>): Promise<string> => {
    return Promise.race([work.then(() => 'done').catch(() => 'failed'), settle().then(() => 'waiting')])
  }

  it('waits as long as its reader is behind', async () => {
    const reader = new SlowReader()
    const out = new Output(reader, new AbortController().signal)
    assert.equal(await stateOf(out.write('ab')), 'done')
    const behind = out.write('cdef')
    assert.equal(await stateOf(behind), 'waiting')
    await reader.take()
    await reader.take()
    assert.equal(await stateOf(behind), 'done')
    assert.equal(reader.taken, 'abcdef')
  })

  it('is flushed when all of it was taken, however little that is', async () => {
    const reader = new SlowReader()
    const out = new Output(reader, new AbortController().signal)
    await out.write('ab')
    const flushed = out.flush()
    assert.equal(await stateOf(flushed), 'waiting')
    await reader.take()
    await reader.take()
    assert.equal(await stateOf(flushed), 'done')
    assert.equal(reader.taken, 'ab')
  })

  it('waits for nothing once it is time to leave', async () => {
    const leave = new AbortController()
    const out = new Output(new SlowReader(), leave.signal)
    const behind = out.write('abcdef')
    const flushed = out.flush()
    leave.abort()
    assert.equal(await stateOf(behind), 'failed')
    assert.equal(await stateOf(flushed), 'done')
    await out.write('x'.repeat(10))
    await out.flush()
  })
})

describe('Colours', () => {
  const cases: [boolean, Record<string, string>, boolean][] = [
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: '1' }, false],
    [true, { NO_COLOR: '' }, true],
    [true, { TERM: 'dumb' }, false],
    [false, { FORCE_COLOR: '1' }, true],
    [true, { FORCE_COLOR: '0' }, false],
    [false, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
  ]
  for (const [isTerminal, env, wanted] of cases) {
    it(`are ${wanted ? 'wanted' : 'not wanted'} ${isTerminal ? 'on a terminal' : 'in a pipe'} with ${JSON.stringify(env)}`, () => {
      assert.equal(wantsColours(isTerminal, env), wanted)
    })
  }
})
