/**
 * Responses API events (https://platform.openai.com/docs/api-reference/responses-streaming). The provider numbers them,
 * so a stream can be read again from the middle: what came before is in the log then, and is not told again.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { ChunkReader, Form, Outcome } from './adapter.ts'
import { guardedForm } from './guarded.ts'
import { ItemIds } from './openai-item-ids.ts'
import {
  annotationOf,
  cutCallOf,
  EARLY_CALLS,
  INPUT_FIELDS,
  itemDrafts,
  wholeCallOf,
} from './openai-items.ts'
import { FullTexts } from './openai-texts.ts'
import { failed, failedBy, outcomeOf } from './outcomes.ts'
import type { TextKind } from './parts.ts'
import { providerError, unknownChunk, usage } from './shapes.ts'
import { type Fields, fieldsOf, isFields, listOf, partWord, stringOf } from './values.ts'

export const openaiResponses: Form = guardedForm((chunk) => {
  const { type, sequence_number } = fieldsOf(chunk)
  return stringOf(type).startsWith('response.') || (type === 'error' && typeof sequence_number === 'number')
}, responsesReader)

/** A text that grows in an item. */
interface TextField {
  readonly kind: TextKind
  readonly item: 'message' | 'reasoning'
  /** Tells a part's name from those of the item's other texts. */
  readonly mark: '' | 'r' | 't' | 's'
  readonly index: 'content_index' | 'summary_index'
  readonly full: 'text' | 'refusal'
}

const OUTPUT: TextField = { kind: 'message', item: 'message', mark: '', index: 'content_index', full: 'text' }
const REFUSAL: TextField = { ...OUTPUT, kind: 'refusal', mark: 'r', full: 'refusal' }
const REASONING: TextField = { ...OUTPUT, kind: 'thought', item: 'reasoning', mark: 't' }
const SUMMARY: TextField = { ...REASONING, mark: 's', index: 'summary_index' }

const TEXTS = new Map<string, TextField>([
  ['response.output_text', OUTPUT],
  ['response.refusal', REFUSAL],
  ['response.reasoning_text', REASONING],
  ['response.reasoning_summary_text', SUMMARY],
])
/** The items whose inputs grow, by the events that tell it. */
const INPUTS = new Map([...INPUT_FIELDS].map(([item, field]) => [`response.${item}_${field}`, item]))
/** Where a tool is, what other events tell in full, and the sound of what is also told as text. */
const SILENT = new RegExp(
  '^(?:keepalive|response\\.(?:queued|in_progress|audio\\.(?:delta|done)' +
    '|(?:content_part|reasoning_summary_part)\\.(?:added|done)' +
    '|compaction\\.compacting|shell_call_command\\.(?:added|delta|done)|shell_call_output_content\\.(?:delta|done)' +
    '|(?:\\w+_call|mcp_list_tools)\\.(?:in_progress|searching|interpreting|generating|partial_image|completed|failed)))$',
)

function responsesReader(): ChunkReader {
  const texts = new FullTexts()
  const ids = new ItemIds()
  /** How many sources of a part were told. */
  const cited = new Map<string, number>()
  /** The calls whose input is not whole. */
  const calls = new Map<string, { readonly item: Fields; text: string }>()
  /** The calls whose input was seen to end before the call did. */
  const inputs = new Map<string, 'told' | 'seen'>()
  /** The reading began in the middle of the answer; null before it began. */
  let isLate: boolean | null = null
  let isNumbered = false
  let lastError = ''
  let outcome: Outcome | null = null

  return {
    read(chunk) {
      if (!isFields(chunk)) return [unknownChunk(chunk)]
      const { type, sequence_number: number } = chunk
      isLate ??= type !== 'response.created' && typeof number === 'number' && number > 0
      return readEvent(stringOf(type), chunk)
    },
    finish: cutAll,
    outcome: () => outcome,
    sequence(chunk) {
      const { type, sequence_number: number } = fieldsOf(chunk)
      if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0) return null
      // Gateways give the number 0 to events of their own, which would make them old.
      if (number === 0 && isNumbered && type !== 'response.created') return null
      isNumbered = true
      return number
    },
    answerId: (chunk) => partWord(fieldsOf(fieldsOf(chunk)['response'])['id'], '') || null,
  }

  function readEvent(type: string, chunk: Fields): Draft[] {
    const [, stem = '', step] = /^(.+)\.(delta|done)$/.exec(type) ?? []
    const text = TEXTS.get(stem)
    if (text) return readText(text, step === 'done', chunk)
    const input = INPUTS.get(stem)
    if (input !== undefined) return readInput(input, step === 'done', chunk)
    switch (type) {
      case 'response.created':
        return startAnswer(fieldsOf(chunk['response']))
      case 'response.output_item.added':
        return startItem(fieldsOf(chunk['item']), chunk)
      case 'response.output_item.done':
        return endItem(fieldsOf(chunk['item']), chunk)
      case 'response.output_text.annotation.added': {
        const name = nameOf(OUTPUT, ids.of('message', chunk['item_id'], chunk), chunk)
        cited.set(name, (cited.get(name) ?? 0) + 1)
        return [annotationOf(fieldsOf(chunk['annotation']))]
      }
      case 'response.audio.transcript.delta':
        return texts.delta(`${ids.answer}/audio`, 'message', stringOf(chunk['delta']))
      case 'response.audio.transcript.done':
        return texts.end(`${ids.answer}/audio`, 'message', '', false)
      case 'response.completed':
      case 'response.failed':
      case 'response.incomplete':
      case 'response.cancelled':
        return endAnswer(type.slice('response.'.length), fieldsOf(chunk['response']))
      case 'error':
        // As it comes, and as it is documented.
        return fail(
          isFields(chunk['error']) ? chunk['error'] : { code: chunk['code'], message: chunk['message'] },
        )
    }
    return SILENT.test(type) ? [] : [unknownChunk(chunk)]
  }

  function readText(field: TextField, isEnd: boolean, chunk: Fields): Draft[] {
    const id = ids.of(field.item, chunk['item_id'], chunk)
    const name = nameOf(field, id, chunk)
    if (isEnd) return texts.end(name, field.kind, stringOf(chunk[field.full]), isWhole(id))
    return texts.delta(name, field.kind, stringOf(chunk['delta']))
  }

  function readInput(type: string, isEnd: boolean, chunk: Fields): Draft[] {
    const id = ids.of(type, chunk['item_id'], chunk)
    const field = INPUT_FIELDS.get(type) ?? ''
    const call = calls.get(id)
    if (call) call.text = isEnd ? stringOf(chunk[field]) || call.text : call.text + stringOf(chunk['delta'])
    if (!isEnd || !EARLY_CALLS.has(type)) return []
    calls.delete(id)
    inputs.set(id, call ? 'told' : 'seen')
    return call ? [wholeCallOf(call.item, call.text)] : []
  }

  function startItem(item: Fields, at: Fields): Draft[] {
    const type = stringOf(item['type'])
    const id = ids.announce(type, item['id'], at)
    const field = INPUT_FIELDS.get(type)
    if (field !== undefined) calls.set(id, { item: { ...item, id }, text: stringOf(item[field]) })
    return []
  }

  function endItem(item: Fields, at: Fields): Draft[] {
    const type = stringOf(item['type'])
    const id = ids.end(type, item['id'], at)
    if (type === 'message') return endContent(id, item['content'])
    if (type === 'reasoning')
      return [...endTexts(SUMMARY, id, item['summary']), ...endTexts(REASONING, id, item['content'])]
    const hasBegun = calls.delete(id) || inputs.has(id) || isWhole(id)
    return itemDrafts({ ...item, id }, inputs.get(id) === 'told' || (EARLY_CALLS.has(type) && !hasBegun))
  }

  function endContent(id: string, list: unknown): Draft[] {
    return listOf(list).flatMap((part, index) => {
      const field = part['type'] === 'refusal' ? REFUSAL : OUTPUT
      const name = nameOf(field, id, { content_index: index })
      const sources = isWhole(id) ? listOf(part['annotations']).slice(cited.get(name) ?? 0) : []
      return [...sources.map(annotationOf), ...endText(field, id, name, part)]
    })
  }

  function endTexts(field: TextField, id: string, list: unknown): Draft[] {
    return listOf(list).flatMap((part, index) =>
      endText(field, id, nameOf(field, id, { [field.index]: index }), part),
    )
  }

  /** A text of which nothing came in a late reading was told before, its end too. */
  function endText({ kind, full }: TextField, id: string, name: string, part: Fields): Draft[] {
    const isMine = isWhole(id) || texts.isOpen(name)
    return isMine ? texts.end(name, kind, stringOf(part[full]), isWhole(id)) : []
  }

  function startAnswer(response: Fields): Draft[] {
    const cut = cutAll()
    ids.begin(response['id'])
    isLate = false
    // What went wrong before was tried again.
    outcome = null
    lastError = ''
    return cut
  }

  function endAnswer(how: string, response: Fields): Draft[] {
    const { output, error, incomplete_details: details, usage: counts } = response
    const isCancelled = how === 'cancelled' || response['status'] === 'cancelled'
    // Gateways list items under ids that these did not have before: what is missing shows only when all is.
    const missing = isLate === true || !ids.isEmpty ? [] : listOf(output)
    const drafts = [
      ...missing.flatMap((item, index) => endItem(item, { output_index: index })),
      ...texts.endAll(),
      ...endCalls(how === 'completed' && !isCancelled ? wholeCallOf : cutCallOf),
      ...(isFields(error) ? fail(error) : []),
      ...(isFields(counts) ? [usage(counts)] : []),
    ]
    ids.endAnswer()
    if (isCancelled) outcome = { status: 'stopped', code: 'cancelled' }
    else outcome ??= how === 'failed' ? failed(how) : outcomeOf(fieldsOf(details)['reason'])
    return drafts
  }

  /** What is open when no more of the answer comes. */
  function cutAll(): Draft[] {
    return [...texts.endAll(), ...endCalls(cutCallOf)]
  }

  function endCalls(draftOf: (item: Fields, text: string) => Draft): Draft[] {
    const drafts = [...calls.values()].map(({ item, text }) => draftOf(item, text))
    calls.clear()
    return drafts
  }

  /** An error is told by an event of its own, and again by the end of the answer. */
  function fail(error: Fields): Draft[] {
    const draft = providerError(error)
    const told = JSON.stringify(draft.event_data)
    outcome = failedBy(draft)
    if (told === lastError) return []
    lastError = told
    return [draft]
  }

  /** Whether the reading has the item from its start. */
  function isWhole(id: string): boolean {
    return isLate !== true || ids.knows(id)
  }
}

/** `<item>/<index>`, the same in every reading. */
function nameOf({ mark, index }: TextField, id: string, at: Fields): string {
  const number = at[index]
  return `${partWord(id, 'item')}/${mark}${typeof number === 'number' ? number : 0}`
}
