/**
 * What others wrote, made harmless for a terminal: a log is replayed, so what was once put into it would act on every
 * reader's terminal (move the cursor, rewrite lines, set the title, fill the clipboard).
 *
 * @module
 */
import { stripVTControlCharacters } from 'node:util'

// C0 without tab and line feed, DEL, C1, and what turns the direction of text around (Unicode 16, 23.2 and UAX #9).
// oxlint-disable-next-line no-control-regex
const HARMFUL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g

/** What JSON leaves as it is and a terminal obeys, or a reader of lines takes for a line's end. */
const HARMFUL_IN_JSON = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/** The text without what a terminal would obey; tabs and line feeds stay. Of an escape sequence its letters may stay. */
export function harmless(text: string): string {
  return text.replace(HARMFUL, '')
}

/** The text as one harmless line of at most `max` characters. */
export function harmlessLine(text: string, max: number): string {
  const line = harmless(stripVTControlCharacters(text).replace(/\s+/g, ' ')).trim()
  return line.length > max ? `${line.slice(0, max)}…` : line
}

/** The JSON of a value, on one line, with what a terminal would obey written as `\u` escapes: the same value to any parser. */
export function harmlessJson(value: unknown): string {
  return JSON.stringify(value).replace(
    HARMFUL_IN_JSON,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
