import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { detect } from '../../server/adapters/forms.ts'
import type { Draft } from '../../server/drafts.ts'

const read = (chunks: readonly unknown[]): Draft[] => {
  const reader = detect()
  return [...chunks.flatMap((chunk) => reader.read(chunk)), ...reader.finish()]
}
const short = (drafts: readonly Draft[]): string[] =>
  drafts.map(
    (d) => `${d.content_type ?? d.event_type} ${JSON.stringify(d.event_data)}${d.part_done ? ' end' : ''}`,
  )

describe('a stream’s form', () => {
  const cases: [name: string, chunks: unknown[], expected: string[]][] = [
    [
      'OpenAI Responses',
      [
        { type: 'response.created', sequence_number: 0, response: { id: 'resp_1' } },
        {
          type: 'response.output_text.delta',
          sequence_number: 1,
          item_id: 'm',
          output_index: 0,
          content_index: 0,
          delta: 'Hi',
        },
      ],
      ['message "Hi"', 'message "" end'],
    ],
    [
      'Chat Completions',
      [{ choices: [{ index: 0, delta: { content: 'Hi' } }] }],
      ['message "Hi"', 'message "" end'],
    ],
    [
      'Anthropic Messages',
      [
        { type: 'message_start', message: { id: 'msg_1' } },
        { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
        { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } },
      ],
      ['message "Hi"', 'message "" end'],
    ],
    [
      'AI SDK fullStream',
      [{ type: 'start' }, { type: 'text-start', id: '0' }, { type: 'text-delta', id: '0', text: 'Hi' }],
      ['message "Hi"', 'message "" end'],
    ],
    [
      'AI SDK UI messages',
      [{ type: 'start' }, { type: 'text-start', id: '0' }, { type: 'text-delta', id: '0', delta: 'Hi' }],
      ['message "Hi"', 'message "" end'],
    ],
    [
      'LangGraph',
      [['messages', [{ type: 'AIMessageChunk', id: 'm', content: 'Hi' }, { langgraph_node: 'agent' }]]],
      ['message "Hi"', 'message "" end'],
    ],
    [
      'AG-UI',
      [
        { type: 'RUN_STARTED', threadId: 't', runId: 'r' },
        { type: 'TEXT_MESSAGE_START', messageId: 'm', role: 'assistant' },
        { type: 'TEXT_MESSAGE_CONTENT', messageId: 'm', delta: 'Hi' },
      ],
      ['message "Hi"', 'message "" end'],
    ],
    [
      'our own events',
      [{ event_type: 'llm_chunk', content_type: 'concierge_message', event_data: 'Hi' }],
      ['concierge_message "Hi"'],
    ],
    ['text', ['H', 'i'], ['message "H"', 'message "i"', 'message "" end']],
  ]
  for (const [name, chunks, expected] of cases) {
    it(`is found from the first chunk that tells it: ${name}`, () => {
      assert.deepEqual(short(read(chunks)), expected)
    })

    it(`is found after chunks that tell nothing, which are kept: ${name}`, () => {
      const odd = [{ type: 'queue_position', position: 3 }, null]
      assert.deepEqual(short(read([...odd, ...chunks])), [
        'queue_position {"type":"queue_position","position":3}',
        'unknown null',
        ...expected,
      ])
    })
  }

  it('is found after a word of text, which is ended', () => {
    assert.deepEqual(short(read(['connected', { choices: [{ delta: { content: 'Hi' } }] }])), [
      'message "connected"',
      'message "" end',
      'message "Hi"',
      'message "" end',
    ])
  })

  it('may be found in a chunk that is then left out, as it is when it was recorded before', () => {
    const reader = detect()
    reader.read('connected')
    reader.sequence?.({ type: 'response.output_text.delta', sequence_number: 3 })
    assert.deepEqual(short(reader.finish()), ['message "" end'])
  })

  it('is no reason to throw, whatever comes', () => {
    const hostile = {
      get type(): string {
        throw new Error('no')
      },
    }
    assert.equal(read([hostile, Symbol('s'), () => 1, 1n]).length, 4)
  })
})
