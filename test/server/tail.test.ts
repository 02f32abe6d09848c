import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import type { PlacedEvent } from '../../server/cli/frame-order.ts'
import { createLoomi } from '../../server/loomi.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { type Command, Processes } from './processes.ts'
import { newEvent, newEvents, partTexts, rowsOf, tempFolder, until } from './support.ts'

describe('loomi-recovery tail', { timeout: 60_000 }, () => {
  const processes = new Processes()
  const folder = tempFolder()
  const file = folder.path('log.db')
  const store = openSqlite(file)
  let server: Command & { base: string }
  before(async () => {
    server = await processes.serve(file)
  })
  after(async () => {
    await processes.end()
    await store.close()
    folder.remove()
  })

  let sessions = 0
  const newSession = (): string => `session ${++sessions}`
  const argsOf = (session: string, more: readonly string[], base = server.base): string[] =>
    ['tail', '--session', session, '--user', 'ada', '--url', base].concat(more)
  const tail = (session: string, ...more: string[]): Command => processes.start(argsOf(session, more))
  const tailed = (session: string, ...more: string[]): ReturnType<Processes['run']> =>
    processes.run(argsOf(session, more))
  const append = (session: string, ...[events]: [Parameters<typeof store.append>[1]]): Promise<unknown> =>
    store.append({ sessionId: session, userId: 'ada' }, events)
  const linesOf = ({ out }: { out: string }): PlacedEvent[] =>
    out
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as PlacedEvent)

  /** Closes a session as an app would. */
  async function close(session: string): Promise<void> {
    const loomi = createLoomi({ store })
    await loomi.session({ sessionId: session, userId: 'ada' }).close()
    await loomi.close()
  }

  /** Each row of the log is in the lines once and in order, its text in one that may join several. */
  async function assertWhole(session: string, lines: readonly PlacedEvent[]): Promise<void> {
    const rows = await rowsOf(store, { sessionId: session, userId: 'ada' })
    let taken = 0
    for (const { cursor, from, event_data, event_type } of lines) {
      const seq = Number(cursor.split('-')[1])
      assert.equal(from ?? seq, taken + 1)
      const joined = rows.slice(taken, seq)
      assert.equal(joined.at(-1)?.event_type, event_type)
      const data = joined.map((row) => JSON.parse(row.event_data) as unknown)
      if (from === undefined) assert.deepEqual([event_data], data)
      else assert.equal(event_data, data.join(''))
      taken = seq
    }
    assert.equal(taken, rows.filter((row) => row.event_type !== 'session_complete').length)
  }

  it('prints every event of the log once and in order, through two servers killed in the middle', async () => {
    const session = newSession()
    let own = await processes.serve(file)
    const { port } = new URL(own.base)
    const tailing = processes.start(argsOf(session, ['--json'], own.base))
    const told = (word: string): number => tailing.err.split(word).length - 1
    const feeding = processes.start([
      'feed',
      '--session',
      session,
      '--user',
      'ada',
      '--store',
      file,
      '--speed',
      '300',
      '--close',
    ])
    let fed = 0
    const feed = (count: number): void => {
      for (const end = fed + count; fed < end; fed++) {
        const content = `word ${fed}${fed % 7 ? ' ' : '\u2028🌱\n'}`
        feeding.child.stdin!.write(`${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n`)
      }
    }
    for (let kills = 1; kills <= 2; kills++) {
      const before = tailing.out.length
      feed(300)
      await until(() => tailing.out.length > before + 1000, 'some lines')
      const outages = told('Trying again')
      own.child.kill('SIGKILL')
      await until(() => told('Trying again') > outages, 'the word about the outage')
      own = await processes.serve(file, ['--port', port])
      await until(() => told('Connected again') === kills, 'the word about the return', 20_000)
    }
    feed(20)
    feeding.child.stdin!.end()
    assert.equal(await tailing.ended, 0)
    assert.equal(await feeding.ended, 0)
    await assertWhole(session, linesOf(tailing))
    const rows = await rowsOf(store, { sessionId: session, userId: 'ada' })
    assert.ok(Object.values(partTexts(rows)).join('').includes('word 619'), 'the feed did not reach its end')
    for (const line of tailing.err.trim().split('\n'))
      assert.match(line, /^The session has nothing|Trying again until it is back\.$|^Connected again\.$/)
    own.child.kill('SIGKILL')
  })

  it('waits for a session that is not there yet, and then prints live', async () => {
    const session = newSession()
    const tailing = tail(session)
    await until(() => tailing.err !== '', 'the first word')
    assert.equal(tailing.err, 'The session has nothing for this user yet.\n')
    await append(session, [
      newEvent(1, { event_type: 'llm_chunk', content_type: 'message', event_data: '"Hel"', part_id: 'p' }),
    ])
    await until(() => tailing.out === 'message: Hel', 'the first delta')
    await append(session, [
      newEvent(2, { event_type: 'llm_chunk', content_type: 'message', event_data: '"lo"', part_id: 'p' }),
    ])
    await until(() => tailing.out === 'message: Hello', 'the second delta')
    await close(session)
    assert.equal(await tailing.ended, 0)
    assert.equal(tailing.out, 'message: Hello\n')
  })

  it('waits for a server that is not there yet', async () => {
    const gone = await processes.serve(file)
    gone.child.kill('SIGKILL')
    await gone.ended
    const session = newSession()
    await append(session, newEvents(1, 2))
    const tailing = processes.start(argsOf(session, ['--once'], gone.base))
    await until(() => tailing.err !== '', 'the word about the server')
    assert.match(tailing.err, /can not be reached \(ECONNREFUSED\)/)
    await processes.serve(file, ['--port', new URL(gone.base).port])
    assert.equal(await tailing.ended, 0)
    assert.equal(tailing.out, 'note: text 1\nnote: text 2\n')
  })

  it('--once prints what there is and ends; --after leaves out what came before', async () => {
    const session = newSession()
    await append(session, newEvents(1, 3))
    const { code, out, err } = await tailed(session, '--once', '--json')
    assert.deepEqual([code, err], [0, ''])
    await assertWhole(session, linesOf({ out }))
    const rest = await tailed(session, '--once', '--after', linesOf({ out })[1]!.cursor)
    assert.deepEqual(rest, { code: 0, out: 'note: text 3\n', err: '' })
    const none = await tailed(newSession(), '--once')
    assert.deepEqual([none.code, none.out], [0, ''])
    assert.match(none.err, /nothing for this user/)
  })

  it('ends with 0 when the session is closed, at once when it was before', async () => {
    const session = newSession()
    await append(session, newEvents(1, 1))
    await close(session)
    const { code, out } = await tailed(session)
    assert.deepEqual([code, out], [0, 'note: text 1\n'])
    const complete = await fetch(`${server.base}/stream/${encodeURIComponent(session)}?user_id=ada&after=0`)
    const last = (await complete.text())
      .match(/id: (\S+)/g)!
      .at(-1)!
      .slice(4)
    assert.deepEqual(await tailed(session, '--after', last), { code: 0, out: '', err: '' })
  })

  it('says that a cursor is of another log, and follows this one', async () => {
    const session = newSession()
    await append(session, newEvents(1, 1))
    const { code, out, err } = await tailed(session, '--once', '--after', 'other-5-abcdef')
    assert.deepEqual([code, out], [0, 'note: text 1\n'])
    assert.match(err, /^The cursor is of another log[^\n]*\n$/)
  })

  it('prints what can be fed again', async () => {
    const session = newSession()
    const copy = newSession()
    await append(session, newEvents(1, 3))
    const { out } = await tailed(session, '--once', '--json')
    const { code } = await processes.run(['feed', '--session', copy, '--user', 'ada', '--store', file], {
      input: out,
    })
    assert.equal(code, 0)
    const again = await tailed(copy, '--once')
    assert.equal(again.out, 'note: text 1\nnote: text 2\nnote: text 3\nrun_end: complete\n')
  })

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`ends quietly on ${signal}, its line ended`, async () => {
      const session = newSession()
      await append(session, [newEvent(1, { part_id: 'p' })])
      const tailing = tail(session)
      await until(() => tailing.out === 'note: text 1', 'the delta')
      tailing.child.kill(signal)
      assert.equal(await tailing.ended, code)
      assert.deepEqual([tailing.out, tailing.err], ['note: text 1\n', ''])
    })
  }

  it('ends quietly when nobody reads it any more', async () => {
    const session = newSession()
    await append(session, newEvents(1, 1))
    const tailing = tail(session)
    await until(() => tailing.out !== '', 'the first line')
    tailing.child.stdout!.destroy()
    let n = 1
    await until(async () => {
      await append(session, newEvents(++n, n))
      return tailing.child.exitCode !== null
    }, 'its end')
    assert.equal(await tailing.ended, 0)
    assert.equal(tailing.err, '')
  })

  it('waits for a reader that is slow, and loses nothing; leaves when told while it waits', async () => {
    const session = newSession()
    await append(
      session,
      newEvents(1, 40).map((event) => ({ ...event, event_data: JSON.stringify('x'.repeat(60_000)) })),
    )
    for (const told of [false, true]) {
      const tailing = tail(session, '--once', '--json')
      const stdout = tailing.child.stdout!
      await once(stdout, 'data')
      stdout.pause()
      await until(() => stdout.readableLength > 0, 'what is not read')
      const exited = once(tailing.child, 'exit')
      if (told) {
        tailing.child.kill('SIGTERM')
        assert.deepEqual(await exited, [143, null])
      }
      stdout.resume()
      assert.equal(await tailing.ended, told ? 143 : 0)
      if (!told) await assertWhole(session, linesOf(tailing))
    }
  })

  it('colours only when it is asked to, into a pipe', async () => {
    const session = newSession()
    await append(session, newEvents(1, 1))
    assert.ok(!(await tailed(session, '--once')).out.includes('\u001b'))
    const { out } = await processes.run(argsOf(session, ['--once']), { env: { FORCE_COLOR: '1' } })
    assert.equal(out, '\u001b[35mnote\u001b[39m: text 1\n')
  })
})
