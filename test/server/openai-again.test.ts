import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openaiResponses } from '../../server/adapters/openai-responses.ts'
import { itemStream, numbered, responseOf, wholeAnswer } from './openai-streams.ts'
import { dataOf, draftsOf, endsOf, short, textsOf } from './provider-chunks.ts'

const read = (chunks: readonly unknown[]): ReturnType<typeof draftsOf> => draftsOf(openaiResponses, chunks)

describe('a reading of a Responses API answer that is made again', () => {
  it('goes on with the same parts from anywhere, and tells nothing twice', () => {
    // A text that came in no pieces can't be told there from one whose pieces came before.
    const chunks = wholeAnswer().filter((chunk) => !JSON.stringify(chunk).includes('msg2'))
    const whole = read(chunks)
    for (let at = 1; at < chunks.length; at++) {
      const before = openaiResponses.adapter()
      const both = [...chunks.slice(0, at).flatMap((chunk) => before.read(chunk)), ...read(chunks.slice(at))]
      const without = (drafts: typeof both): string[] =>
        short(drafts.filter(({ event_data }) => event_data !== ''))
      assert.deepEqual(without(both), without(whole), `from ${at}`)
      assert.deepEqual([...new Set(endsOf(both))].toSorted(), endsOf(whole).toSorted(), `from ${at}`)
    }
  })

  it('has the provider’s numbers and its id of the answer', () => {
    const reader = openaiResponses.adapter()
    const chunks = wholeAnswer('resp/1')
    assert.deepEqual(
      chunks.map((chunk) => reader.sequence?.(chunk)),
      [...chunks.keys()],
    )
    assert.match(reader.answerId?.(chunks[0]) ?? '', /^resp_1~\w{6}$/)
    assert.equal(reader.answerId?.(chunks[2]), null)
  })

  it('has another id for each answer, however long ids are and alike in their beginnings', () => {
    const ids = ['a', 'b'].map((end) => `resp_${'x'.repeat(120)}${end}`)
    const names = ids.map((id) => openaiResponses.adapter().answerId?.({ response: { id } }))
    assert.equal(new Set(names).size, 2)
    const items = ids.flatMap((id, place) => itemStream.message(id, place, [`I am ${place}`], false))
    assert.deepEqual(Object.values(textsOf(read(items))), ['I am 0', 'I am 1'])
  })

  it('has no number where a gateway gave none, or always the same', () => {
    const reader = openaiResponses.adapter()
    const sequence = (sequence_number: unknown): unknown =>
      reader.sequence?.({ type: 'response.output_text.delta', sequence_number })
    assert.deepEqual([0, 1, 0, 2, -1, 1.5, '3', undefined].map(sequence), [
      0,
      1,
      null,
      2,
      null,
      null,
      null,
      null,
    ])
    assert.equal(reader.sequence?.({ type: 'response.created', sequence_number: 0 }), 0)
  })

  it('leaves to the log what ended before', () => {
    const last = wholeAnswer().filter(
      ({ type }) => type === 'response.output_item.done' || type === 'response.completed',
    )
    for (const chunk of last)
      if (JSON.stringify(chunk).includes('"message"')) assert.deepEqual(read([chunk]), [], chunk.type)
  })

  it('tells all of the next answer', () => {
    const [late, whole] = [wholeAnswer('resp_1', 'a').slice(-1), wholeAnswer('resp_2', 'b')]
    for (const next of [whole, [whole[0], whole.at(-1)]]) {
      assert.ok(short(read(next)).length > 10)
      assert.deepEqual(short(read([...late, ...next])), short(read(next)))
    }
  })
})

describe('a gateway’s Responses API events', () => {
  it('may tell an item under another id in every event', () => {
    let id = 0
    const rotated = JSON.stringify(numbered(itemStream.message('msg', 0, ['Hel', 'lo']))).replaceAll(
      '"item_id":"msg"',
      () => `"item_id":"rotated-${id++}"`,
    )
    const chunks = JSON.parse(rotated) as { type: string; item?: { id: string } }[]
    for (const { type, item } of chunks) if (item && type.endsWith('.done')) item.id = 'rotated-at-last'
    assert.deepEqual(short(read(chunks)), [
      'message msg/0 "Hel"',
      'message msg/0 "lo"',
      'message msg/0 "" end',
    ])
  })

  it('may have several items at one place, which nothing announced', () => {
    const call = (id: string): unknown => ({
      type: 'response.output_item.done',
      output_index: 0,
      item: { type: 'function_call', id, call_id: id, name: 'f', arguments: '{}' },
    })
    const said = { type: 'response.output_text.delta', item_id: 'm', output_index: 0, delta: 'Hi' }
    const drafts = read([said, call('a'), call('b'), said])
    assert.deepEqual(textsOf(drafts), { 'message m/0': 'HiHi' })
    assert.deepEqual(dataOf(drafts, 'tool_call'), [
      { id: 'a', name: 'f', input: {} },
      { id: 'b', name: 'f', input: {} },
    ])
  })

  it('may tell everything at the end alone', () => {
    const output = itemStream
      .message('msg', 0, ['Hello'])
      .flatMap((chunk) => ('item' in chunk ? [chunk.item] : []))
    const response = { ...responseOf('resp', 'completed'), output: output.slice(-1) }
    const chunks = numbered([
      { type: 'response.created', response: responseOf('resp', 'in_progress') },
      { type: 'response.completed', response },
    ])
    assert.deepEqual(textsOf(read(chunks)), { 'message msg/0': 'Hello' })
  })

  it('may tell messages at one place, each at its end alone', () => {
    const done = (id: string): unknown => itemStream.message(id, 0, [`I am ${id}`]).at(-1)
    assert.deepEqual(textsOf(read([done('a'), done('b')])), {
      'message a/0': 'I am a',
      'message b/0': 'I am b',
    })
  })

  it('may tell several announced messages at one place', () => {
    const [a, b] = ['a', 'b'].map((id) => itemStream.message(id, 0, [`I am ${id}`]))
    const mixed = a!.flatMap((event, index) => [event, b![index]!])
    assert.deepEqual(textsOf(read(mixed)), { 'message a/0': 'I am a', 'message b/0': 'I am b' })
  })

  it('may have items without ids, in each of several answers', () => {
    const told = ['resp_1', 'resp_2'].flatMap((id) => [
      { type: 'response.created', response: { id } },
      { type: 'response.output_text.delta', output_index: 1, delta: id },
      { type: 'response.completed', response: { id } },
    ])
    assert.deepEqual(textsOf(read(told)), { 'message resp_1.1/0': 'resp_1', 'message resp_2.1/0': 'resp_2' })
  })

  it('may give the items of every answer the same ids', () => {
    const answer = (text: string): unknown[] => [
      ...itemStream.message('msg_0', 0, [text], false),
      { type: 'response.completed', response: {} },
    ]
    assert.deepEqual(textsOf(read(['One.', 'Two.'].flatMap(answer))), {
      'message msg_0/0': 'One.',
      'message msg_0~1/0': 'Two.',
    })
  })

  it('may give a refusal the place of a text', () => {
    const at = { item_id: 'm', output_index: 0 }
    const chunks = ['output_text', 'refusal'].map((kind) => ({
      type: `response.${kind}.delta`,
      ...at,
      delta: kind,
    }))
    assert.deepEqual(textsOf(read(chunks)), { 'message m/0': 'output_text', 'refusal m/r0': 'refusal' })
  })

  it('may begin another answer before one ended: what was open ends there', () => {
    const begun = [
      ...itemStream.message('m', 0, ['Hel', 'lo']).slice(0, 3),
      ...itemStream.call('fc', 1, ['{"a']).slice(0, 2),
    ]
    const next = { type: 'response.created', response: { id: 'resp_2' } }
    assert.deepEqual(short(read([...begun, next, ...itemStream.message('n', 0, ['Hi'])])), [
      'message m/0 "Hel"',
      'message m/0 "" end',
      'tool_call {"id":"call_fc","name":"add","input":"{\\"a","incomplete":true}',
      'message n/0 "Hi"',
      'message n/0 "" end',
    ])
  })

  it('may end the answer, but not its calls', () => {
    const begun = itemStream.call('fc', 0, ['{"a":', '1}']).slice(0, -2)
    const end = (how: string): unknown => ({ type: `response.${how}`, response: {} })
    const call = { id: 'call_fc', name: 'add' }
    assert.deepEqual(dataOf(read([...begun, end('completed')]), 'tool_call'), [{ ...call, input: { a: 1 } }])
    assert.deepEqual(dataOf(read([...begun, end('failed')]), 'tool_call'), [
      { ...call, input: '{"a":1}', incomplete: true },
    ])
  })
})
