/**
 * The transcript: items in the order of the log, each with its kind's look, and notices where something is gone.
 *
 * @module
 */
import { html, nothing, type TemplateResult } from 'lit'
import { guard } from 'lit/directives/guard.js'
import { repeat } from 'lit/directives/repeat.js'
import { textOf, type Json } from '../server/protocol.ts'
import type { Item, Snapshot } from './client/index.ts'
import { growingText } from './growing-text.ts'
import { kindOf, type Kind } from './kinds.ts'
import type { Strings } from './strings.ts'

/** What a transcript is made from. */
export interface TranscriptSource {
  readonly snapshot: Snapshot
  /** Those of the snapshot's items that are to be there now. */
  readonly items: readonly Item[]
  /** Whether an item appears without a motion. */
  readonly isSudden: (item: Item) => boolean
  readonly strings: Strings
  /** The slot that shows an item drawn by the page; null for the default look. */
  readonly slotOf: (item: Item) => string | null
  /** Ids of the items after which the log began anew; null for the transcript's start. */
  readonly resets: readonly (string | null)[]
}

interface Entry {
  readonly key: string
  readonly content: unknown
}

/** The log and, when it shows nothing, the slot `empty`. */
export function transcriptTemplate(source: TranscriptSource): TemplateResult {
  const { snapshot, items, strings } = source
  const { state } = snapshot
  const entries = entriesOf(source)
  const settled = state !== 'connecting' && state !== 'replaying'
  const isWhole = items.length === snapshot.items.length
  return html`
    <div
      class="log"
      part="log"
      role="log"
      aria-live="off"
      aria-label=${strings.transcript}
      aria-busy=${state === 'replaying' ? 'true' : 'false'}
    >
      ${repeat(
        entries,
        (entry) => entry.key,
        (entry) => entry.content,
      )}
    </div>
    ${entries.length === 0 && settled ? html`<slot name="empty"></slot>` : nothing}
    ${isWhole && isPending(snapshot) ? PENDING : nothing}
  `
}

function entriesOf({ snapshot, items, isSudden, strings, slotOf, resets }: TranscriptSource): Entry[] {
  const entries: Entry[] = []
  const gaps = [...snapshot.gaps]
  const gapsBefore = (seq: number): void => {
    while (gaps.length > 0 && gaps[0]![1] < seq) {
      const [from, to] = gaps.shift()!
      entries.push({ key: `gap:${from}-${to}`, content: notice('gap', strings.gap(from, to)) })
    }
  }
  const noticesAfter = (id: string | null): void => {
    for (const [index, { after, count }] of snapshot.unsaved.entries()) {
      if (after === id)
        entries.push({ key: `unsaved:${index}`, content: notice('unsaved', strings.unsaved(count)) })
    }
    for (const [index, after] of resets.entries()) {
      if (after === id) entries.push({ key: `reset:${index}`, content: notice('reset', strings.reset) })
    }
  }

  const hasNotices = resets.length > 0 || snapshot.unsaved.length > 0
  noticesAfter(null)
  for (const item of items) {
    // What is not in the log yet comes after all that is gone from it.
    gapsBefore(item.seq ?? Infinity)
    const slot = slotOf(item)
    if (slot !== null || !isSilent(item)) {
      entries.push({
        key: `item:${item.id}`,
        content: guard([item, slot, strings], () => itemTemplate(item, slot, isSudden(item), strings)),
      })
    }
    if (hasNotices) noticesAfter(item.id)
  }
  gapsBefore(Infinity)
  return entries
}

/** A run that ended well needs no words, nor does the end of a session. */
function isSilent({ event }: Item): boolean {
  const kind = kindOf(event)
  const endedWell = kind === 'run_end' && !['failed', 'stopped', 'interrupted'].includes(event.content_type)
  return endedWell || kind === 'silent'
}

/** An answer is under way, and nothing of it is growing that would show so. */
function isPending({ state, running, items }: Snapshot): boolean {
  return state === 'live' && running && items.at(-1)?.done !== false
}

const PENDING = html`<div class="pending" part="pending" aria-hidden="true"><i></i><i></i><i></i></div>`

function itemTemplate(item: Item, slot: string | null, isSudden: boolean, strings: Strings): TemplateResult {
  const kind = kindOf(item.event)
  const look = slot === null ? kind : 'projected'
  return html`<div
    class="item ${look}"
    part="item ${kind}"
    data-phase=${item.phase}
    ?data-sudden=${isSudden}
    ?data-unseen=${item.unseen}
    ?data-open=${!item.done}
  >
    ${slot === null ? lookOf(kind, item, strings) : html`<slot name=${slot}></slot>`}
  </div>`
}

/** An item that can't be drawn must not cost the others; its text is better than nothing. */
function lookOf(kind: Kind, item: Item, strings: Strings): TemplateResult | string {
  try {
    return LOOKS[kind](item, strings)
  } catch (error) {
    reportError(error)
    return item.text
  }
}

const LOOKS: Record<Kind, (item: Item, strings: Strings) => TemplateResult> = {
  thought: ({ text, done }, strings) =>
    html`<details open>
      <summary>${done ? strings.thought : strings.thinking}</summary>
      <div class="text">${growingText(text)}</div>
    </details>`,
  message: ({ text }, strings) =>
    html`<div class="text" role="article" aria-label=${strings.assistant}>${growingText(text)}</div>`,
  user: ({ text }, strings) =>
    html`<div class="text bubble" role="article" aria-label=${strings.you}>${growingText(text)}</div>`,
  tool: ({ event, text }) => {
    const { name, rest } = toolLine(event.event_data, text)
    const arrow = event.content_type === 'tool_result' ? '←' : '→'
    return html`<span class="mark" aria-hidden="true">${arrow}</span> <span class="name">${name}</span>
      <span class="data">${rest}</span>`
  },
  source: ({ event, text }) => {
    const { url, title } = fieldsOf(event.event_data)
    const words = (typeof title === 'string' && title) || (typeof url === 'string' && url) || text
    return html`<span class="mark" aria-hidden="true">§</span> ${linkTo(url, words)}`
  },
  error: ({ text }, strings) => noticeText(strings.error(text)),
  dropped: ({ event }, strings) => {
    const { count } = fieldsOf(event.event_data)
    return noticeText(strings.dropped(typeof count === 'number' ? count : 1))
  },
  silent: () => html``,
  event: ({ event, text }) =>
    html`<span class="name">${event.content_type}</span>
      <span class="data">${text || compact(event.event_data)}</span>`,
  run_end: ({ event }, strings) =>
    noticeText(runEnd(event.content_type, reasonOf(event.event_data), strings)),
}

/** A link, if the address is one of the web: a stranger's may be a script. */
function linkTo(url: Json | undefined, words: string): TemplateResult {
  const isWeb = typeof url === 'string' && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
  if (!isWeb) return html`<span class="data">${words}</span>`
  return html`<a class="data" href=${url} target="_blank" rel="noopener noreferrer nofollow">${words}</a>`
}

function notice(name: string, words: string): TemplateResult {
  return html`<div class="item notice" part="notice ${name}">${noticeText(words)}</div>`
}

function noticeText(words: string): TemplateResult {
  return html`<span class="words">${words}</span>`
}

function runEnd(how: string, reason: string, strings: Strings): string {
  if (how === 'failed') return strings.runFailed(reason)
  return how === 'stopped' ? strings.runStopped : strings.runInterrupted
}

function reasonOf(data: Json): string {
  const fields = fieldsOf(data)
  const { message, error } = fields
  if (typeof message === 'string') return message
  return typeof error === 'string' ? error : textOf(error ?? data) || textOf(fieldsOf(error)['message'] ?? '')
}

/** Providers call a tool's name and input by few names; what has none of them is shown whole. */
function toolLine(data: Json, text: string): { readonly name: string; readonly rest: string } {
  const { name, tool, tool_name, input, args, arguments: named, output, result } = fieldsOf(data)
  const called = [name, tool, tool_name].find((value) => typeof value === 'string')
  const rest = input ?? args ?? named ?? output ?? result
  if (typeof called !== 'string') return { name: '', rest: text || compact(data) }
  return { name: called, rest: rest === undefined ? text : compact(rest) }
}

function fieldsOf(data: Json | undefined): { readonly [name: string]: Json } {
  return typeof data === 'object' && data !== null && !Array.isArray(data)
    ? (data as { readonly [name: string]: Json })
    : {}
}

/** One line of a value, fields as `name: value`; long and deep ones are cut, for this is a hint and not a debugger. */
function compact(data: Json): string {
  if (data === null) return ''
  const shallow = cutBelow(MAX_DEPTH, data)
  const line =
    typeof shallow === 'object' && !Array.isArray(shallow)
      ? Object.entries(fieldsOf(shallow))
          .map(([name, value]) => `${name}: ${inline(value)}`)
          .join(' · ')
      : inline(shallow)
  return line.length > MAX_COMPACT ? `${line.slice(0, MAX_COMPACT).toWellFormed()}…` : line
}

function inline(data: Json): string {
  if (Array.isArray(data)) return data.map(inline).join(', ')
  return typeof data === 'string' ? data : JSON.stringify(data)
}

/** Data may be nested deeper than recursion, here or in `JSON.stringify`, can follow. */
function cutBelow(depth: number, data: Json): Json {
  if (typeof data !== 'object' || data === null) return data
  if (depth === 0) return '…'
  if (Array.isArray(data)) return data.map((value: Json) => cutBelow(depth - 1, value))
  return Object.fromEntries(
    Object.entries(fieldsOf(data)).map(([name, value]) => [name, cutBelow(depth - 1, value)]),
  )
}

const MAX_COMPACT = 300
const MAX_DEPTH = 4
