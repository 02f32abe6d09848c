import { expect } from '@open-wc/testing'
import { register, RegistrationError } from '../../sw/registration.ts'
import { Base } from './support.ts'

describe('register', () => {
  let base: Base

  beforeEach(() => {
    base = new Base()
  })

  afterEach(() => base.clear())

  function refused(timeoutMs?: number): Promise<RegistrationError> {
    return register(location.origin + base.path, timeoutMs).then(
      () => expect.fail('it was registered'),
      (error: RegistrationError) => error,
    )
  }

  it('gives an active registration of the default scope, the same one each time', async () => {
    const [one, two] = await Promise.all([
      register(location.origin + base.path),
      register(location.origin + base.path),
    ])
    expect(one).to.equal(two)
    expect(one.active?.scriptURL).to.equal(`${location.origin}${base.path}/sw.js`)
    expect(one.scope).to.equal(`${location.origin}${base.path}/`)
    expect(one.updateViaCache).to.equal('none')
  })

  it('says so when there is no script, and tries again later', async () => {
    await base.set({ missing: ['sw.js'] })
    const error = await refused()
    expect(error).to.be.instanceOf(RegistrationError)
    expect(error).to.include({ code: 'sw_failed' })
    expect(error.cause).to.be.instanceOf(Error)
    await base.set({ missing: [] })
    expect((await register(location.origin + base.path)).active).not.to.equal(null)
  })

  it('gives up when the service worker is not active in time', async () => {
    expect(await refused(0)).to.include({ code: 'sw_timeout' })
  })
})
