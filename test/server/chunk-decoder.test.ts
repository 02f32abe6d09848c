import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { chunkDecoder } from '../../server/adapters/chunk-decoder.ts'
import type { Framing } from '../../server/adapters/framing.ts'
import { garbage, recordedChunks, recordingsOf, roughText } from './provider-chunks.ts'
import { SEED, TIMES } from './support.ts'

function decoded(items: readonly unknown[], framing?: Framing, maxLineChars?: number): unknown[] {
  const decoder = chunkDecoder(framing, maxLineChars)
  return [...items.flatMap((item) => decoder.decode(item)), ...decoder.end()]
}

const sse = (...data: unknown[]): string => data.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('')
const jsonl = (...values: unknown[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('')
const A = { type: 'a', text: 'ä\u2028🌱' }
const B = { type: 'b' }

/** Text pieces joined where they touch: how text is cut is the source's own affair. */
const joined = (chunks: readonly unknown[]): unknown[] =>
  chunks.reduce<unknown[]>((all, chunk) => {
    const last = all.at(-1)
    return typeof last === 'string' && typeof chunk === 'string'
      ? [...all.slice(0, -1), last + chunk]
      : [...all, chunk]
  }, [])

describe('the framing of a stream', () => {
  const cases: [name: string, text: string, chunks: unknown[]][] = [
    ['server-sent events', sse(A, B), [A, B]],
    ['server-sent events without the last blank line', sse(A, B).trimEnd(), [A, B]],
    ['server-sent events with CRLF', sse(A, B).replaceAll('\n', '\r\n'), [A, B]],
    ['server-sent events with CR', sse(A, B).replaceAll('\n', '\r'), [A, B]],
    ['server-sent events after blank lines', `\n\n${sse(A)}`, [A]],
    ['server-sent events with all fields', `retry: 10\nid: 1\nevent: a\n${sse(A)}`, [A]],
    ['server-sent events after comments', `: ping\n\n: ping\r\n\r\n${sse(A)}`, [A]],
    ['comments alone', ': ping\n\n: ping\n\n', []],
    ['the end mark of OpenAI', `${sse(A)}data: [DONE]\n\n`, [A]],
    ['JSON on several data lines', 'data: {"type":\ndata: "b"}\n\n', [B]],
    ['JSON lines', jsonl(A, B), [A, B]],
    [
      'JSON lines with CRLF, blanks and no end',
      `  \r\n${jsonl(A, B).replaceAll('\n', '\r\n\r\n').trimEnd()}`,
      [A, B],
    ],
    [
      'arrays on lines',
      jsonl(['updates', {}], [[], 'custom', 1]),
      [
        ['updates', {}],
        [[], 'custom', 1],
      ],
    ],
    ['a line of JSON', JSON.stringify(A), [A]],
    ['text', 'Hello 🌱\nworld', ['Hello 🌱\nworld']],
    ['text like a field', 'dat', ['dat']],
    ['text that goes on otherwise', 'data without colon\nid', ['data without colon\nid']],
    ['text in braces', '{curly} words', ['{curly} words']],
    ['text in brackets', '[1] a source\n[2] another', ['[1] a source\n[2] another']],
    ['JSON on many lines', '{\n  "a": 1\n}', ['{\n  "a": 1\n}']],
    ['a smile', ':) hello\nyou', [':) hello\nyou']],
    ['blanks', ' \n ', [' \n ']],
    ['nothing', '', []],
  ]
  for (const [name, text, chunks] of cases) {
    it(`is found: ${name}`, () => {
      assert.deepEqual(joined(decoded([text])), chunks)
    })

    it(`is found however the bytes are cut: ${name}`, () => {
      const bytes = new TextEncoder().encode(text)
      fc.assert(
        fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
          const ends = [...cuts, bytes.length].sort((a, b) => a - b)
          const items = ends.map((end, i) => bytes.slice(ends[i - 1] ?? 0, end))
          assert.deepEqual(joined(decoded(items)), chunks)
          assert.deepEqual(joined(decoded(items.map((item) => item.buffer))), chunks)
        }),
        { ...SEED, numRuns: 50 * TIMES },
      )
      assert.deepEqual(joined(decoded(Array.from(bytes, (byte) => Uint8Array.of(byte)))), chunks)
    })
  }

  it('may be given', () => {
    assert.deepEqual(decoded(['{"a":1}'], 'text'), ['{"a":1}'])
    assert.deepEqual(decoded(['no JSON\n1\n'], 'jsonl'), [{ type: 'bad_line', text: 'no JSON' }, 1])
    assert.deepEqual(decoded(['\uFEFFdata: {}\n\n'], 'sse'), [{}])
  })

  it('is of no matter to messages, each a string of its own, as a WebSocket brings them', () => {
    const decoder = chunkDecoder()
    for (const chunk of [A, B, ['updates', {}]])
      assert.deepEqual(decoder.decode(JSON.stringify(chunk)), [chunk])
    assert.deepEqual(decoder.end(), [])
    const lines = chunkDecoder()
    assert.deepEqual(
      ['{"a":{}}', '\n{"a":', '{}', '}', '\n', '{"b":1}'].flatMap((piece) => lines.decode(piece)),
      [{ a: {} }, { a: {} }, { b: 1 }],
    )
  })

  it('is of no matter to objects', () => {
    const items = [A, null, 5, ['messages', []], undefined]
    assert.deepEqual(decoded(items), items)
  })

  it('is the same however a stream of any lines is cut', () => {
    const line = fc.oneof(
      fc.constantFrom(
        'data: {"type":"a"}',
        'data: x',
        'event: e',
        ': c',
        '{"a":1}',
        '[',
        '',
        ' ',
        '\uFEFF',
        'data',
      ),
      roughText,
    )
    const text = fc
      .array(fc.tuple(line, fc.constantFrom('\n', '\r\n', '\r', '\n\n', '')))
      .map((ls) => ls.flat().join(''))
    fc.assert(
      fc.property(text, fc.array(fc.nat(60)), fc.constantFrom(3, 10, 1000), (text, cuts, maxLineChars) => {
        const bytes = new TextEncoder().encode(text)
        const ends = [...cuts, bytes.length].sort((a, b) => a - b)
        const items = ends.map((end, i) => bytes.slice(ends[i - 1] ?? 0, end))
        assert.deepEqual(
          joined(decoded(items, undefined, maxLineChars)),
          joined(decoded([bytes], undefined, maxLineChars)),
        )
      }),
      { ...SEED, numRuns: 1000 * TIMES },
    )
  })
})

describe('server-sent events', () => {
  const chunksOf = (text: string): unknown[] => decoded([text])

  it('have their name beside JSON that has no type', () => {
    const updates = { event: 'updates|team:1', data: { agent: {} } }
    const text = `event: updates|team:1\ndata: {"agent":{}}\n\nevent: messages\ndata: [1]\n\nevent: end\ndata: null\n\n`
    assert.deepEqual(chunksOf(text), [
      updates,
      { event: 'messages', data: [1] },
      { event: 'end', data: null },
    ])
  })

  it('have the mode of LangGraph beside whatever its app sends', () => {
    assert.deepEqual(chunksOf(`event: custom\n${sse(B)}`), [{ event: 'custom', data: B }])
  })

  it('have no name that says nothing', () => {
    assert.deepEqual(chunksOf(`event: message\ndata: {"a":1}\n\nevent: b\n${sse(B)}`), [{ a: 1 }, B])
  })

  it('may be pieces of text, as they are or as JSON', () => {
    assert.deepEqual(chunksOf('data: "Hel\\n"\n\ndata: "lo"\n\n'), ['Hel\n', 'lo'])
    assert.deepEqual(chunksOf('data: Say\n\ndata:  "hi"\n\ndata: 7\n\ndata:\ndata:\n\ndata:\n\n'), [
      'Say',
      ' "hi"',
      '7',
      '\n',
    ])
  })

  it('lose nothing that is no JSON among objects', () => {
    const text = `${sse(A)}data: {"cut\n\nnot a field\n{"error":{"code":1}}\n\ndata: 5\n\n${sse(B)}`
    assert.deepEqual(chunksOf(text), [
      A,
      { type: 'bad_line', text: '{"cut' },
      { type: 'bad_line', text: 'not a field' },
      { error: { code: 1 } },
      { type: 'bad_line', text: '5' },
      B,
    ])
  })
})

describe('a decoder', () => {
  it('gives text on at once, but no part of a character', () => {
    const decoder = chunkDecoder()
    assert.deepEqual(decoder.decode('He'), ['He'])
    assert.deepEqual(decoder.decode('\ud83c'), [])
    assert.deepEqual(decoder.decode('\udf31!'), ['🌱!'])
    assert.deepEqual(decoder.decode(new TextEncoder().encode('ä').slice(0, 1)), [])
    assert.deepEqual(decoder.decode(new TextEncoder().encode('ä').slice(1)), ['ä'])
    assert.deepEqual([...decoder.decode('\ud83c'), ...decoder.end()], ['\ud83c'])
  })

  it('holds back only what it needs to decide', () => {
    const given = (text: string): unknown[] => {
      const decoder = chunkDecoder()
      return Array.from(text).map((char) => decoder.decode(char).join(''))
    }
    assert.deepEqual(given('dazed'), ['', '', 'daz', 'e', 'd'])
    assert.deepEqual(given('{ x'), ['', '', '{ x'])
    assert.deepEqual(given(' hi'), ['', ' h', 'i'])
  })

  it('gives a line that is no JSON on as one', () => {
    assert.deepEqual(decoded([`${jsonl(A)}{"cut\n${jsonl(B)}`]), [A, { type: 'bad_line', text: '{"cut' }, B])
  })

  it('collects no line without bounds', () => {
    const bad = (text: string): unknown => ({ type: 'bad_line', text })
    assert.deepEqual(decoded(['{"a":"', 'b'.repeat(9), '"}\n', jsonl(B)], undefined, 14), [
      bad('{"a":"bbbbbbbb'),
      bad('b"}'),
      B,
    ])
    assert.deepEqual(decoded([sse(B), `data: ${'c'.repeat(20)}\n\n${sse(B)}`], undefined, 20), [
      B,
      bad(`data: ${'c'.repeat(14)}`),
      bad('c'.repeat(6)),
      B,
    ])
    assert.deepEqual(decoded(['data: aaa\ndata: bbb\ndata: ccc\n\n'], undefined, 15), ['aaa\nbbb', 'ccc'])
  })

  it('reads a long line in many pieces in time', () => {
    const text = 'x'.repeat(4_000_000)
    const line = jsonl({ type: 'a', text })
    const items = Array.from({ length: Math.ceil(line.length / 64) }, (_, i) =>
      line.slice(i * 64, i * 64 + 64),
    )
    const began = performance.now()
    assert.deepEqual(decoded(items), [{ type: 'a', text }])
    assert.ok(performance.now() - began < 5000)
  })

  it('takes a byte order mark off bytes, and leaves text as it is', () => {
    const bytes = new TextEncoder().encode('\uFEFFa\uFEFF')
    assert.deepEqual(joined(decoded(Array.from(bytes, (byte) => Uint8Array.of(byte)))), ['a\uFEFF'])
    assert.deepEqual(decoded(['\uFEFFa']), ['\uFEFFa'])
  })

  for (const name of ['openai-chat', 'openai-responses', 'anthropic'].flatMap(recordingsOf)) {
    it(`gives the chunks of a recording however it is framed: ${name}`, () => {
      const chunks = recordedChunks(name)
      assert.deepEqual(decoded([sse(...chunks)]), chunks)
      assert.deepEqual(decoded([new TextEncoder().encode(jsonl(...chunks))]), chunks)
    })
  }

  it('may be given anything, and never throws', () => {
    const item = fc.oneof(
      garbage(['a'], ['type']),
      fc.uint8Array(),
      roughText,
      fc.constantFrom('data: ', '{', '\n'),
    )
    const buffer = new ArrayBuffer(4)
    structuredClone(buffer, { transfer: [buffer] })
    fc.assert(
      fc.property(fc.array(item), fc.constantFrom(undefined, 'sse', 'jsonl', 'text'), (items, framing) => {
        decoded([...items, buffer, new DataView(new ArrayBuffer(2))], framing)
      }),
      { ...SEED, numRuns: 500 * TIMES },
    )
  })
})
