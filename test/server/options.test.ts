import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import { createLoomi, type LoomiOptions } from '../../server/loomi.ts'
import { tickets } from '../../server/tickets.ts'
import { makeWorld, REF, rowsOf, request } from './support.ts'

describe('createLoomi', () => {
  for (const name of ['disconnectThresholdMs', 'pileUp', 'heartbeatMs'] as const) {
    for (const value of [-1, Number.NaN, 'x']) {
      it(`refuses ${name}: ${value}`, () => {
        const options = { store: ':memory:', [name]: value } as unknown as LoomiOptions
        assert.throws(
          () => createLoomi(options),
          (error) =>
            error instanceof LoomiError && error.code === 'bad_option' && error.message.startsWith(name),
        )
      })
    }
  }

  it('refuses to be made without a secret for its tickets', () => {
    assert.throws(
      () => createLoomi({ store: ':memory:', authorize: tickets(process.env['NO_SUCH_SECRET']) }),
      /LOOMI_SECRET/,
    )
  })

  it('answers at another base', async () => {
    const { loomi } = makeWorld({ base: '/recovery' })
    const path = '/stream/s?user_id=ada&follow=0'
    assert.equal((await request(loomi, `http://localhost/recovery${path}`)).status, 200)
    assert.equal((await request(loomi, path)).status, 404)
  })

  it('says on the console what nobody else wants to hear', async (t) => {
    const { mock } = t.mock.method(console, 'error', () => undefined)
    const loomi = createLoomi({ store: ':memory:' })
    loomi.session(REF).message('mine')
    const stranger = loomi.session({ ...REF, userId: 'eve' })
    await loomi.session(REF).end()
    stranger.message('not mine')
    await stranger.end()
    await loomi.close()
    assert.deepEqual(
      mock.calls.map(({ arguments: [text] }) => String(text).split(': ').slice(0, 2)),
      [['loomi-recovery', 'not_owner']],
    )
  })

  it('stores what is pending when it closes', async () => {
    const { loomi, store } = makeWorld()
    const session = loomi.session(REF)
    session.message('a', { part: 'm' })
    session.message('b', { part: 'm' })
    await loomi.close()
    assert.deepEqual(
      (await rowsOf(store)).map(({ event_data }) => event_data),
      ['"a"', '"b"', '{"status":"interrupted"}'],
    )
  })

  it('leaves a store open that was given as one', async () => {
    const { loomi, store } = makeWorld()
    await loomi.close()
    assert.deepEqual(await store.heads([REF]), [null])
  })
})
