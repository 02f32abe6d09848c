import { expect } from '@open-wc/testing'
import { Credential } from '../../sw/credential.ts'
import { FakeClock } from './support.ts'

describe('Credential', () => {
  let clock: FakeClock
  let asked: boolean[]
  let failures: string[]
  let answer: () => ReturnType<NonNullable<ConstructorParameters<typeof Credential>[0]>>

  beforeEach(() => {
    clock = new FakeClock()
    asked = []
    failures = []
    answer = () => `token ${asked.length}`
  })

  function make(): Credential {
    return new Credential(
      (renew) => {
        asked.push(renew)
        return answer()
      },
      ({ code }) => failures.push(code),
      clock,
    )
  }

  it('asks once, and again when it is to be renewed', async () => {
    const credential = make()
    expect(await credential.get(false)).to.equal('token 1')
    expect(await credential.get(false)).to.equal('token 1')
    expect(await credential.get(true)).to.equal('token 2')
    expect(credential.last).to.equal('token 2')
    expect(asked).to.deep.equal([false, true])
    expect(clock.next).to.equal(null)
  })

  it('is null without anybody to ask', async () => {
    expect(await new Credential(undefined, () => {}, clock).get(true)).to.equal(null)
  })

  it('keeps the last one and says so when the app throws or rejects', async () => {
    const credential = make()
    await credential.get(false)
    answer = () => Promise.reject(new Error('no network'))
    expect(await credential.get(true)).to.equal('token 1')
    answer = () => {
      throw new Error('oops')
    }
    expect(await credential.get(true)).to.equal('token 1')
    expect(failures).to.deep.equal(['token_failed', 'token_failed'])
  })

  it('waits 10 s for the app, then goes on with the last one', async () => {
    const credential = make()
    answer = () => new Promise(() => {})
    let got: string | null | undefined
    const asking = credential.get(false).then((token) => (got = token))
    await clock.pass(9999)
    expect(got).to.equal(undefined)
    await clock.pass(1)
    await asking
    expect(got).to.equal(null)
    expect(failures).to.deep.equal(['token_failed'])
  })
})
