/**
 * One message of the model, as far as it was told.
 *
 * @module
 */
import type { CallPiece } from './langchain-message.ts'
import type { TextKind } from './parts.ts'
import { type Fields, isFields, parsed } from './values.ts'

/** See the module. */
export interface Answer {
  /** What its parts are named after. */
  readonly word: string
  /** Its slot among the parts, and before a slash its calls'. */
  readonly slot: string
  source: string | undefined
  readonly texts: Record<TextKind, string>
  readonly names: Set<number>
  /** The content block that is written. */
  block: number | string | undefined
  /** Its calls that are being written. */
  readonly open: Set<string>
  readonly told: Set<string>
  counts: Fields | null
  isCounted: boolean
  hasEnded: boolean
}

/** A message of which nothing is told yet. */
export function newAnswer(word: string, slot: string, source: string | undefined): Answer {
  return {
    word,
    slot,
    source,
    texts: { thought: '', message: '', refusal: '' },
    names: new Set(),
    block: undefined,
    open: new Set(),
    told: new Set(),
    counts: null,
    isCounted: false,
    hasEnded: false,
  }
}

/** Whether a call was told, be it under another id than the message has for it in the end. */
export function isTold({ told }: Answer, { id, name, text }: CallPiece): boolean {
  if (id !== '' && told.has(`id ${id}`)) return true
  return name !== '' && told.has(`call ${name} ${JSON.stringify(parsed(text))}`)
}

/** A name for a part: with the block's own index if it is free: so a stream that is read again gives the same names. */
export function newName({ word, names }: Answer, block: number | string | undefined): string {
  let index = typeof block === 'number' && block >= 0 && Number.isSafeInteger(block) ? block : 0
  while (names.has(index)) index++
  names.add(index)
  return `${word}/${index}`
}

/** Adds counts up. */
export function sumOf(a: Fields, b: Fields): Fields {
  const sum: { [name: string]: unknown } = { ...a }
  for (const [name, value] of Object.entries(b)) {
    const before = sum[name]
    if (typeof value === 'number' && typeof before === 'number') sum[name] = before + value
    else sum[name] = isFields(value) && isFields(before) ? sumOf(before, value) : value
  }
  return sum
}
