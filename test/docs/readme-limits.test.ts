/**
 * The numbers in README's prose, each at its edge.
 */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { DocPage } from './blocks.ts'
import { build } from './project.ts'

const readme = DocPage.read('README.md')
type Server = typeof import('../../dist/server/index.js')

describe('README’s numbers', () => {
  let server: Server
  before(async () => {
    build()
    server = await import('../../dist/server/index.js')
  })

  it('an event’s data', () => {
    const kib = numberIn(/An event has at most (\d+) KiB of data/)
    const session = server.createLoomi({ store: ':memory:' }).session({ sessionId: 's-42', userId: 'ada' })
    // Two bytes are the quotes around it.
    session.message('x'.repeat(kib * 1024 - 2))
    assert.throws(() => session.message('x'.repeat(kib * 1024 - 1)), { code: 'event_too_large' })
  })

  it('a heartbeat', async () => {
    const kib = numberIn(/a heartbeat (\d+) KiB/)
    const loomi = server.createLoomi({ store: ':memory:' })
    const beat = (bytes: number): Promise<Response> | Response => {
      const body = JSON.stringify({ user_id: 'ada', session_id: 's-42' })
      const headers = { 'Content-Type': 'application/json' }
      const url = 'http://localhost/api/loomi/heartbeat'
      return loomi.fetch(new Request(url, { method: 'POST', headers, body: body.padEnd(bytes) }))
    }
    assert.equal((await beat(kib * 1024)).status, 200)
    assert.equal((await beat(kib * 1024 + 1)).status, 413)
    await loomi.close()
  })

  it('open streams of a user in a session', async () => {
    const most = numberIn(/a user (\d+) open streams in a session/)
    const loomi = server.createLoomi({ store: ':memory:' })
    const open = (user: string): Promise<Response> | Response =>
      loomi.fetch(new Request(`http://localhost/api/loomi/stream/s-42?user_id=${user}`))
    const first = await open('ada')
    for (let i = 1; i < most; i++) await open('ada')
    await open('bob')
    const oldest = first.body!.pipeThrough(new TextDecoderStream()).getReader()
    assert.match((await oldest.read()).value!, /"type":"no_replay"/)
    const next = oldest.read()
    assert.equal(await Promise.race([next, new Promise((resolve) => setImmediate(resolve, 'open'))]), 'open')
    await open('ada')
    assert.match((await next).value!, /"type":"superseded"/)
    assert.equal((await oldest.read()).done, true)
    await loomi.close()
  })

  it('the minutes of a ticket', async () => {
    assert.match(readme.text, /good for at most ten minutes/)
    let now = 0
    const tickets = server.tickets('a secret of more than 16 characters', { now: () => now })
    const ticket = await tickets.issue({ userId: 'ada', sessionId: 's-42', ttlMs: 3_600_000 })
    const request = new Request('http://localhost/', { headers: { Authorization: `Bearer ${ticket}` } })
    const claim = { sessionId: 's-42', userId: null }
    now = 10 * 60_000 - 1
    assert.ok(await tickets(request, claim))
    now = 10 * 60_000
    assert.equal(await tickets(request, claim), null)
  })

  it('the characters of an id', () => {
    const characters = /\| `session-id` \|.*\| 1 to (\d+) characters/
    const most = numberIn(characters)
    const loomi = server.createLoomi({ store: ':memory:' })
    loomi.session({ sessionId: 'x'.repeat(most), userId: 'y'.repeat(most) })
    for (const ids of [
      { sessionId: 'x'.repeat(most + 1), userId: 'ada' },
      { sessionId: '', userId: 'ada' },
    ]) {
      assert.throws(() => loomi.session(ids), { code: 'bad_id' })
    }
  })

  it('the Node that it needs', async () => {
    const { engines } = (await import('../../package.json', { with: { type: 'json' } })).default
    assert.equal(engines.node, `>=${/on Node (\d+\.\d+) or later/.exec(readme.text)![1]}`)
  })
})

function numberIn(pattern: RegExp): number {
  const found = pattern.exec(readme.text)
  assert.ok(found, `README says nothing like ${pattern}`)
  return Number(found[1])
}
