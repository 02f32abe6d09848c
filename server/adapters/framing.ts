/**
 * Which framing a stream of text has, told by how it begins.
 *
 * @module
 */

/** Server-sent events, a JSON value on each line, or text that is the answer itself. */
export type Framing = 'sse' | 'jsonl' | 'text'

/** Characters of blanks, or of comment lines, after which waiting for something telling ends. */
const MAX_PREAMBLE_CHARS = 64 * 1024

const FIELDS = ['data:', 'event:', 'id:', 'retry:']

/**
 * The framing of a stream that begins with `head`, null when that is too little to tell. Of two heads of one stream the
 * longer never tells another framing, so it is the same however the stream is cut. `isWhole`: nothing follows.
 */
export function framingOf(head: string, isWhole: boolean, maxLineChars: number): Framing | null {
  const start = head.search(/\S/)
  if (start > MAX_PREAMBLE_CHARS || (start === -1 && head.length > MAX_PREAMBLE_CHARS)) return 'text'
  if (start === -1) return isWhole ? 'text' : null
  const first = head[start]
  if (first === '{' || first === '[') return jsonOrText(head, start, isWhole, maxLineChars)
  return first === ':' ? afterComments(head, start, isWhole) : fieldOrText(head, start, isWhole)
}

function jsonOrText(head: string, start: number, isWhole: boolean, maxLineChars: number): Framing | null {
  // What cannot go on as JSON need not wait for the line's end.
  if (/^(?:\{\s*[^\s"}]|\[\s*[^\s[\]{"\-\dtfn])/.test(head.slice(start, start + 64))) return 'text'
  const end = head.indexOf('\n', start)
  // So long a line is nobody's prose.
  if ((end === -1 ? head.length : end) - start > maxLineChars) return 'jsonl'
  if (end === -1 && !isWhole) return null
  return isJson(head.slice(start, end === -1 ? undefined : end)) ? 'jsonl' : 'text'
}

/** A first line such as `:)` may be text as well as a comment: the next line that is none tells. */
function afterComments(head: string, start: number, isWhole: boolean): Framing | null {
  for (let at = start; at - start <= MAX_PREAMBLE_CHARS;) {
    const length = head.slice(at).search(/[\r\n]/)
    if (length === -1) return isWhole ? (at > start ? 'sse' : 'text') : null
    const blanks = head.slice(at + length).search(/\S/)
    if (blanks === -1) return isWhole ? 'sse' : null
    at += length + blanks
    if (head[at] !== ':') return fieldOrText(head, at, isWhole)
  }
  return 'sse'
}

function fieldOrText(head: string, at: number, isWhole: boolean): Framing | null {
  if (FIELDS.some((field) => head.startsWith(field, at))) return 'sse'
  const begun = head.slice(at, at + 6)
  return !isWhole && FIELDS.some((field) => field.startsWith(begun)) ? null : 'text'
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line)
    return true
  } catch {
    return false
  }
}
