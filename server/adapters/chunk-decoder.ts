/**
 * The way from what a source yields to provider chunks: objects are chunks as they are, bytes and strings are text in
 * which chunks are framed.
 *
 * @module
 */
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { type Framing, framingOf } from './framing.ts'
import { type Line, Lines } from './lines.ts'
import { isFields } from './values.ts'

/** One stream's decoder. It never throws. */
export interface ChunkDecoder {
  /** The chunks that an item of the source brings. */
  decode(item: unknown): unknown[]
  /** The chunks that the end brings: what came without its line's end. */
  end(): unknown[]
}

/** A line, and a message of server-sent events, may have so many characters; of a longer one each piece is a bad line. */
export const MAX_LINE_CHARS = 8 * 1024 * 1024

/** From so many undecided characters on, only a line's end is worth another look. */
const GLANCE_CHARS = 4096

/**
 * Makes a decoder. The framing is found from the stream's beginning unless it is given. Of text that is the answer
 * itself, chunks are strings, cut as they came but never inside a character. A line or message that should be JSON and
 * isn't becomes `{ type: 'bad_line', text }`.
 */
export function chunkDecoder(framing?: Framing, maxLineChars = MAX_LINE_CHARS): ChunkDecoder {
  // The mark of the byte order is taken off here, once: the decoder would do so after every flush.
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
  let isStart = true
  let head = ''
  let stage = framing === undefined ? null : STAGES[framing](maxLineChars)

  return {
    decode(item) {
      if (typeof item === 'string') return takeString(utf8.decode() + item)
      if (!(item instanceof ArrayBuffer) && !ArrayBuffer.isView(item)) return [item]
      try {
        return take(marked(utf8.decode(item, { stream: true })))
      } catch {
        // A buffer that was given away.
        return [item]
      }
    },
    end() {
      const chunks = take(utf8.decode())
      if (!stage) chunks.push(...decide(framingOf(head, true, maxLineChars) ?? 'text'))
      return [...chunks, ...(stage?.end() ?? [])]
    },
  }

  function marked(text: string): string {
    return isStart && text.startsWith('\uFEFF') ? text.slice(1) : text
  }

  /** A source of messages, a WebSocket for one, gives each chunk as a string of its own, without a line's end. */
  function takeString(text: string): unknown[] {
    const isMessage = (stage ? stage.isAtLineStart?.() === true : head === '') && isWholeObject(text)
    return take(isMessage ? `${text}\n` : text)
  }

  function take(text: string): unknown[] {
    if (text === '') return []
    isStart = false
    if (stage) return stage.take(text)
    head += text
    // To look at a long line again with each piece would cost its square.
    if (head.length > GLANCE_CHARS && head.length <= maxLineChars && !text.includes('\n')) return []
    const found = framingOf(head, false, maxLineChars)
    return found ? decide(found) : []
  }

  function decide(found: Framing): unknown[] {
    stage = STAGES[found](maxLineChars)
    const text = found === 'text' ? head : head.trimStart()
    head = ''
    return text === '' ? [] : stage.take(text)
  }
}

/** What is done with the text once the framing is known. */
interface Stage {
  take(text: string): unknown[]
  /** Of lines of JSON: whether nothing of the next line has come. */
  isAtLineStart?(): boolean
  end(): unknown[]
}

const STAGES: Readonly<Record<Framing, (maxLineChars: number) => Stage>> = {
  sse: sseStage,
  jsonl: jsonlStage,
  text: textStage,
}

function textStage(): Stage {
  let half = ''
  return {
    take(piece) {
      const text = half + piece
      half = /[\uD800-\uDBFF]$/.test(text) ? text.slice(-1) : ''
      const whole = half ? text.slice(0, -1) : text
      return whole === '' ? [] : [whole]
    },
    end: () => (half === '' ? [] : [half]),
  }
}

function jsonlStage(maxLineChars: number): Stage {
  const lines = new Lines(maxLineChars, false)
  const read = ({ text, isWhole }: Line): unknown[] => {
    if (!isWhole) return [badLine(text)]
    // `trim` also takes the byte order mark off, which JSON does not know.
    const line = text.trim()
    if (line === '') return []
    const json = jsonIn(line)
    return [json ? json.value : badLine(text)]
  }
  return {
    take: (text) => lines.push(text).flatMap(read),
    isAtLineStart: () => lines.isAtStart,
    end: () => lines.end().flatMap(read),
  }
}

function sseStage(maxLineChars: number): Stage {
  const lines = new Lines(maxLineChars, true)
  let chunks: unknown[] = []
  let chars = 0
  let hasObjects = false
  let isRaw = false
  const parser = createParser({
    onEvent: (message) => chunks.push(...read(message)),
    onError: ({ type, line }) => {
      // The standard has such lines ignored, but gateways put their errors there, as bare JSON.
      if (type !== 'unknown-field' || line === undefined) return
      const json = jsonIn(line)
      chunks.push(isObject(json?.value) ? json?.value : badLine(line))
    },
  })
  return {
    take: (text) => feed(lines.push(text)),
    // The last message counts though its blank line is missing.
    end: () => feed([...lines.end(), { text: '', isWhole: true }]),
  }

  function feed(fed: readonly Line[]): unknown[] {
    chunks = []
    for (const { text, isWhole } of fed) {
      if (!isWhole) {
        chunks.push(badLine(text))
        continue
      }
      parser.feed(`${text}\n`)
      chars = text === '' ? 0 : chars + text.length
      if (chars <= maxLineChars) continue
      // A message without an end is cut here, or the parser would collect it for ever.
      parser.feed('\n')
      chars = 0
    }
    return chunks
  }

  /**
   * A stream of objects stays one: what is no object in it is a bad line. One without objects is text, whose pieces
   * are JSON strings as long as nothing contradicts that; a number there is text that looks like one.
   */
  function read({ event, data }: EventSourceMessage): unknown[] {
    if (data.trim() === '[DONE]') return []
    const name = event === 'message' ? undefined : event
    const json = jsonIn(data)
    if (isObject(json?.value)) {
      hasObjects = true
      return [
        name !== undefined && isToldByName(name, json?.value)
          ? { event: name, data: json?.value }
          : json?.value,
      ]
    }
    if (name !== undefined) return [{ event: name, data: json ? json.value : data }]
    if (data === '') return []
    if (hasObjects) return [badLine(data)]
    isRaw ||= json === null
    return [typeof json?.value === 'string' && !isRaw ? json.value : data]
  }
}

/** LangGraph's stream modes: what their messages hold is an app's, and may have any field. */
const GRAPH_MODE =
  /^(?:values|updates|custom|messages|events|debug|tasks|checkpoints|tools|lifecycle)(?:[|/]|$)/

/** Whether a message's name says what it is, because its JSON does not. */
function isToldByName(name: string, value: unknown): boolean {
  if (GRAPH_MODE.test(name) || !isFields(value)) return true
  return !['type', 'event_type', 'object'].some((field) => typeof value[field] === 'string')
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

function isWholeObject(text: string): boolean {
  return /^[{[][^\n\r]*[}\]]$/.test(text.trim()) && isObject(jsonIn(text)?.value)
}

function badLine(text: string): unknown {
  return { type: 'bad_line', text }
}

function jsonIn(text: string): { readonly value: unknown } | null {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return null
  }
}
