import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { chunkDecoder } from '../../server/adapters/chunk-decoder.ts'
import { loomiEvents } from '../../server/adapters/loomi-events.ts'
import type { Draft } from '../../server/drafts.ts'
import { draftsOf, garbage, takeAll } from './provider-chunks.ts'
import { SEED, TIMES } from './support.ts'

const read = (...chunks: readonly unknown[]): Draft[] => draftsOf(loomiEvents, chunks)

describe('events of our own as JSON', () => {
  it('pass as they are, whatever their type', () => {
    const types = [
      'thought',
      'concierge_message',
      'orchestrator_message',
      'loomi_plan_concierge',
      'system_message',
      'billing_summary',
      'llm_chunk',
      'tool_call',
      'session_complete',
      'x'.repeat(128),
    ]
    const events = types.map((event_type) => ({
      event_type,
      content_type: event_type,
      agent_source: 'concierge',
      event_data: { text: 'a\u0000\ud83c', items: [1, null, { deep: true }] },
      event_metadata: { cost: 0.5 },
    }))
    assert.ok(events.every(loomiEvents.recognises))
    assert.deepEqual(read(...events), events)
  })

  it('pass with their parts', () => {
    const events = [
      { event_type: 'llm_chunk', content_type: 'message', event_data: 'Hel', part: 'm/0' },
      { event_type: 'llm_chunk', content_type: 'message', event_data: 'lo', part: 'm/0', part_done: true },
    ]
    assert.deepEqual(read(...events), events)
  })

  it('may come out of a log, where parts have ids', () => {
    const logged = {
      type: 'event',
      key: 'r/1',
      run_id: 'r',
      created_at: '2026-11-23T00:00:00.000Z',
      seq: 7,
      event_type: 'llm_chunk',
      content_type: 'thought',
      agent_source: 'a',
      event_data: 'Hm',
      part_id: 'r/m/0',
      part_done: true,
    }
    assert.deepEqual(read(logged), [
      {
        event_type: 'llm_chunk',
        content_type: 'thought',
        agent_source: 'a',
        event_data: 'Hm',
        part: 'r/m/0',
        part_done: true,
      },
    ])
  })

  it('may be what the user said, or the end of a run', () => {
    assert.deepEqual(
      read(
        { event_type: 'user_message', event_data: 'Hi' },
        { event_type: 'run_end', event_data: { status: 'failed', code: 'x' } },
      ),
      [
        { event_type: 'user_message', content_type: 'user', agent_source: 'user', event_data: 'Hi' },
        { event_type: 'run_end', content_type: 'failed', event_data: { status: 'failed', code: 'x' } },
      ],
    )
  })

  it('have fields of the wrong type mended, or kept in the metadata', () => {
    const [draft] = read({
      event_type: 'a\nb',
      content_type: 5,
      agent_source: { name: 'x' },
      event_data: 10n,
      event_metadata: ['m'],
      part: 7,
      part_done: 'true',
    })
    assert.deepEqual(draft, {
      event_type: 'a_b',
      content_type: '5',
      event_data: '10',
      part: '7',
      part_done: true,
      event_metadata: {
        value: ['m'],
        agent_source: { name: 'x' },
      },
    })
  })

  it('keep parts apart whose names must be mended', () => {
    const names = ['a\u0000', 'a\u0001', 'x'.repeat(129), 'x'.repeat(130), '..']
    const parts = read(...names.map((part) => ({ event_type: 'e', part }))).map(({ part }) => part)
    assert.equal(new Set(parts).size, names.length)
  })

  it('may have what they say beside a field that others call so too', () => {
    const [draft] = read({ event_type: 'text-generation', text: 'Hello', is_finished: false })
    assert.deepEqual(draft?.event_data, { text: 'Hello', is_finished: false })
  })

  it('are told by a type, and what has none is kept', () => {
    for (const other of [{ event_type: '' }, { event_type: 5 }, { type: 'event' }, [], 'event_type', null])
      assert.equal(loomiEvents.recognises(other), false)
    assert.deepEqual(read({ type: 'ping' }), [
      { event_type: 'provider_chunk', content_type: 'ping', event_data: { type: 'ping' } },
    ])
  })

  it('come through server-sent events with names of their own', () => {
    const decoder = chunkDecoder()
    const event = { event_type: 'thought', event_data: 'Hm' }
    const chunks = decoder.decode(`event: thought\ndata: ${JSON.stringify(event)}\n\n`)
    assert.deepEqual(read(...chunks), [event])
  })

  it('may be anything, and nothing throws or is refused', () => {
    const names =
      'event_type content_type agent_source event_data event_metadata part part_id part_done run_id type'
    const chunks = fc.array(garbage(['thought', 'run_end', 'user_message', '.', '..'], names.split(' ')), {
      maxLength: 4,
    })
    fc.assert(
      fc.property(chunks, (chunks) => takeAll(loomiEvents, chunks)),
      { ...SEED, numRuns: 1000 * TIMES },
    )
  })
})
