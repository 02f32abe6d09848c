/** Small streams of the Responses API, written by its SDK's types. */
import type { Response, ResponseOutputItem, ResponseStreamEvent } from 'openai/resources/responses/responses'

/** An event before it is numbered. */
export type Unnumbered = ResponseStreamEvent extends infer E
  ? E extends unknown
    ? Omit<E, 'sequence_number'>
    : never
  : never
export type Numbered = ResponseStreamEvent

/** Numbers events as the provider does. */
export function numbered(events: readonly Unnumbered[]): Numbered[] {
  return events.map((event, sequence_number) => ({ ...event, sequence_number }) as Numbered)
}

/** A response without output. */
export function responseOf(id: string, status: NonNullable<Response['status']>): Response {
  return {
    id,
    status,
    object: 'response',
    access_programs: null,
    created_at: 0,
    output_text: '',
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: null,
    model: 'gpt-5',
    output: [],
    parallel_tool_calls: true,
    temperature: null,
    tool_choice: 'auto',
    tools: [],
    top_p: null,
  }
}

type Item<T extends ResponseOutputItem['type']> = Extract<ResponseOutputItem, { readonly type: T }>

function around(
  output_index: number,
  begun: ResponseOutputItem,
  inner: Unnumbered[],
  item: ResponseOutputItem,
): Unnumbered[] {
  return [
    { type: 'response.output_item.added', output_index, item: begun },
    ...inner,
    { type: 'response.output_item.done', output_index, item },
  ]
}

/** The events of one item, by its kind. */
export const itemStream = {
  message(id: string, output_index: number, deltas: readonly string[], isDelta = true): Unnumbered[] {
    const at = { item_id: id, output_index, content_index: 0 }
    const text = deltas.join('')
    const begun = { type: 'output_text', text: '', annotations: [] } as const
    const part = { ...begun, text, annotations: [] }
    const item: Item<'message'> = {
      type: 'message',
      id,
      role: 'assistant',
      status: 'in_progress',
      content: [],
    }
    const inner: Unnumbered[] = [
      { type: 'response.content_part.added', ...at, part: { ...begun, annotations: [] } },
      ...(isDelta ? deltas : []).map((delta): Unnumbered => ({
        type: 'response.output_text.delta',
        ...at,
        delta,
        logprobs: [],
      })),
      { type: 'response.output_text.done', ...at, text, logprobs: [] },
      { type: 'response.content_part.done', ...at, part },
    ]
    return around(output_index, item, inner, { ...item, status: 'completed', content: [part] })
  },

  refusal(id: string, output_index: number): Unnumbered[] {
    const at = { item_id: id, output_index, content_index: 0 }
    const item: Item<'message'> = {
      type: 'message',
      id,
      role: 'assistant',
      status: 'in_progress',
      content: [],
    }
    const part = { type: 'refusal', refusal: 'I won’t.' } as const
    const inner: Unnumbered[] = [
      { type: 'response.content_part.added', ...at, part: { type: 'refusal', refusal: '' } },
      { type: 'response.refusal.delta', ...at, delta: 'I won’t' },
      { type: 'response.refusal.delta', ...at, delta: '.' },
      { type: 'response.refusal.done', ...at, refusal: part.refusal },
      { type: 'response.content_part.done', ...at, part },
    ]
    return around(output_index, item, inner, { ...item, status: 'completed', content: [part] })
  },

  reasoning(id: string, output_index: number): Unnumbered[] {
    const of = { item_id: id, output_index }
    const item: Item<'reasoning'> = { type: 'reasoning', id, summary: [] }
    const summary = [0, 1].map((i) => ({ type: 'summary_text' as const, text: `Sum ${i}` }))
    const content = [{ type: 'reasoning_text' as const, text: 'Long thought' }]
    const inner: Unnumbered[] = [
      {
        type: 'response.content_part.added',
        ...of,
        content_index: 0,
        part: { type: 'reasoning_text', text: '' },
      },
      { type: 'response.reasoning_text.delta', ...of, content_index: 0, delta: 'Long ' },
      { type: 'response.reasoning_text.delta', ...of, content_index: 0, delta: 'thought' },
      { type: 'response.reasoning_text.done', ...of, content_index: 0, text: 'Long thought' },
      ...summary.flatMap((part, summary_index): Unnumbered[] => [
        { type: 'response.reasoning_summary_part.added', ...of, summary_index, part: { ...part, text: '' } },
        { type: 'response.reasoning_summary_text.delta', ...of, summary_index, delta: 'Sum ' },
        { type: 'response.reasoning_summary_text.delta', ...of, summary_index, delta: `${summary_index}` },
        { type: 'response.reasoning_summary_text.done', ...of, summary_index, text: part.text },
        { type: 'response.reasoning_summary_part.done', ...of, summary_index, part },
      ]),
    ]
    return around(output_index, item, inner, { ...item, summary, content })
  },

  call(id: string, output_index: number, deltas: readonly string[]): Unnumbered[] {
    const of = { item_id: id, output_index }
    const item: Item<'function_call'> = {
      type: 'function_call',
      id,
      call_id: `call_${id}`,
      name: 'add',
      arguments: '',
    }
    const done = deltas.join('')
    const inner: Unnumbered[] = [
      ...deltas.map((delta): Unnumbered => ({
        type: 'response.function_call_arguments.delta',
        ...of,
        delta,
      })),
      { type: 'response.function_call_arguments.done', ...of, arguments: done },
    ]
    return around(output_index, item, inner, { ...item, status: 'completed', arguments: done })
  },

  custom(id: string, output_index: number): Unnumbered[] {
    const of = { item_id: id, output_index }
    const item = {
      type: 'custom_tool_call',
      id,
      call_id: `call_${id}`,
      name: 'shout',
      input: '',
      status: 'in_progress',
    } as const
    const inner: Unnumbered[] = [
      { type: 'response.custom_tool_call_input.delta', ...of, delta: '{"no' },
      { type: 'response.custom_tool_call_input.delta', ...of, delta: ' JSON"}' },
      { type: 'response.custom_tool_call_input.done', ...of, input: '{"no JSON"}' },
    ]
    return around(output_index, item, inner, { ...item, input: '{"no JSON"}' })
  },

  mcp(id: string, output_index: number): Unnumbered[] {
    const of = { item_id: id, output_index }
    const item: Item<'mcp_call'> = { type: 'mcp_call', id, name: 'ask', server_label: 'docs', arguments: '' }
    const inner: Unnumbered[] = [
      { type: 'response.mcp_call.in_progress', ...of },
      { type: 'response.mcp_call_arguments.delta', ...of, delta: '{"q":' },
      { type: 'response.mcp_call_arguments.delta', ...of, delta: '"x"}' },
      { type: 'response.mcp_call_arguments.done', ...of, arguments: '{"q":"x"}' },
      { type: 'response.mcp_call.completed', ...of },
    ]
    return around(output_index, item, inner, {
      ...item,
      arguments: '{"q":"x"}',
      output: 'It is.',
      error: null,
    })
  },

  code(id: string, output_index: number): Unnumbered[] {
    const of = { item_id: id, output_index }
    const item: Item<'code_interpreter_call'> = {
      type: 'code_interpreter_call',
      id,
      code: '',
      container_id: 'c',
      outputs: null,
      status: 'in_progress',
    }
    const inner: Unnumbered[] = [
      { type: 'response.code_interpreter_call_code.delta', ...of, delta: 'print(' },
      { type: 'response.code_interpreter_call_code.delta', ...of, delta: '1)' },
      { type: 'response.code_interpreter_call_code.done', ...of, code: 'print(1)' },
      { type: 'response.code_interpreter_call.interpreting', ...of },
      { type: 'response.code_interpreter_call.completed', ...of },
    ]
    const outputs = [{ type: 'logs' as const, logs: '1' }]
    return around(output_index, item, inner, { ...item, status: 'completed', code: 'print(1)', outputs })
  },
}

/** An answer with items of all kinds whose events differ. */
export function wholeAnswer(id = 'resp', mark = ''): Numbered[] {
  const items = [
    ...itemStream.reasoning(`rs${mark}`, 0),
    ...itemStream.call(`fc${mark}`, 1, ['{"a', '":1}']),
    ...itemStream.custom(`ct${mark}`, 2),
    ...itemStream.mcp(`mcp${mark}`, 3),
    ...itemStream.code(`ci${mark}`, 4),
    ...itemStream.refusal(`no${mark}`, 5),
    ...itemStream.message(`msg${mark}`, 6, ['Hel', 'lo ', '', 'Hello']),
    ...itemStream.message(`msg2${mark}`, 7, ['never in pieces'], false),
  ]
  const output = items.flatMap((event) => (event.type === 'response.output_item.done' ? [event.item] : []))
  return numbered([
    { type: 'response.created', response: responseOf(id, 'in_progress') },
    { type: 'response.in_progress', response: responseOf(id, 'in_progress') },
    ...items,
    { type: 'response.completed', response: { ...responseOf(id, 'completed'), output } },
  ])
}
