import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { askBoth, makeWorld, request } from './support.ts'

describe('without authorize', () => {
  const hosts: [string, number][] = [
    ['http://localhost', 200],
    ['http://localhost:8787', 200],
    ['http://127.0.0.1:8787', 200],
    ['http://127.8.9.10', 200],
    ['http://[::1]:8787', 200],
    ['http://app.localhost', 200],
    ['http://example.org', 403],
    ['http://localhost.example.org', 403],
    ['http://127.0.0.1.example.org', 403],
    ['http://192.168.1.5', 403],
    ['http://0.0.0.0', 403],
  ]
  for (const [origin, status] of hosts) {
    it(`a request to ${origin} is answered ${status}`, async () => {
      const { loomi } = makeWorld()
      const response = await request(loomi, `${origin}/api/loomi/stream/s?user_id=ada`)
      assert.equal(response.status, status)
      if (status === 403)
        assert.match(await response.text(), /"not_loopback".*Give createLoomi an `authorize`/)
      else await response.body!.cancel()
    })
  }

  const headers: [string, Record<string, string>, number][] = [
    ['of a page on this machine', { origin: 'http://localhost:5173' }, 200],
    ['of a page elsewhere', { origin: 'https://evil.example' }, 403],
    ['of a page that hides where it is from', { origin: 'null' }, 403],
    ['that a proxy forwarded', { 'x-forwarded-for': '203.0.113.9' }, 403],
    ['that a proxy forwarded from this machine', { 'x-forwarded-for': '127.0.0.1' }, 403],
    ['that another proxy forwarded', { forwarded: 'for=203.0.113.9' }, 403],
  ]
  for (const [name, extra, status] of headers) {
    it(`a request ${name} is answered ${status}, on both endpoints`, async () => {
      const { loomi } = makeWorld()
      for (const response of await askBoth(loomi, extra)) {
        assert.equal(response.status, status)
        await response.body?.cancel()
      }
    })
  }

  for (const [address, status] of [
    ['127.0.0.1', 200],
    ['::1', 200],
    ['::ffff:127.0.0.1', 200],
    ['192.168.1.5', 403],
    ['::ffff:10.0.0.1', 403],
    ['2001:db8::1', 403],
  ] as const) {
    it(`a connection from ${address} is answered ${status}`, async () => {
      const { loomi } = makeWorld()
      const env = { incoming: { socket: { remoteAddress: address } } }
      const response = await loomi.routes.fetch(new Request('http://localhost/stream/s?user_id=ada'), env)
      assert.equal(response.status, status)
      await response.body?.cancel()
    })
  }

  it('a stream names its user', async () => {
    const { loomi } = makeWorld()
    for (const query of ['', '?user_id=', `?user_id=${'x'.repeat(129)}`, '?user_id=%00']) {
      const response = await request(loomi, `/stream/s${query}`)
      assert.equal(response.status, 400)
      assert.match(await response.text(), /add \?user_id=/)
    }
  })
})
