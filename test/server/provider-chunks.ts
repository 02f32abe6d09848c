/** What the tests of adapters share: readings in short, recordings, what an SDK knows, and chunks that nobody should send. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import type { Form } from '../../server/adapters/adapter.ts'
import { type Draft, stampChunk } from '../../server/drafts.ts'
import type { Json } from '../../server/protocol.ts'

/** All drafts of one reading. */
export function draftsOf({ adapter }: Form, chunks: readonly unknown[]): Draft[] {
  const reader = adapter()
  return [...chunks.flatMap((chunk) => reader.read(chunk)), ...reader.finish()]
}

/** Kind, part and text, with the mark of an end; of what has no part, type and data. */
export function short(drafts: readonly Draft[]): string[] {
  return drafts.map(({ event_type, content_type, event_data, part, part_done }) => {
    const data = JSON.stringify(event_data)
    return part === undefined
      ? `${event_type} ${data}`
      : `${content_type} ${part} ${data}${part_done ? ' end' : ''}`
  })
}

/** The text of each part, under its kind and name. */
export function textsOf(drafts: readonly Draft[]): Record<string, string> {
  const texts: Record<string, string> = {}
  for (const { content_type, event_data, part } of drafts) {
    if (part === undefined) continue
    const name = `${content_type} ${part}`
    texts[name] = (texts[name] ?? '') + (event_data as string)
  }
  return texts
}

/** The data of all drafts of a type. */
export function dataOf(drafts: readonly Draft[], type: string): Json[] {
  return drafts.filter(({ event_type }) => event_type === type).map(({ event_data }) => event_data ?? null)
}

/** The names of parts that end, in order. */
export function endsOf(drafts: readonly Draft[]): string[] {
  return drafts.filter(({ part_done }) => part_done).map(({ part = '' }) => part)
}

const RECORDINGS = fileURLToPath(new URL('../../../shared/recordings/', import.meta.url))

/** The names of the recordings of a form; none where there are no recordings. */
export function recordingsOf(form: string): string[] {
  if (!existsSync(RECORDINGS)) return []
  return readdirSync(RECORDINGS).filter((name) => name.startsWith(`${form}.`))
}

/** The chunks of a recording. */
export function recordedChunks<T>(name: string): T[] {
  const lines = readFileSync(`${RECORDINGS}${name}`, 'utf8').trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as T)
}

/** Parts a stream of several answers, each of which begins with a chunk of that type. */
export function answersOf<T extends { readonly type: string }>(chunks: readonly T[], first: string): T[][] {
  const answers: T[][] = []
  for (const chunk of chunks) {
    if (chunk.type === first) answers.push([])
    answers.at(-1)?.push(chunk)
  }
  return answers
}

/** Chunks as the SDKs take them: JSON, one a line. */
export function jsonLines(chunks: readonly unknown[]): ReadableStream {
  const text = chunks.map((chunk) => `${JSON.stringify(chunk)}\n`).join('')
  return new Blob([text]).stream()
}

/** The `type`s of all members of a union that an SDK's declarations export, by the members' names. */
export function typesOfUnion(module: string, union: string): Map<string, string> {
  const text = readFileSync(fileURLToPath(import.meta.resolve(module)).replace(/m?js$/, 'd.ts'), 'utf8')
  const members = new RegExp(`^export type ${union} = (.*);$`, 'm').exec(text)?.[1]?.split(' | ') ?? []
  return new Map(members.map((member) => [member, typeOf(text, member.split('.').at(-1)!)]))
}

function typeOf(text: string, name: string): string {
  const form = new RegExp(`^( *)(?:export )?interface ${name} (?:extends (\\w+) )?{$([\\s\\S]*?)^\\1}$`, 'm')
  const [, indent = '', parent, body = ''] = form.exec(text) ?? []
  const type = new RegExp(`^${indent} {4}type: '([^']+)';$`, 'm').exec(body)?.[1]
  if (type === undefined && parent === undefined) throw new Error(`No type was found of ${name}.`)
  return type ?? typeOf(text, parent!)
}

/** Texts that are easily broken: half characters, controls, ends of lines. */
export const roughText = fc.string({
  unit: fc.oneof(
    fc.constantFrom('\ud83c', '\udf31', '\u0000', '\r\n', '\u2028', '"', '\\', '🌱', ' ', 'a'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
  maxLength: 12,
})

/** A text, and the pieces it may come in. */
export const pieces = fc.array(roughText, { maxLength: 5 })

/** Values that have the names of a form where these matter, and wrong values anywhere. */
export function garbage(types: readonly string[], names: readonly string[]): fc.Arbitrary<unknown> {
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  const proxy = new Proxy({}, { get: () => assert.fail('a trap'), ownKeys: () => assert.fail('a trap') })
  const hostile = fc.constantFrom<unknown>(
    cyclic,
    proxy,
    new Date(NaN),
    new Map([[1, 2]]),
    Symbol('s'),
    10n,
    () => 1,
    new Error('secret'),
    {
      get type() {
        throw new Error('a getter')
      },
    },
    {
      toJSON() {
        throw new Error('toJSON')
      },
      toString: null,
    },
    JSON.parse('{"__proto__": {"type": "x"}, "constructor": 1}'),
  )
  const word = fc.oneof(fc.constantFrom(...types), roughText, fc.constantFrom('constructor', '__proto__', ''))
  const { node } = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      word,
      fc.constantFrom<unknown>(0, 1, -1, 1e300, NaN, true, null, undefined),
      hostile,
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names), tie('node'), { maxKeys: 6 }),
      fc
        .tuple(word, fc.dictionary(fc.constantFrom(...names), tie('node'), { maxKeys: 6 }))
        .map(([type, fields]) => ({ ...fields, type })),
    ),
  }))
  return node
}

/** Takes everything that a form offers for chunks; throws what it throws, and what the log would refuse. */
export function takeAll({ recognises, adapter }: Form, chunks: readonly unknown[]): void {
  const reader = adapter()
  const stamp = { runId: 'r', n: 1, i: 0, firstN: 1, createdAt: '' }
  for (const chunk of chunks) {
    recognises(chunk)
    reader.sequence?.(chunk)
    reader.answerId?.(chunk)
    stampChunk(reader.read(chunk), stamp)
    reader.outcome?.()
  }
  stampChunk(reader.finish(), stamp)
}
