import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatCursor, isId, parseCursor, PRUNED_TAG, tagOf, textOf } from '../../server/protocol.ts'
import { SEED } from './support.ts'

const epochs = fc.stringMatching(/^[a-z0-9]{1,16}$/)
const seqs = fc.integer({ min: 1, max: 999_999_999_999_999 })
const keys = fc.string({ unit: 'binary', minLength: 1, maxLength: 200 })

describe('a cursor', () => {
  it('comes apart into what it was put together from', () => {
    fc.assert(
      fc.property(epochs, seqs, keys, (epoch, seq, key) => {
        assert.deepEqual(parseCursor(formatCursor(epoch, seq, key)), { epoch, seq, tag: tagOf(key) })
      }),
      SEED,
    )
  })

  it('has no tag at the beginning of a log, and a tag of its own at a pruned row', () => {
    assert.deepEqual(parseCursor(formatCursor('e1', 0, 'any/1')), { epoch: 'e1', seq: 0, tag: null })
    assert.deepEqual(parseCursor(formatCursor('e1', 7)), { epoch: 'e1', seq: 7, tag: PRUNED_TAG })
    assert.deepEqual(parseCursor('0'), { epoch: null, seq: 0, tag: null })
  })

  it('names one place by one text only', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const parts = parseCursor(text)
        if (!parts || parts.epoch === null) return
        assert.equal(text, parts.seq === 0 ? `${parts.epoch}-0` : `${parts.epoch}-${parts.seq}-${parts.tag}`)
      }),
      SEED,
    )
  })

  const malformed = [
    '',
    '1',
    '00',
    '-',
    'e1',
    'e1-',
    'e1-1',
    'e1-0-abcdef',
    'e1-01-abcdef',
    'e1--1-abcdef',
    'e1-1-abcde',
    'e1-1-abcdefg',
    'e1-1-ABCDEF',
    'E1-1-abcdef',
    'e1-1.5-abcdef',
    'e1-9999999999999999-abcdef',
    'abcdefghijklmnopq-1-abcdef',
    ' e1-1-abcdef',
    'e1-1-abcdef\n',
    'e1-1-abcdef-x',
    'e1-١-abcdef',
  ]
  for (const text of malformed) {
    it(`is not ${JSON.stringify(text)}`, () => assert.equal(parseCursor(text), null))
  }
})

describe('the tag of a key', () => {
  it('is six characters of the cursor alphabet whatever the key', () => {
    fc.assert(
      fc.property(keys, (key) => assert.match(tagOf(key), /^[a-z0-9]{6}$/)),
      SEED,
    )
  })

  it('is the same on every machine', () => {
    // FNV-1a of '' is its offset basis and of 'a' 0xe40c292c, by its authors' table.
    assert.equal(tagOf(''), (0x811c9dc5).toString(36).slice(-6))
    assert.equal(tagOf('a'), (0xe40c292c).toString(36).slice(-6))
  })

  it('tells neighbouring rows apart', () => {
    const tags = new Set(Array.from({ length: 10_000 }, (_, n) => tagOf(`run-1/${n}`)))
    assert.ok(tags.size > 9_950, `${tags.size} tags of 10000 keys`)
  })
})

describe('an id', () => {
  it('has 1 to 128 characters', () => {
    assert.equal(isId('a'), true)
    assert.equal(isId('a'.repeat(128)), true)
    assert.equal(isId(''), false)
    assert.equal(isId('a'.repeat(129)), false)
  })

  it('may be any text without control characters and lone surrogates', () => {
    for (const id of ['ada@example.org', 'a/b', 'ä 🌱', '漢字', '%2F', "o'neill"])
      assert.equal(isId(id), true, id)
    for (const id of ['a\u0000', 'a\nb', '\u007f', '\u0085', '\ud83c', '\udf31x']) {
      assert.equal(isId(id), false, JSON.stringify(id))
    }
  })

  it('is nothing but a text', () => {
    for (const id of [undefined, null, 1, true, ['a'], { length: 1 }]) assert.equal(isId(id), false)
  })
})

describe('the text of an event', () => {
  const cases = [
    ['hello', 'hello'],
    ['', ''],
    [{ text: 'a', content: 'b' }, 'a'],
    [{ text: '', content: 'b' }, ''],
    [{ text: 5, content: 'b' }, 'b'],
    [{ content: 'b' }, 'b'],
    [{ other: 'c' }, ''],
    [['a'], ''],
    [null, ''],
    [7, ''],
    [false, ''],
  ] as const
  for (const [data, text] of cases) {
    it(`of ${JSON.stringify(data)} is ${JSON.stringify(text)}`, () => assert.equal(textOf(data), text))
  }
})
