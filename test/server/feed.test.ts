import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { textOf } from '../../server/protocol.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { type Command, Processes } from './processes.ts'
import {
  CHAT_RECORDINGS,
  partTexts,
  recordingLines,
  rowsOf,
  SseReader,
  tempFolder,
  typesOf,
  until,
  withoutRecordings,
} from './support.ts'

const line = (content: string): string => JSON.stringify({ choices: [{ index: 0, delta: { content } }] })
/** An answer of `count` words, one chunk a line, with characters that a careless reader of lines trips over. */
const WORDS = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => line(`word ${i}${i % 7 === 0 ? '\u2028🌱\n' : ' '}`))

describe('loomi-recovery feed', { timeout: 60_000 }, () => {
  const processes = new Processes()
  const folder = tempFolder()
  const file = folder.path('log.db')
  let server: Command & { base: string }
  before(async () => {
    server = await processes.serve(file)
  })
  after(async () => {
    await processes.end()
    folder.remove()
  })

  let sessions = 0
  const newSession = (): string => `session ${++sessions}`
  const feed = (
    session: string,
    lines: readonly string[],
    more: readonly string[] = [],
  ): ReturnType<Processes['run']> =>
    processes.run(['feed', '--session', session, '--user', 'ada', '--store', file, ...more], {
      input: `${lines.join('\n')}\n`,
    })
  const open = async (session: string, query: string, base = server.base): Promise<SseReader> =>
    new SseReader(await fetch(`${base}/stream/${encodeURIComponent(session)}?user_id=ada&${query}`))
  const rows = async (session: string): ReturnType<typeof rowsOf> => {
    const store = openSqlite(file)
    const all = await rowsOf(store, { sessionId: session, userId: 'ada' })
    await store.close()
    return all
  }

  /** Text and reasoning of chunks, joined straight. */
  function expected(lines: readonly string[]): { thought: string; message: string } {
    type Delta = { content?: string | null; reasoning_content?: string | null; reasoning?: string | null }
    const deltas = lines.flatMap((text) =>
      (JSON.parse(text) as { choices: { delta: Delta }[] }).choices.map(({ delta }) => delta),
    )
    return {
      thought: deltas
        .map(({ reasoning_content, reasoning }) => reasoning_content ?? reasoning ?? '')
        .join(''),
      message: deltas.map(({ content }) => content ?? '').join(''),
    }
  }

  /** What a viewer of the stream has of each kind. */
  async function viewed(session: string): Promise<{ thought: string; message: string; types: string[] }> {
    const messages = await (await open(session, 'follow=0')).rest()
    const text = (kind: string): string =>
      messages
        .map(({ frame }) =>
          frame.type === 'event' && frame.event_type === 'llm_chunk' && frame.content_type === kind
            ? textOf(frame.event_data)
            : '',
        )
        .join('')
    return { thought: text('thought'), message: text('message'), types: typesOf(messages) }
  }

  for (const name of CHAT_RECORDINGS) {
    it(
      `of ${name}: the server replays the provider’s text byte for byte`,
      { skip: withoutRecordings() },
      async () => {
        const session = newSession()
        const lines = recordingLines(name)
        const { code, err, out } = await feed(session, lines, ['--speed', 'max', '--run', 'run-1'])
        assert.deepEqual({ code, err, out }, { code: 0, err: '', out: '' })
        const { types, ...texts } = await viewed(session)
        assert.deepEqual(texts, expected(lines))
        assert.equal(types[0], 'replay_start')
        assert.equal(types.at(-1), 'replay_complete')
        assert.ok(types.slice(1, -1).every((type) => type === 'event'))
        const before = await rows(session)
        assert.equal((await feed(session, lines, ['--run', 'run-1'])).code, 0)
        assert.deepEqual(await rows(session), before)
      },
    )
  }

  it('reaches a stream that is open', async () => {
    const session = newSession()
    const stream = await open(session, '')
    await stream.next()
    assert.equal((await feed(session, WORDS(20))).code, 0)
    let text = ''
    for (;;) {
      const { frame } = (await stream.next())!
      if (frame.type !== 'event') continue
      if (frame.event_type === 'run_end') break
      text += textOf(frame.event_data)
    }
    assert.equal(text, expected(WORDS(20)).message)
    await stream.cancel()
  })

  it('that was killed half-way is completed by feeding again under the same run', async () => {
    const session = newSession()
    const lines = WORDS(400)
    const args = [
      'feed',
      '--session',
      session,
      '--user',
      'ada',
      '--store',
      file,
      '--run',
      'run-1',
      '--speed',
      '500',
    ]
    const half = processes.start(args, { input: `${lines.join('\n')}\n` })
    await until(async () => (await rows(session)).length >= 5, 'some rows')
    half.child.kill('SIGKILL')
    await half.ended
    const before = await rows(session)
    assert.ok(
      !before.some(({ event_type }) => event_type === 'run_end'),
      'the feed was over before it was killed',
    )
    assert.equal((await feed(session, lines, ['--run', 'run-1'])).code, 0)
    const whole = await rows(session)
    assert.deepEqual(whole.slice(0, before.length), before)
    assert.deepEqual(
      whole.map(({ seq }) => seq),
      whole.map((_, index) => index + 1),
    )
    assert.equal(Object.values(partTexts(whole)).join(''), expected(lines).message)
    await feed(session, lines, ['--run', 'run-1'])
    assert.deepEqual(await rows(session), whole)
  })

  it('twice at the same time under one run has each chunk once', async () => {
    const session = newSession()
    const lines = WORDS(150)
    const results = await Promise.all([
      feed(session, lines, ['--run', 'run-1', '--speed', '400']),
      feed(session, lines, ['--run', 'run-1', '--speed', '350']),
    ])
    assert.deepEqual(
      results.map(({ code }) => code),
      [0, 0],
    )
    const all = await rows(session)
    assert.equal(Object.values(partTexts(all)).join(''), expected(lines).message)
    assert.equal(all.filter(({ event_type }) => event_type === 'run_end').length, 1)
  })

  it('takes a line that has other line ends in its text for one line', async () => {
    const session = newSession()
    const text = 'a\u2028b\u2029c\u0085d\u000be\rf'
    const raw = `{"choices":[{"delta":{"content":"a\u2028b\u2029c\u0085d\\u000be\\rf"}}]}`
    assert.equal((await feed(session, [raw])).code, 0)
    assert.equal((await viewed(session)).message, text)
  })

  it('takes Windows line ends, empty lines and a last line without an end', async () => {
    const session = newSession()
    const input = `\n${line('a')}\r\n\r\n   \n${line('b')}`
    const result = await processes.run(['feed', '--session', session, '--user', 'ada', '--store', file], {
      input,
    })
    assert.equal(result.code, 0, result.err)
    assert.equal((await viewed(session)).message, 'ab')
  })

  it('says which line is no JSON and ends with 1; mended and fed again under the same run it adds just the rest', async () => {
    const session = newSession()
    const broken = [line('kept '), '{"choices": [', line('not read')]
    const { code, err } = await feed(session, broken, ['--run', 'r'])
    assert.equal(code, 1)
    assert.match(err, /Not JSON: .*choices.*what came before it is stored\./)
    assert.equal((await viewed(session)).message, 'kept ')
    assert.equal((await rows(session)).at(-1)?.content_type, 'failed')
    const mended = await feed(session, [broken[0]!, line('mended '), broken[2]!], ['--run', 'r'])
    assert.equal(mended.code, 0, mended.err)
    assert.equal((await viewed(session)).message, 'kept mended not read')
    assert.equal((await rows(session)).at(-1)?.content_type, 'complete')
  })

  it('keeps a form that is not known as it is', async () => {
    const session = newSession()
    const { code, err } = await feed(session, ['{"type":"something","x":1}'])
    assert.equal(code, 0, err)
    const [row] = await rows(session)
    assert.deepEqual([row?.content_type, row?.event_data], ['something', '{"type":"something","x":1}'])
  })

  it('to somebody else’s session ends with 1 and says so', async () => {
    const session = newSession()
    await feed(session, WORDS(3))
    const before = await rows(session)
    const args = ['feed', '--session', session, '--user', 'eve', '--store', file]
    const { code, err } = await processes.run(args, { input: line('x') })
    assert.equal(code, 1)
    assert.match(err, /belongs to another user/)
    assert.deepEqual(await rows(session), before)
  })

  it('is not stopped by a server that is killed in the middle: what any viewer had is in the log, and the next server goes on', async () => {
    const session = newSession()
    const lines = WORDS(150)
    const own = await processes.serve(file)
    const stream = await open(session, '', own.base)
    await stream.next()
    const feeding = feed(session, lines, ['--speed', '150'])
    const received = await stream.take(8)
    own.child.kill('SIGKILL')
    for (;;) {
      const message = await stream.next().catch(() => null)
      if (!message) break
      received.push(message)
    }
    const after = await rows(session)
    for (const { id, frame } of received) {
      assert.ok(frame.type === 'event' && id)
      const [, seq] = id.split('-')
      const row = after[Number(seq) - 1]
      assert.deepEqual(row && JSON.parse(row.event_data), frame.event_data)
    }
    const again = await processes.serve(file)
    const last = received.at(-1)!.id!
    const response = await fetch(`${again.base}/stream/${encodeURIComponent(session)}?user_id=ada&after=0`, {
      headers: { 'Last-Event-ID': last },
    })
    const resumed = new SseReader(response)
    let text = received.map(({ frame }) => (frame.type === 'event' ? textOf(frame.event_data) : '')).join('')
    for (;;) {
      const { frame } = (await resumed.next())!
      assert.notEqual(frame.type, 'reset')
      if (frame.type !== 'event') continue
      if (frame.event_type === 'run_end') break
      text += textOf(frame.event_data)
    }
    assert.equal(text, expected(lines).message)
    assert.equal((await feeding).code, 0)
    await resumed.cancel()
    again.child.kill('SIGTERM')
    assert.equal(await again.ended, 0)
  })

  it('keeps the pace that was asked for', async () => {
    const session = newSession()
    const started = Date.now()
    const feeding = feed(session, WORDS(20), ['--speed', '50'])
    await until(async () => (await rows(session)).length >= 1, 'the first row')
    const first = (await rows(session)).length
    assert.ok(first < 20)
    await feeding
    assert.ok(Date.now() - started >= 20 * 20 - 50)
  })
})
