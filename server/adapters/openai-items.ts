/**
 * What the items of a Responses API answer become: calls of tools, what they gave, images.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import { event, file, source, toolCall, toolResult, unknownChunk } from './shapes.ts'
import { type Fields, fieldsOf, parsed, stringOf } from './values.ts'

/** The field of an item in which a call's input grows. */
export const INPUT_FIELDS: ReadonlyMap<string, string> = new Map([
  ['function_call', 'arguments'],
  ['custom_tool_call', 'input'],
  ['mcp_call', 'arguments'],
  ['code_interpreter_call', 'code'],
])

/** Calls that the provider runs itself, which may take a while: they are told when their input is whole, not when they are done. */
export const EARLY_CALLS: ReadonlySet<string> = new Set(['mcp_call', 'code_interpreter_call'])

const CALLS = new Set([
  ...INPUT_FIELDS.keys(),
  'web_search_call',
  'file_search_call',
  'computer_call',
  'local_shell_call',
  'shell_call',
  'apply_patch_call',
  'tool_search_call',
  'program',
])
const RESULTS = new Set([
  'function_call_output',
  'custom_tool_call_output',
  'computer_call_output',
  'local_shell_call_output',
  'shell_call_output',
  'apply_patch_call_output',
  'tool_search_output',
  'program_output',
])
/** For the model and for whoever answers it, not for a reader. */
const SILENT = new Set(['mcp_list_tools', 'mcp_approval_response', 'additional_tools', 'compaction'])

/** What an item that is done becomes, its call left out if that was told before. */
export function itemDrafts(item: Fields, isCallTold: boolean): Draft[] {
  const type = stringOf(item['type'])
  if (CALLS.has(type)) return [...(isCallTold ? [] : [callOf(item)]), ...ownResult(item)]
  if (RESULTS.has(type)) return [resultOf(item, item['output'] ?? item['result'] ?? item['tools'])]
  if (type === 'image_generation_call') return image(item)
  if (type === 'mcp_approval_request') return [approval(item)]
  return SILENT.has(type) ? [] : [unknownChunk(item, type || undefined)]
}

/** A call whose input grew to `text`. */
export function wholeCallOf(item: Fields, text: string): Draft {
  return callOf({ ...item, [INPUT_FIELDS.get(stringOf(item['type'])) ?? '']: text })
}

function callOf(item: Fields): Draft {
  const { type, status, server_label, namespace, pending_safety_checks } = item
  const isCut = status === 'incomplete' && INPUT_FIELDS.has(stringOf(type))
  const more = { server_label, namespace, pending_safety_checks, ...(isCut && { incomplete: true }) }
  return toolCall(idOf(item), nameOf(item), inputOf(item), more)
}

/** A call that the stream's end cut off, its input as text. */
export function cutCallOf(item: Fields, text: string): Draft {
  return toolCall(idOf(item), nameOf(item), text, { incomplete: true })
}

/** What a text rests on: a page, or a file. */
export function annotationOf(annotation: Fields): Draft {
  const { url, title, ...more } = annotation
  return source(url, title ?? annotation['filename'], more)
}

function idOf({ id, call_id }: Fields): string {
  return stringOf(call_id) || stringOf(id)
}

function nameOf({ name, type }: Fields): string {
  return stringOf(name) || stringOf(type).replace(/(?:_call)?(?:_output)?$/, '')
}

function inputOf(item: Fields): unknown {
  const { type, arguments: args, input, code, queries, operation, actions } = item
  if (typeof args === 'string') return parsed(args)
  if (type === 'code_interpreter_call' || type === 'program') return { code: code ?? '' }
  if (type === 'file_search_call') return { queries: queries ?? [] }
  const action = 'action' in item ? item['action'] : actions
  if (type === 'web_search_call') {
    const { sources: _, ...asked } = fieldsOf(action)
    return asked
  }
  return args ?? input ?? operation ?? action
}

/** The result that a provider's own tool leaves in its call; only when it was asked to, or failed. */
function ownResult(item: Fields): Draft[] {
  const { status, error, output, outputs, results, action } = item
  const result = output ?? outputs ?? results ?? fieldsOf(action)['sources'] ?? error ?? null
  return result === null && status !== 'failed' ? [] : [resultOf(item, result)]
}

function resultOf(item: Fields, output: unknown): Draft {
  const isError = item['status'] === 'failed' || (item['error'] ?? null) !== null
  return toolResult(idOf(item), nameOf(item), output, isError ? { is_error: true } : {})
}

function image({ id, result, status, output_format }: Fields): Draft[] {
  if (typeof result === 'string')
    return [file({ media_type: `image/${stringOf(output_format) || 'png'}`, data: result })]
  return status === 'failed' ? [toolResult(id, 'image_generation', null, { is_error: true })] : []
}

function approval(item: Fields): Draft {
  const { id, name, server_label } = item
  return event('tool_approval_request', { id, name, input: inputOf(item), server_label })
}
