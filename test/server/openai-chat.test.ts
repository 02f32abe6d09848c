import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { detectAdapter } from '../../server/adapters/adapter.ts'
import { openaiChat } from '../../server/adapters/openai-chat.ts'
import type { Draft } from '../../server/drafts.ts'
import { textOf } from '../../server/protocol.ts'
import { CHAT_RECORDINGS, makeWorld, recordingLines, REF, rowsOf, withoutRecordings } from './support.ts'

interface Delta {
  readonly content?: string | null
  readonly reasoning_content?: string | null
  readonly reasoning?: string | null
}

const chunk = (delta: unknown, more: object = {}, index = 0): unknown => ({
  id: 'chat/1',
  object: 'chat.completion.chunk',
  choices: [{ index, delta, ...more }],
})

function read(chunks: readonly unknown[]): Draft[] {
  const reader = openaiChat.adapter()
  return [...chunks.flatMap((chunk) => reader.read(chunk)), ...reader.finish()]
}

/** Kind, part and text, with the mark of an end. */
const short = (drafts: readonly Draft[]): string[] =>
  drafts.map((d) => `${d.content_type} ${d.part} ${JSON.stringify(d.event_data)}${d.part_done ? ' end' : ''}`)

describe('Chat Completions chunks', () => {
  it('become deltas of one message, ended by the finish reason', () => {
    const drafts = read([
      chunk({ role: 'assistant', content: '' }),
      chunk({ content: 'Hel' }),
      chunk({ content: 'lo' }),
      chunk({}, { finish_reason: 'stop' }),
    ])
    assert.deepEqual(short(drafts), [
      'message chat_1/0 "Hel"',
      'message chat_1/0 "lo"',
      'message chat_1/0 "" end',
    ])
    assert.ok(drafts.every(({ event_type }) => event_type === 'llm_chunk'))
  })

  it('are ended with the stream when no finish reason came', () => {
    assert.deepEqual(short(read([chunk({ content: 'a' })])), [
      'message chat_1/0 "a"',
      'message chat_1/0 "" end',
    ])
  })

  it('are ended once when the last delta carries the finish reason', () => {
    const drafts = read([
      chunk({ content: 'a' }),
      chunk({ content: 'b' }, { finish_reason: 'length' }),
      { choices: [], usage: {} },
    ])
    assert.deepEqual(short(drafts), [
      'message chat_1/0 "a"',
      'message chat_1/0 "b"',
      'message chat_1/0 "" end',
    ])
  })

  for (const field of ['reasoning_content', 'reasoning'] as const) {
    it(`with ${field} become a thought, which ends where the message begins`, () => {
      const drafts = read([
        chunk({ [field]: 'Hm', content: null }),
        chunk({ [field]: '…' }),
        chunk({ [field]: null, content: 'Yes' }),
      ])
      assert.deepEqual(short(drafts), [
        'thought chat_1/0 "Hm"',
        'thought chat_1/0 "…"',
        'thought chat_1/0 "" end',
        'message chat_1/1 "Yes"',
        'message chat_1/1 "" end',
      ])
    })
  }

  it('may go back to thinking: a part of its own', () => {
    const drafts = read([chunk({ reasoning: 'a' }), chunk({ content: 'b' }), chunk({ reasoning: 'c' })])
    assert.deepEqual(
      drafts.filter(({ event_data }) => event_data !== '').map(({ part }) => part),
      ['chat_1/0', 'chat_1/1', 'chat_1/2'],
    )
  })

  it('may carry both in one chunk: the thought first', () => {
    const [first, , third] = read([chunk({ content: 'b', reasoning_content: 'a' })])
    assert.deepEqual([first?.content_type, third?.content_type], ['thought', 'message'])
  })

  it('may repeat a thought under both names', () => {
    assert.deepEqual(short(read([chunk({ reasoning_content: 'a', reasoning: 'a' })])).length, 2)
  })

  it('of several choices become a part each', () => {
    const drafts = read([
      chunk({ content: 'a' }, {}, 0),
      chunk({ content: 'x' }, {}, 1),
      {
        choices: [
          { index: 1, delta: { content: 'y' } },
          { index: 0, delta: { content: 'b' } },
        ],
      },
      chunk({}, { finish_reason: 'stop' }, 1),
      chunk({ content: 'c' }, { finish_reason: 'stop' }, 0),
    ])
    const texts: Record<string, string> = {}
    for (const { part = '', event_data } of drafts)
      texts[part] = (texts[part] ?? '') + textOf(event_data ?? null)
    assert.deepEqual(texts, { 'chat_1/0': 'abc', 'chat_1/1': 'xy' })
    assert.equal(drafts.filter(({ part_done }) => part_done).length, 2)
  })

  it('may be garbage, which makes nothing', () => {
    const garbage = [
      null,
      undefined,
      5,
      'text',
      [],
      {},
      { choices: null },
      { choices: {} },
      { choices: [null, 1, 'x', []] },
      { choices: [{}] },
      { choices: [{ delta: null }] },
      { choices: [{ delta: 'x' }] },
      { choices: [{ delta: { content: 5, reasoning: {} } }] },
      { choices: [{ delta: { content: ['a'] } }] },
      { choices: [{ index: 'x', delta: { content: '' } }] },
      { error: { message: 'overloaded' } },
    ]
    assert.deepEqual(read(garbage), [])
  })

  it('may have ids that no part could carry', async () => {
    const { loomi, store } = makeWorld()
    const ids = ['', 'x'.repeat(500), 'a\u0000b\nc', `${'y'.repeat(79)}🌱`, '\ud83c', 7]
    for (const id of ids) {
      const { status } = await loomi.session(REF).record([{ id, choices: [{ delta: { content: 'a' } }] }])
      assert.equal(status, 'complete', JSON.stringify(id))
    }
    const parts = (await rowsOf(store)).filter(({ event_data }) => event_data === '"a"')
    assert.equal(parts.length, ids.length)
  })

  it('are known by their object, or by a delta', () => {
    assert.equal(detectAdapter(chunk({ content: 'a' })), openaiChat.adapter)
    assert.equal(detectAdapter({ object: 'chat.completion.chunk', choices: [] }), openaiChat.adapter)
    assert.equal(detectAdapter({ choices: [{ delta: {} }] }), openaiChat.adapter)
    for (const other of [{ type: 'response.created' }, { choices: [{ text: 'x' }] }, [], 'x', null]) {
      assert.throws(() => detectAdapter(other), /form of this stream is not known/)
    }
  })
})

describe('recorded Chat Completions streams', { skip: withoutRecordings() }, () => {
  for (const name of CHAT_RECORDINGS) {
    it(`${name}: the log has the provider’s text and reasoning byte for byte`, async () => {
      const chunks = recordingLines(name).map((line) => JSON.parse(line) as { choices: { delta: Delta }[] })
      const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta))
      const expected = {
        thought: deltas
          .map(({ reasoning_content, reasoning }) => reasoning_content ?? reasoning ?? '')
          .join(''),
        message: deltas.map(({ content }) => content ?? '').join(''),
      }
      assert.ok(expected.message.length > 10)
      const { loomi, store } = makeWorld()
      assert.deepEqual(await loomi.session(REF).record(chunks), { status: 'complete' })
      const rows = (await rowsOf(store)).filter(({ event_type }) => event_type === 'llm_chunk')
      const textOf = (kind: string): string =>
        rows
          .filter(({ content_type }) => content_type === kind)
          .map(({ event_data }) => JSON.parse(event_data) as string)
          .join('')
      assert.deepEqual({ thought: textOf('thought'), message: textOf('message') }, expected)
      const parts = new Set(rows.map(({ part_id }) => part_id))
      assert.equal(parts.size, expected.thought ? 2 : 1)
      assert.equal(rows.filter(({ part_done }) => part_done).length, parts.size)
    })
  }
})
