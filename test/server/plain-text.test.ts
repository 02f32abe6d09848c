import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { plainText } from '../../server/adapters/plain-text.ts'
import { draftsOf, garbage, pieces, short, takeAll, textsOf } from './provider-chunks.ts'
import { SEED, TIMES } from './support.ts'

/** The numbers that a reader gives, asked as a recording asks. */
function numbers(chunks: readonly unknown[]): (number | null | undefined)[] {
  const reader = plainText.adapter()
  return chunks.map((chunk) => {
    const number = reader.sequence?.(chunk)
    reader.read(chunk)
    return number
  })
}

describe('plain text', () => {
  it('is one message', () => {
    assert.deepEqual(short(draftsOf(plainText, ['Hel', '', 'lo'])), [
      'message text "Hel"',
      'message text "lo"',
      'message text "" end',
    ])
    assert.ok(plainText.recognises('a') && !plainText.recognises({ type: 'a' }))
  })

  it('is numbered by its UTF-16 units, so that it may be cut otherwise when it is read again', () => {
    assert.deepEqual(numbers(['a', '🌱', 'bc']), [0, 2, 4])
    assert.deepEqual(numbers(['a🌱bc']), [4])
  })

  it('keeps what is no text, under a number of its own', () => {
    assert.deepEqual(numbers(['ab', { type: 'x' }, 'c']), [1, 2, 3])
    assert.deepEqual(short(draftsOf(plainText, [{ type: 'x' }])), ['provider_chunk {"type":"x"}'])
  })

  it('is kept to the letter', () => {
    fc.assert(
      fc.property(pieces, (texts) => {
        assert.equal(Object.values(textsOf(draftsOf(plainText, texts))).join(''), texts.join(''))
      }),
      { ...SEED, numRuns: 200 * TIMES },
    )
  })

  it('may be anything, and nothing throws or is refused', () => {
    fc.assert(
      fc.property(fc.array(garbage(['text'], ['type', 'text']), { maxLength: 4 }), (chunks) =>
        takeAll(plainText, chunks),
      ),
      { ...SEED, numRuns: 300 * TIMES },
    )
  })
})
