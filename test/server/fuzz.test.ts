/** Recorded streams with broken chunks in them: nothing throws, and what was whole is in the log. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { makeWorld, REF, rowsOf, TIMES } from './support.ts'

const FOLDER = new URL('../../../shared/recordings/', import.meta.url)
const NAMES = existsSync(FOLDER) ? readdirSync(FOLDER).filter((name) => name.endsWith('.jsonl')) : []
const skip = NAMES.length === 0 && 'the recorded model streams are not on this machine'
/** Broken chunks over all recordings. */
const BROKEN = 20_000 * TIMES

type Fields = Record<string, unknown>
type Random = () => number

/** Values that break what expects another kind of them. */
const ODD: readonly unknown[] = [
  null,
  undefined,
  0,
  -1,
  1e9,
  NaN,
  true,
  '',
  '\ud800\u0000',
  'x'.repeat(300),
  [],
  [null],
  {},
  { a: { b: [] } },
  () => 1,
  Symbol('s'),
  10n,
]

/** A copy of a chunk with one to three faults somewhere in it. */
function broken(chunk: unknown, random: Random): unknown {
  const copy: unknown = structuredClone(chunk)
  if (random() < 0.05) return ODD[Math.floor(random() * ODD.length)]
  for (let faults = 1 + Math.floor(random() * 3); faults > 0; faults--) {
    let at = copy as Fields
    for (;;) {
      const names = Object.keys(at)
      const name = names[Math.floor(random() * names.length)]
      if (name === undefined) break
      const inner = at[name]
      if (typeof inner === 'object' && inner !== null && random() < 0.7) {
        at = inner as Fields
        continue
      }
      if (random() < 0.3) delete at[name]
      else if (random() < 0.2) at[name] = copy
      else at[name] = ODD[Math.floor(random() * ODD.length)]
      break
    }
  }
  return copy
}

/** The text that a whole chunk brings, in any of the recorded forms. */
function textIn(chunk: Fields): string {
  if (Array.isArray(chunk['choices']))
    return (chunk['choices'] as { delta?: Fields }[])
      .map(
        ({ delta }) =>
          `${(delta?.['reasoning_content'] as string | null) ?? ''}${(delta?.['content'] as string | null) ?? ''}`,
      )
      .join('')
  const { type, delta } = chunk
  if (type === 'content_block_delta') {
    const { text, thinking } = delta as Fields
    return ((text ?? thinking) as string | undefined) ?? ''
  }
  const isText = ['response.output_text.delta', 'response.reasoning_summary_text.delta'].includes(
    String(type),
  )
  return isText ? String(delta) : ''
}

/** One recording holds several answers, each numbered from 0: without a beginning the next one looks like a repetition. */
function beginsAnswer({ type }: Fields): boolean {
  return type === 'response.created'
}

describe('a stream with broken chunks in it', { skip }, () => {
  const seed = Number(process.env['LOOMI_SEED'] ?? Date.now() % 1_000_000)

  it(`throws nowhere and loses no text of a whole chunk (${BROKEN} broken ones, seed ${seed})`, async () => {
    const random = mulberry32(seed)
    let made = 0
    for (let round = 0; made < BROKEN; round++) {
      const name = NAMES[round % NAMES.length]!
      const chunks = readFileSync(new URL(name, FOLDER), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Fields)
      const share = 0.1 + random() * 0.6
      const isBroken = chunks.map((chunk) => random() < share && !beginsAnswer(chunk))
      made += isBroken.filter(Boolean).length
      const stream = chunks.map((chunk, i) => (isBroken[i] ? broken(chunk, random) : chunk))

      const world = makeWorld()
      const { status, error } = await world.loomi.session(REF).record(stream)
      const where = `seed ${seed}, round ${round}, ${name}`
      // A broken chunk may well say that the answer failed, but nothing is thrown.
      assert.ok(!(error instanceof Error), `${where}: ${String(error)}`)
      assert.ok(['complete', 'failed'].includes(status), where)
      const said = (await rowsOf(world.store))
        .map((row) => JSON.parse(row.event_data) as unknown)
        .filter((data) => typeof data === 'string')
        .join('')
      let at = 0
      for (const [i, chunk] of chunks.entries()) {
        const text = isBroken[i] ? '' : textIn(chunk)
        const found = said.indexOf(text, at)
        assert.notEqual(found, -1, `${where}: chunk ${i} lost ${JSON.stringify(text)}`)
        at = found + text.length
      }
      await world.loomi.close()
      await world.store.close()
    }
  })
})

/** https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function mulberry32(state: number): Random {
  let a = state
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
