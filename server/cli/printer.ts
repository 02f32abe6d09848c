/**
 * How events look in a terminal.
 *
 * Each begins a line with its kind; the deltas of one part are joined in place. Nothing is wrapped, and nothing that an
 * event holds reaches the terminal as anything but text.
 *
 * @module
 */
import { styleText } from 'node:util'
import { type Json, type LoomiEvent, tagOf, textOf } from '../protocol.ts'
import { harmless, harmlessJson, harmlessLine } from './harmless.ts'

/** Compact data shows at most so many characters; `--json` has all of them. */
const COMPACT_CHARS = 400
const NAME_CHARS = 128

type Style = Parameters<typeof styleText>[0]

/** Kinds whose text is what there is to read. */
const TEXT_STYLES = new Map<string, { readonly label: Style; readonly text?: Style }>([
  ['user', { label: ['cyan', 'bold'] }],
  ['thought', { label: 'dim', text: ['dim', 'italic'] }],
  ['message', { label: ['green', 'bold'] }],
  ['refusal', { label: ['red', 'bold'] }],
])
const LABEL_STYLES = new Map<string, Style>([
  ['tool_call', 'yellow'],
  ['tool_result', 'yellow'],
  ['source', 'blue'],
  ['error', ['red', 'bold']],
])
const RUN_END_STYLES = new Map<string, Style>([
  ['complete', 'green'],
  ['failed', ['red', 'bold']],
  ['stopped', 'yellow'],
  ['interrupted', 'yellow'],
])
const OTHER_STYLE: Style = 'magenta'
/** Agents are told apart by these. */
const SPEAKER_STYLES: readonly Style[] = ['cyan', 'green', 'yellow', 'blue', 'magenta']
/** Who speaks when nobody in particular does. */
const USUAL_SPEAKERS = new Set(['', 'agent', 'user', 'loomi'])

/** Turns events into what is to be written, in order. */
export class Printer {
  readonly #colours: boolean
  /** The part whose text the line being written is, null when no line is open. */
  #part: string | null = null
  /** What was written last ended a line. */
  #isLineStart = true
  /** The first half of a character whose second half the next delta brings. */
  #half = ''

  /** `colours`: with escape sequences of its own for colours and type. */
  constructor({ colours }: { readonly colours: boolean }) {
    this.#colours = colours
  }

  /** The text of one event. */
  print(event: LoomiEvent): string {
    const { content_type, event_data, part_id } = event
    if (event.event_type === 'run_end') return this.#runEnd(event)
    const shown = this.#known(event)
    if (shown) return this.#line(this.#label(event) + shown)
    const text = textOf(event_data)
    const isText = typeof event_data === 'string' || (TEXT_STYLES.has(content_type) && text !== '')
    if (!isText) return this.#line(`${this.#label(event)}: ${compact(event_data)}`)
    return part_id === undefined ? this.#whole(event, text) : this.#delta(event, text)
  }

  /** Ends the line that is being written, for something else to be written below it. */
  pause(): string {
    this.#part = null
    const rest = this.#half && '\ufffd'
    this.#half = ''
    if (this.#isLineStart && !rest) return ''
    this.#isLineStart = true
    return `${rest}\n`
  }

  #whole(event: LoomiEvent, text: string): string {
    const shown = harmless(text)
    return this.#line(`${this.#label(event)}: ${this.#style(textStyle(event), shown)}`, shown)
  }

  #delta(event: LoomiEvent, delta: string): string {
    const part = JSON.stringify([event.part_id, event.content_type, event.agent_source])
    const goesOn = part === this.#part
    let written = ''
    // A delta that is empty only says that its part is done.
    if (delta !== '') {
      if (!goesOn) written = `${this.pause()}${this.#label(event)}: `
      const text = this.#half + delta
      this.#half = /[\ud800-\udbff]$/.test(text) ? text.at(-1)! : ''
      const shown = harmless(text.slice(0, text.length - this.#half.length))
      written += this.#style(textStyle(event), shown)
      this.#part = part
      if (shown !== '') this.#isLineStart = shown.endsWith('\n')
      else if (!goesOn) this.#isLineStart = false
    }
    return event.part_done && part === this.#part ? written + this.pause() : written
  }

  #runEnd(event: LoomiEvent): string {
    const { code, text } = fieldsOf(event.event_data)
    const why = wordsOf(code, text).join(': ')
    const status = harmlessLine(event.content_type, NAME_CHARS)
    const told = `run_end: ${status}${why && ` (${harmlessLine(why, COMPACT_CHARS)})`}`
    return this.#line(this.#style(RUN_END_STYLES.get(status), told))
  }

  /** What follows the label of a kind that is more than text or data; nothing for what is not of that shape. */
  #known({ content_type, event_data }: LoomiEvent): string | null {
    const { name, id, input, incomplete, output, is_error, title, url, code } = fieldsOf(event_data)
    const called = nameOf(name) || nameOf(id)
    switch (content_type) {
      case 'tool_call':
        if (input === undefined) return null
        return ` → ${called}${compact(input)}${incomplete === true ? ' (incomplete)' : ''}`
      case 'tool_result':
        if (output === undefined) return null
        return ` ← ${called}${this.#style(is_error === true ? 'red' : undefined, compact(output))}`
      case 'source': {
        const words = wordsOf(title, url).join(' ')
        return words && `: ${harmlessLine(words, COMPACT_CHARS)}`
      }
      case 'error': {
        const text = harmless(textOf(event_data))
        const told = nameOf(code) ? `${nameOf(code).trimEnd()}: ${text}` : text
        return text && `: ${this.#style('red', told)}`
      }
      default:
        return null
    }
  }

  #label({ agent_source, content_type, event_type }: LoomiEvent): string {
    const isPlain = event_type === content_type || event_type === 'llm_chunk' || TEXT_STYLES.has(content_type)
    const name = isPlain ? content_type : `${event_type} ${content_type}`
    const style = TEXT_STYLES.get(content_type)?.label ?? LABEL_STYLES.get(content_type) ?? OTHER_STYLE
    const label = this.#style(style, harmlessLine(name, 2 * NAME_CHARS))
    if (USUAL_SPEAKERS.has(agent_source)) return label
    const speaker = SPEAKER_STYLES[Number.parseInt(tagOf(agent_source), 36) % SPEAKER_STYLES.length]!
    return `${label} (${this.#style(speaker, harmlessLine(agent_source, NAME_CHARS))})`
  }

  /** One event on a line of its own; `shown` is what it ends with, without its style. */
  #line(text: string, shown = text): string {
    return `${this.pause()}${text}${shown.endsWith('\n') ? '' : '\n'}`
  }

  #style(style: Style | undefined, text: string): string {
    if (!this.#colours || style === undefined || text === '') return text
    return styleText(style, text, { validateStream: false })
  }
}

type Fields = { readonly [name: string]: Json }

function fieldsOf(data: Json): Fields {
  return typeof data === 'object' && data !== null && !Array.isArray(data) ? (data as Fields) : {}
}

function wordsOf(...values: (Json | undefined)[]): string[] {
  return values.filter((value) => typeof value === 'string').filter((word) => word !== '')
}

function compact(data: Json): string {
  const json = harmlessJson(data)
  return json.length > COMPACT_CHARS ? `${json.slice(0, COMPACT_CHARS)}…` : json
}

/** The name, and a space to what follows. */
function nameOf(value: Json | undefined): string {
  const name = typeof value === 'string' ? harmlessLine(value, NAME_CHARS) : ''
  return name && `${name} `
}

function textStyle({ content_type }: LoomiEvent): Style | undefined {
  return TEXT_STYLES.get(content_type)?.text
}
