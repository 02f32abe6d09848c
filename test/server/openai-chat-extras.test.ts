import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openaiChat } from '../../server/adapters/openai-chat.ts'
import type { Draft } from '../../server/drafts.ts'
import { dataOf, draftsOf, short, textsOf } from './provider-chunks.ts'

const chunk = (delta: unknown, more: object = {}): unknown => ({
  id: 'c',
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta, ...more }],
})
const stop = chunk({}, { finish_reason: 'stop' })
const call = (fields: object): unknown => chunk({ tool_calls: [fields] })

const read = (chunks: readonly unknown[]): Draft[] => draftsOf(openaiChat, chunks)

describe('calls in Chat Completions chunks', () => {
  const add = (id: string, more: object = {}): object => ({
    id,
    function: { name: 'add', arguments: '{}' },
    ...more,
  })
  const both = ['a', 'b'].map((id) => ({ id, name: 'add', input: {} }))

  it('may all have the same index, or none', () => {
    for (const more of [{ index: 0 }, {}])
      assert.deepEqual(dataOf(read([call(add('a', more)), call(add('b', more)), stop]), 'tool_call'), both)
    const nameless = [call(add('')), call(add('')), stop]
    assert.equal(dataOf(read(nameless), 'tool_call').length, 2)
  })

  it('may go on without an index', () => {
    const rest = { function: { arguments: ':1}' } }
    const begun = { id: 'a', function: { name: 'add', arguments: '{"x"' } }
    assert.deepEqual(dataOf(read([call(begun), call(rest), stop]), 'tool_call'), [
      { id: 'a', name: 'add', input: { x: 1 } },
    ])
  })

  it('may repeat their id and name in every piece', () => {
    const piece = (text: string): unknown =>
      call({ index: 0, id: 'a', function: { name: 'add', arguments: text } })
    assert.deepEqual(dataOf(read([piece('{"x"'), piece(':1}'), stop]), 'tool_call'), [
      { id: 'a', name: 'add', input: { x: 1 } },
    ])
  })

  it('of custom tools have text as input, even if it looks like JSON', () => {
    const custom = { index: 0, id: 'a', type: 'custom', custom: { name: 'run', input: '{"x"' } }
    assert.deepEqual(
      dataOf(read([call(custom), call({ index: 0, custom: { input: ':1}' } }), stop]), 'tool_call'),
      [{ id: 'a', name: 'run', input: '{"x":1}' }],
    )
  })

  it('may be of the way before there were tools', () => {
    const drafts = read([
      chunk({ function_call: { name: 'add', arguments: '{"x"' } }),
      chunk({ function_call: { arguments: ':1}' } }),
      chunk({}, { finish_reason: 'function_call' }),
    ])
    assert.deepEqual(dataOf(drafts, 'tool_call'), [{ id: '', name: 'add', input: { x: 1 } }])
  })

  it('that the stream cut off, or the length of the answer, say so', () => {
    const cut = call({ index: 0, id: 'a', function: { name: 'add', arguments: '{"x' } })
    for (const end of [[], [chunk({}, { finish_reason: 'length' })]])
      assert.deepEqual(dataOf(read([cut, ...end]), 'tool_call'), [
        { id: 'a', name: 'add', input: '{"x', incomplete: true },
      ])
  })
})

describe('what other providers put into Chat Completions chunks', () => {
  it('may be blocks of thought and text', () => {
    const thinking = (text: string): unknown =>
      chunk({ content: [{ type: 'thinking', thinking: [{ type: 'text', text }] }] })
    const text = { type: 'text', text: 'Yes' }
    const page = { type: 'tool_reference', tool: 'web_search', url: 'https://a.example', title: 'A' }
    const drafts = read([
      thinking('Hm'),
      thinking('…'),
      chunk({ content: [text, page] }),
      chunk({ content: '!' }),
      stop,
    ])
    assert.deepEqual(textsOf(drafts), { 'thought c/0': 'Hm…', 'message c/1': 'Yes!' })
    assert.deepEqual(dataOf(drafts, 'source'), [{ url: 'https://a.example', title: 'A' }])
  })

  it('may be an empty thought under one name and a full one under another', () => {
    assert.deepEqual(textsOf(read([chunk({ reasoning_content: '', reasoning: 'Hm' })])), {
      'thought c/0': 'Hm',
    })
  })

  it('may be pages that the text rests on', () => {
    const url_citation = { url: 'https://a.example', title: 'A', start_index: 0, end_index: 1 }
    const drafts = read([chunk({ annotations: [{ type: 'url_citation', url_citation }, { type: 'other' }] })])
    assert.deepEqual(dataOf(drafts, 'source'), [url_citation])
  })

  it('may be images, or speech with its words', () => {
    const url = 'data:image/png;base64,aGk='
    const image = (image_url: unknown): object => ({ type: 'image_url', image_url })
    const drafts = read([
      chunk({ images: [image({ url })] }),
      chunk({ content: [image('https://a.example/i')] }),
      chunk({ audio: { id: 'a', transcript: 'Hello' } }),
    ])
    assert.deepEqual(dataOf(drafts, 'file'), [
      { media_type: 'image/png', url },
      { media_type: 'image/*', url: 'https://a.example/i' },
    ])
    assert.deepEqual(textsOf(drafts), { 'message c/0': 'Hello' })
  })

  it('may be counts in every chunk: only what they come to is told', () => {
    const counted = (total_tokens: number, delta: object, more = {}): unknown => ({
      ...(chunk(delta, more) as object),
      usage: { total_tokens },
    })
    const stream = [counted(1, { content: 'a' }), counted(2, { content: 'b' })]
    const ended = [
      ...stream,
      counted(3, {}, { finish_reason: 'stop' }),
      { choices: [], usage: { total_tokens: 3 } },
    ]
    assert.deepEqual(dataOf(read(ended), 'usage'), [{ total_tokens: 3 }])
    assert.deepEqual(dataOf(read(stream), 'usage'), [{ total_tokens: 2 }])
  })
})

describe('a chat completion that was not streamed', () => {
  it('is told all at once', () => {
    const tool_calls = ['a', 'b'].map((id) => ({
      id,
      type: 'function',
      function: { name: 'add', arguments: '{}' },
    }))
    const message = { role: 'assistant', content: 'Hi', reasoning_content: 'Hm', tool_calls }
    const whole = {
      id: 'c',
      object: 'chat.completion',
      choices: [{ index: 0, message, finish_reason: 'tool_calls' }],
    }
    assert.ok(openaiChat.recognises(whole))
    assert.deepEqual(short(read([whole])), [
      'thought c/0 "Hm"',
      'thought c/0 "" end',
      'message c/1 "Hi"',
      'tool_call {"id":"a","name":"add","input":{}}',
      'message c/1 "" end',
      'tool_call {"id":"b","name":"add","input":{}}',
    ])
  })
})

describe('errors in Chat Completions chunks', () => {
  const told = (chunks: readonly unknown[]): unknown => {
    const reader = openaiChat.adapter()
    const drafts = chunks.flatMap((each) => reader.read(each))
    return { events: short(drafts), outcome: reader.outcome?.() }
  }

  it('end the answer, wherever they stand', () => {
    const error = { code: 502, message: 'Bad gateway' }
    const expected = {
      events: ['error {"code":"502","text":"Bad gateway"}'],
      outcome: { status: 'failed', code: '502' },
    }
    assert.deepEqual(told([{ ...(chunk({}, { finish_reason: 'error' }) as object), error }]), expected)
    assert.deepEqual(told([chunk({}, { finish_reason: 'error', error })]), expected)
    assert.deepEqual(told([{ error }]), expected)
    assert.deepEqual(told([{ object: 'error', ...error }]), expected)
  })

  it('may be a word', () => {
    assert.deepEqual(told([{ error: 'overloaded' }]), {
      events: ['error {"code":"provider_error","text":"overloaded"}'],
      outcome: { status: 'failed', code: 'provider_error' },
    })
    assert.deepEqual(told([chunk({}, { finish_reason: 'error' })]), {
      events: [],
      outcome: { status: 'failed', code: 'error' },
    })
  })

  it('are none where an answer was only too long', () => {
    assert.deepEqual(told([chunk({}, { finish_reason: 'length' })]), { events: [], outcome: null })
  })

  it('are told where a filter took the answer away', () => {
    assert.deepEqual(told([chunk({}, { finish_reason: 'content_filter' })]), {
      events: [],
      outcome: { status: 'failed', code: 'content_filter' },
    })
  })
})
