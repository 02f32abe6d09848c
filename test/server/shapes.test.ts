import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { ChunkReader } from '../../server/adapters/adapter.ts'
import { guardedForm } from '../../server/adapters/guarded.ts'
import { event, file, source, toolCall, toolResult, unknownChunk } from '../../server/adapters/shapes.ts'
import { ToolCalls } from '../../server/adapters/tool-calls.ts'
import { jsonOf, partWord } from '../../server/adapters/values.ts'
import { isId } from '../../server/protocol.ts'
import { garbage, short } from './provider-chunks.ts'
import { SEED } from './support.ts'

const bomb = (): never => assert.fail('a getter')
const cyclic: Record<string, unknown> = {}
cyclic['self'] = cyclic

describe('a value as JSON', () => {
  it('is null where JSON has no word: no code goes into a log', () => {
    for (const value of [undefined, () => 'secret', Symbol('secret')]) assert.equal(jsonOf(value), null)
    assert.deepEqual(jsonOf({ a: () => 1, b: undefined, c: [() => 1] }), { c: [null] })
  })

  it('has big numbers as text and bytes in base64', () => {
    assert.deepEqual(jsonOf({ n: 10n, bytes: new Uint8Array([104, 105]) }), { n: '10', bytes: 'aGk=' })
    const large = new Uint8Array(300_000).fill(7)
    assert.equal(jsonOf(large), Buffer.from(large).toString('base64'))
  })

  it('is a word where it can’t be read', () => {
    for (const value of [
      cyclic,
      {
        get a() {
          return bomb()
        },
      },
      { toJSON: bomb },
    ])
      assert.equal(jsonOf(value), '[no JSON]')
  })
})

describe('a provider’s id as a word', () => {
  it('is itself where it can be, and another for every other id where not', () => {
    assert.equal(partWord('msg_1', 'm'), 'msg_1')
    assert.deepEqual(
      ['', undefined, 7].map((id) => partWord(id, 'm')),
      ['m', 'm', 'm'],
    )
    const long = 'x'.repeat(200)
    const ids = ['a/b', 'a_b', 'a\u0000b', 'a\ud83cb', '.', '..', `${'x'.repeat(79)}🌱`, long, `${long}y`]
    const words = ids.map((id) => partWord(id, 'm'))
    assert.equal(new Set(words).size, ids.length)
    for (const word of words) assert.ok(isId(word) && !word.includes('/') && word.length < 90, word)
  })
})

describe('drafts of events', () => {
  it('leave out what is not told', () => {
    assert.deepEqual(
      short([
        event('note', undefined),
        file({ media_type: undefined, file_id: 'f' }),
        source(undefined, 'A', { page: undefined }),
        toolCall('i', 'n', undefined, { incomplete: undefined }),
      ]),
      [
        'note null',
        'file {"file_id":"f"}',
        'source {"url":"","title":"A"}',
        'tool_call {"id":"i","name":"n","input":null}',
      ],
    )
  })

  it('say which tool it was, though nobody can read what it gave', () => {
    assert.deepEqual(toolResult('i', 'n', cyclic, { is_error: true }).event_data, {
      id: 'i',
      name: 'n',
      output: '[no JSON]',
      is_error: true,
    })
  })

  it('are made of anything', () => {
    const word = (chunk: unknown): unknown => {
      const { content_type, event_data } = unknownChunk(chunk)
      return [content_type, event_data]
    }
    assert.deepEqual(word({ type: 'x' }), ['x', { type: 'x' }])
    assert.deepEqual(
      word({
        get type() {
          return bomb()
        },
      }),
      ['unknown', '[no JSON]'],
    )
    assert.deepEqual(
      word(() => 'secret'),
      ['unknown', '[function]'],
    )
    assert.deepEqual(word(Symbol('secret')), ['unknown', '[symbol]'])
    assert.deepEqual(word(undefined), ['unknown', null])
    fc.assert(
      fc.property(garbage(['x'], ['type', 'event']), (chunk) => void unknownChunk(chunk)),
      SEED,
    )
  })
})

describe('tool calls in pieces', () => {
  it('are whole with the input that they began with, if no piece of it comes', () => {
    const calls = new ToolCalls()
    calls.add('0', { id: 'a', name: 'n', input: { q: 1 } })
    calls.add('1', { id: 'b', name: 'n', input: { q: 1 }, text: '{"q":2}' })
    calls.add('2', { id: 'c', name: 'n' })
    calls.add('3', { id: 'd', name: 'n', isText: true })
    assert.deepEqual(
      calls.endAll('').map(({ event_data }) => (event_data as { input: unknown }).input),
      [{ q: 1 }, { q: 2 }, {}, ''],
    )
  })

  it('say that their input is cut where it can’t be read', () => {
    const calls = new ToolCalls()
    for (const slot of ['0', '1'])
      calls.add(slot, { id: slot, name: 'n', text: '{"q"', more: { server: 's' } })
    const cut = { name: 'n', input: '{"q"', server: 's', incomplete: true }
    assert.deepEqual(
      [...calls.end('0'), ...calls.cut('1'), ...calls.cut('1')].map(({ event_data }) => event_data),
      [
        { id: '0', ...cut },
        { id: '1', ...cut },
      ],
    )
  })
})

describe('a guarded form', () => {
  const reader = (): ChunkReader => ({
    read: bomb,
    finish: bomb,
    outcome: bomb,
    sequence: bomb,
    answerId: bomb,
  })

  it('throws nowhere, and keeps what it stumbles over', () => {
    const { recognises, adapter } = guardedForm(bomb, reader)
    assert.equal(recognises({}), false)
    const guarded = adapter()
    assert.deepEqual(short(guarded.read({ type: 'x' })), ['provider_chunk {"type":"x"}'])
    assert.deepEqual(guarded.finish(), [])
    assert.deepEqual(
      [guarded.outcome?.(), guarded.sequence?.({}), guarded.answerId?.({})],
      [null, null, null],
    )
  })

  it('tells nothing that its reader does not tell', () => {
    const guarded = guardedForm(
      () => true,
      () => ({ read: () => [], finish: () => [] }),
    ).adapter()
    assert.deepEqual(
      [guarded.outcome?.(), guarded.sequence?.({}), guarded.answerId?.({})],
      [null, null, null],
    )
    assert.deepEqual(guarded.read({}), [])
  })
})
