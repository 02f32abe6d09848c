import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { tickets } from '../../server/tickets.ts'
import { type Command, Processes } from './processes.ts'
import { newEvents, tempFolder, until } from './support.ts'

const SECRET = 'a secret of good length'

describe('loomi-recovery tail, refused', { timeout: 60_000 }, () => {
  const processes = new Processes()
  const folder = tempFolder()
  const file = folder.path('log.db')
  const session = 'ticketed'
  const { issue } = tickets(SECRET)
  let own: Command & { base: string }
  before(async () => {
    own = await processes.serve(file, ['--port', '0'], { LOOMI_SECRET: SECRET })
  })
  after(async () => {
    await processes.end()
    folder.remove()
  })

  describe('with a server that asks for tickets', () => {
    before(async () => {
      const store = openSqlite(file)
      await store.append({ sessionId: session, userId: 'ada' }, newEvents(1, 1))
      await store.close()
    })
    const run = (ticket: string, args: string[] = []): ReturnType<Processes['run']> =>
      processes.run(['tail', '--session', session, '--url', own.base, ...args], {
        env: { LOOMI_TICKET: ticket },
      })

    it('takes one from the environment or a flag, and needs no user then', async () => {
      const ticket = await issue({ userId: 'ada', sessionId: session })
      assert.deepEqual(await run(ticket, ['--once']), { code: 0, out: 'note: text 1\n', err: '' })
      assert.equal((await run('', ['--once', '--ticket', ticket])).code, 0)
    })

    it('ends with 1, the server’s words and a remedy, for a wrong one and for none', async () => {
      const other = await issue({ userId: 'ada', sessionId: 'other' })
      for (const [ticket, remedy] of [
        [other, 'Give a fresh ticket'],
        ['', 'Give a ticket'],
      ] as const) {
        const { code, out, err } = await run(ticket, ['--user', 'ada'])
        assert.deepEqual([code, out], [1, ''])
        assert.match(
          err,
          /^loomi-recovery: The credential is missing, forged, expired.*LOOMI_TICKET[^\n]*\n$/,
        )
        assert.ok(err.includes(remedy) && !err.includes('--after'), err)
      }
    })

    it('says where to go on when it is taken no more', async () => {
      const first = await processes.serve(file, ['--port', '0'], { LOOMI_SECRET: SECRET })
      const LOOMI_TICKET = await issue({ userId: 'ada', sessionId: session })
      const tailing = processes.start(['tail', '--session', session, '--url', first.base], {
        env: { LOOMI_TICKET },
      })
      await until(() => tailing.out === 'note: text 1\n', 'the event')
      first.child.kill('SIGKILL')
      await first.ended
      const { port } = new URL(first.base)
      await processes.serve(file, ['--port', port], { LOOMI_SECRET: `another, ${SECRET}` })
      assert.equal(await tailing.ended, 1)
      assert.match(tailing.err, /fresh ticket.* Go on from here with --after [a-z0-9]+-1-[a-z0-9]{6}\.\n$/)
    })
  })

  it('ends with 1 when the address is not that of the route', async () => {
    const pages = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<p>'))
    await once(pages.listen(0, '127.0.0.1'), 'listening')
    const page = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`
    for (const url of [own.base.replace('/loomi', '/lumi'), page]) {
      const { code, out, err } = await processes.run(argsOfNothing('--url', url))
      assert.deepEqual([code, out], [1, ''])
      assert.match(err, /^[^\n]*Is --url the address of the loomi route[^\n]*\n$/)
    }
    pages.close()
  })

  const mistakes: [string, string[], RegExp][] = [
    ['no session', ['tail', '--user', 'ada'], /--session ID is needed/],
    ['neither user nor ticket', ['tail', '--session', 's'], /--user ID is needed.*LOOMI_TICKET.*--ticket/],
    ['a ticket that no header can carry', argsOfNothing('--ticket', 'a\nb'), /ticket .*one word/],
    ['a cursor that is none', argsOfNothing('--after', '12'), /--after is a cursor/],
    ['an address that is none', argsOfNothing('--url', 'localhost:8787'), /--url is the address/],
    ['an unknown flag', argsOfNothing('--follow'), /--follow.*--help/],
  ]
  for (const [name, args, message] of mistakes) {
    it(`ends with 2 and a line that says what to do for ${name}`, async () => {
      const { code, out, err } = await processes.run(args)
      assert.deepEqual([code, out], [2, ''], err)
      assert.match(err, message)
      assert.equal(err.trim().split('\n').length, 1)
    })
  }
})

function argsOfNothing(...more: string[]): string[] {
  return ['tail', '--session', 's', '--user', 'ada', ...more]
}
