/**
 * Looking into values that somebody else made: nothing here trusts a shape, and nothing throws.
 *
 * @module
 */
import { isId, type Json, tagOf } from '../protocol.ts'

/** A value whose fields may be looked at. Arrays are not meant. */
export type Fields = { readonly [name: string]: unknown }

/** Whether a value has fields. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The fields of a value, none when it has none. */
export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {}
}

/** Those elements of an array that have fields; none when it is no array. */
export function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : []
}

/** A text, '' when it is none. */
export function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/**
 * A provider's id as a part's name may carry it: short, one word, and without what no id may hold. Ids that differ stay
 * different: gateways make long ones, whose beginnings are alike.
 */
export function partWord(id: unknown, otherwise: string): string {
  const given = stringOf(id)
  if (given === '') return otherwise
  const word = given.slice(0, 80).replaceAll(/[/\p{Cc}\p{Cs}]/gu, '_')
  return word === given && isId(word) ? word : `${word}~${tagOf(given)}`
}

/** A name that a stranger gave, as an event may carry it. */
export function nameWord(name: unknown, otherwise: string): string {
  const word = stringOf(name)
    .slice(0, 120)
    .replaceAll(/[\p{Cc}\p{Cs}]/gu, '_')
  return isId(word) ? word : otherwise
}

/** A value as JSON would carry it, null for what JSON leaves out. Bytes become base64, as in the providers' own JSON. */
export function jsonOf(value: unknown): Json {
  try {
    const text = JSON.stringify(value, (_, inner: unknown) =>
      typeof inner === 'bigint' ? String(inner) : inner instanceof Uint8Array ? base64Of(inner) : inner,
    ) as string | undefined
    return text === undefined ? null : (JSON.parse(text) as Json)
  } catch {
    // A cycle, or a getter that throws.
    return '[no JSON]'
  }
}

function base64Of(bytes: Uint8Array): string {
  const pieces: string[] = []
  for (let at = 0; at < bytes.length; at += 0x80_00)
    pieces.push(String.fromCharCode(...bytes.subarray(at, at + 0x80_00)))
  return btoa(pieces.join(''))
}

/** JSON text as its value; what is none stays text. */
export function parsed(text: string): Json {
  if (text === '') return {}
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}
