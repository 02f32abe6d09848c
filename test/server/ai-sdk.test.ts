import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { APICallError } from 'ai'
import fc from 'fast-check'
import { aiSdk } from '../../server/adapters/ai-sdk.ts'
import type { Draft } from '../../server/drafts.ts'
import { CHUNKS, PARTS, USAGE } from './ai-sdk-chunks.ts'
import { SEED } from './support.ts'

function read(chunks: readonly unknown[]): { drafts: Draft[]; outcome: unknown } {
  const reader = aiSdk.adapter()
  const drafts = [...chunks.flatMap((chunk) => reader.read(chunk)), ...reader.finish()]
  return { drafts, outcome: reader.outcome?.() ?? null }
}

/** Everything but texts: the type and the data. */
const told = (...chunks: readonly unknown[]): unknown[] =>
  read(chunks).drafts.map(({ event_type, event_data }) => [event_type, event_data])

/** Kind, part and text, with the mark of an end. */
const short = (drafts: readonly Draft[]): string[] =>
  drafts.map((d) => `${d.content_type} ${d.part} ${JSON.stringify(d.event_data)}${d.part_done ? ' end' : ''}`)

describe('what the AI SDK streams', () => {
  it('has no kind that is unknown but the one for what only a provider knows', () => {
    for (const chunk of [...Object.values(PARTS), ...Object.values(CHUNKS)]) {
      const types = read([chunk]).drafts.map(({ event_type }) => event_type)
      assert.equal(types.includes('provider_chunk'), chunk.type === 'custom', chunk.type)
    }
  })

  it('is told by its first chunk, whichever of the two it is', () => {
    const shared = new Set(['file', 'source', 'finish', 'abort', 'error', 'raw', 'custom', 'ping'])
    for (const chunk of [...Object.values(PARTS), ...Object.values(CHUNKS), { type: 'data-x', data: 1 }])
      assert.equal(aiSdk.recognises(chunk), !shared.has(chunk.type), chunk.type)
    const others = [
      { type: 'start', n: 1 },
      { type: 'ping' },
      { type: 'message_start' },
      { type: 'RUN_STARTED' },
    ]
    for (const other of [...others, 'text-start', null, []]) assert.equal(aiSdk.recognises(other), false)
  })

  it('has texts and thoughts, whose ids begin anew in each step', () => {
    const step = (p: typeof PARTS | typeof CHUNKS): unknown[] => [
      p['start-step'],
      p['reasoning-start'],
      p['reasoning-delta'],
      p['text-start'],
      p['text-delta'],
      p['reasoning-end'],
      p['text-end'],
    ]
    const expected = [1, 2].flatMap((n) => [
      `thought step-${n}/0 "a"`,
      `message step-${n}/1 "a"`,
      `thought step-${n}/0 "" end`,
      `message step-${n}/1 "" end`,
    ])
    for (const p of [PARTS, CHUNKS]) assert.deepEqual(short(read([...step(p), ...step(p)]).drafts), expected)
  })

  it('may use an id again within a step: a part of its own', () => {
    const one = [PARTS['text-start'], PARTS['text-delta']]
    assert.deepEqual(short(read([...one, ...one]).drafts), [
      'message step-0/0 "a"',
      'message step-0/0 "" end',
      'message step-0/1 "a"',
      'message step-0/1 "" end',
    ])
  })

  it('has calls, told once their input is whole, and results', () => {
    const parts = [
      PARTS['tool-input-start'],
      PARTS['tool-input-delta'],
      PARTS['tool-input-end'],
      PARTS['tool-call'],
    ]
    const chunks = [CHUNKS['tool-input-start'], CHUNKS['tool-input-delta'], CHUNKS['tool-input-available']]
    const expected = [
      ['tool_call', { id: 'c', name: 'find', input: { q: 'x' } }],
      ['tool_result', { id: 'c', name: 'find', output: [1], preliminary: true }],
      ['tool_result', { id: 'c', name: 'find', output: [1] }],
    ]
    for (const [call, result] of [
      [parts, PARTS['tool-result']],
      [chunks, CHUNKS['tool-output-available']],
    ] as const)
      assert.deepEqual(told(...call, { ...result, preliminary: true }, result), expected)
  })

  it('may end in the middle of a call', () => {
    for (const p of [PARTS, CHUNKS])
      assert.deepEqual(told(p['tool-input-start'], p['tool-input-delta']), [
        ['tool_call', { id: 'c', name: 'find', input: '{"q":', incomplete: true }],
      ])
  })

  it('has calls that fail, are denied or must be approved', () => {
    const id = { id: 'c', name: 'find' }
    const failed = ['tool_result', { ...id, output: 'no such city', is_error: true }]
    const denied = ['tool_result', { ...id, output: null, denied: true }]
    const asked = ['tool_approval_request', { ...id, approvalId: 'a', signature: 's' }]
    const approved = ['tool_approval_response', { ...id, approvalId: 'a', approved: true }]
    const refused = ['tool_approval_response', { ...id, approvalId: 'a', approved: false, reason: 'no' }]
    assert.deepEqual(
      told(
        PARTS['tool-error'],
        PARTS['tool-output-denied'],
        PARTS['tool-approval-request'],
        PARTS['tool-approval-response'],
      ),
      [failed, denied, asked, approved],
    )
    const [, ...results] = told(
      CHUNKS['tool-input-available'],
      CHUNKS['tool-output-error'],
      CHUNKS['tool-output-denied'],
      CHUNKS['tool-approval-request'],
      CHUNKS['tool-approval-response'],
    )
    assert.deepEqual(results, [failed, denied, asked, refused])
    assert.deepEqual(told(CHUNKS['tool-input-error']), [
      ['tool_call', { ...id, input: { q: 'x' }, is_error: true, error: 'no q' }],
    ])
  })

  it('has sources, files, metadata and data of the app', () => {
    const [url, document] = [CHUNKS['source-url'], CHUNKS['source-document']]
    assert.deepEqual(told(PARTS.source), told(url))
    assert.deepEqual(told(url, document, PARTS.file, CHUNKS.file, { ...CHUNKS.finish, messageMetadata: 2 }), [
      ['source', { url: 'https://a.test', title: 'A', id: 's1' }],
      ['source', { url: '', title: 'B', id: 's2', media_type: 'text/plain' }],
      ['file', { media_type: 'text/plain', data: 'aGk=' }],
      ['file', { media_type: 'text/plain', url: 'data:text/plain;base64,aGk=' }],
      ['message_metadata', 2],
    ])
    const source = { ...PARTS.source, id: 's3', url: 'https://c.test', title: undefined }
    const cited = { ...CHUNKS['text-end'], citations: [{ source, citedText: 'so' }] }
    assert.deepEqual(told(PARTS['reasoning-file'], CHUNKS['reasoning-file'], cited), [
      ['file', { media_type: 'text/plain', data: 'aGk=', reasoning: true }],
      ['file', { media_type: 'text/plain', url: 'data:text/plain;base64,aGk=', reasoning: true }],
      ['source', { url: 'https://c.test', title: '', id: 's3', cited_text: 'so' }],
    ])
    assert.deepEqual(read([{ type: 'data-mood', data: { happy: true }, id: 'd', transient: true }]).drafts, [
      {
        event_type: 'data',
        content_type: 'data-mood',
        event_data: { happy: true },
        event_metadata: { id: 'd', transient: true },
      },
    ])
  })

  it('tells its usage once: by step, or at the end when no step did', () => {
    const { finish, 'finish-step': step } = PARTS
    assert.deepEqual(told(step, step, finish), [
      ['usage', USAGE],
      ['usage', USAGE],
    ])
    assert.deepEqual(told(finish), [['usage', USAGE]])
    assert.deepEqual(told(CHUNKS['finish-step'], CHUNKS.finish), [])
  })

  it('has what the user said meanwhile, by the user', () => {
    const event_data = { id: 'u', parts: [{ type: 'text', text: 'Shorter.' }] }
    for (const p of [PARTS, CHUNKS])
      assert.deepEqual(read([p['steering-message']]).drafts, [
        { event_type: 'steering_message', event_data, agent_source: 'user' },
      ])
    const content = [{ type: 'file', data: new Uint8Array([104, 105]), mediaType: 'text/plain' }]
    const [draft] = read([{ ...PARTS['steering-message'], message: { role: 'user', content } }]).drafts
    assert.deepEqual(draft?.event_data, { id: 'u', parts: [{ ...content[0], data: 'aGk=' }] })
  })

  it('may take a step back, which a log only notes', () => {
    const begun = [CHUNKS['start-step'], CHUNKS['text-delta'], CHUNKS['tool-input-start']]
    assert.deepEqual(told(...begun, CHUNKS['reset-step'], CHUNKS['text-delta']), [
      ['llm_chunk', 'a'],
      ['llm_chunk', ''],
      ['tool_call', { id: 'c', name: 'find', input: '', incomplete: true }],
      ['reset_step', null],
      ['llm_chunk', 'a'],
      ['llm_chunk', ''],
    ])
    assert.deepEqual(
      short(read([...begun.slice(0, 2), CHUNKS['reset-step'], ...begun.slice(1, 2)]).drafts).at(-1),
      'message step-1/1 "" end',
    )
  })

  it('says how it ended', () => {
    assert.equal(read([PARTS.finish]).outcome, null)
    assert.deepEqual(read([PARTS.abort]).outcome, { status: 'stopped', code: 'abort' })
    assert.deepEqual(read([PARTS.error, PARTS.abort]).outcome, { status: 'failed', code: 'Error' })
    assert.deepEqual(read([{ ...CHUNKS.finish, finishReason: 'error' }]).outcome, {
      status: 'failed',
      code: 'error',
    })
    for (const p of [PARTS, CHUNKS]) {
      assert.equal(read([{ ...p.finish, finishReason: 'length' }]).outcome, null)
      assert.deepEqual(read([{ ...p.finish, finishReason: 'content-filter' }]).outcome, {
        status: 'failed',
        code: 'content_filter',
      })
    }
  })

  it('has errors, of which the message goes on only when it was meant for others', () => {
    const apiError = new APICallError({ message: 'secret', url: 'https://a.test', requestBodyValues: {} })
    const system = Object.assign(new Error('secret'), { code: 'ECONNRESET' })
    const tellings = [apiError, system, { type: 'overloaded', message: 'Busy.' }, 'Busy.'].map(
      (error) => told({ type: 'error', error })[0],
    )
    assert.deepEqual(tellings, [
      ['error', { code: 'AI_APICallError', text: '' }],
      ['error', { code: 'ECONNRESET', text: '' }],
      ['error', { code: 'overloaded', text: 'Busy.' }],
      ['error', { code: 'provider_error', text: 'Busy.' }],
    ])
    assert.deepEqual(told({ ...PARTS['tool-error'], error: new TypeError('secret') }), [
      ['tool_result', { id: 'c', name: 'find', output: 'TypeError', is_error: true }],
    ])
  })

  it('may be of a kind that nobody knows, and is kept', () => {
    const chunks = [CHUNKS.custom, { type: 'tool-x' }, 5]
    assert.deepEqual(
      read(chunks).drafts.map(({ event_type, content_type }) => `${event_type} ${content_type}`),
      ['openai.compaction', 'tool-x', 'unknown'].map((name) => `provider_chunk ${name}`),
    )
  })

  it('may be anything at all, and never throws', () => {
    const kinds = [...Object.keys(PARTS), ...Object.keys(CHUNKS), 'data-x']
    const fields = [...Object.values(PARTS), ...Object.values(CHUNKS)].flatMap((chunk) => Object.keys(chunk))
    const chunk = fc
      .record({ type: fc.constantFrom(...kinds) })
      .chain((base) =>
        fc
          .dictionary(fc.constantFrom(...new Set(fields)), fc.anything(), { noNullPrototype: false })
          .map((more) => ({ ...more, ...base })),
      )
    const throwing = new Proxy({}, { get: () => assert.fail(), ownKeys: () => assert.fail() })
    const cyclic: Record<string, unknown> = { type: 'data-x' }
    cyclic['data'] = cyclic
    for (const odd of [
      throwing,
      cyclic,
      {
        type: 'text-delta',
        get text(): string {
          throw new Error()
        },
      },
    ]) {
      aiSdk.recognises(odd)
      assert.equal(read([odd]).drafts.length, 1)
    }
    fc.assert(
      fc.property(fc.array(fc.oneof(chunk, fc.anything())), (chunks) => {
        const { drafts } = read(chunks)
        JSON.stringify(drafts)
        chunks.forEach((chunk) => aiSdk.recognises(chunk))
        const parts = drafts.filter(({ part }) => part !== undefined)
        assert.equal(parts.filter((d) => d.part_done).length, new Set(parts.map(({ part }) => part)).size)
      }),
      SEED,
    )
  })
})
