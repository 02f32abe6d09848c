import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import fc from 'fast-check'
import { encodeFrame, EncodedRow, encodeRow, KEEP_ALIVE, mergeRows, toBytes } from '../../server/frames.ts'
import { type EventFrame, formatCursor, type Json, textOf } from '../../server/protocol.ts'
import { keyOf, type StoredEvent } from '../../server/store.ts'
import { newEvent, SEED } from './support.ts'

/** Characters that a line-based format could trip over, beside any other. */
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      '\r',
      '\n',
      '\r\n',
      '\u0000',
      '\u2028',
      '\u2029',
      '\ufeff',
      '\ud83c',
      '\udf31',
      '"',
      '\\',
      ':',
      'id: x',
      'data: ',
    ),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }),
  ),
})
const json = fc.jsonValue({ stringUnit: 'binary' }) as fc.Arbitrary<Json>
const names = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 })

function row(seq: number, fields: Partial<StoredEvent> = {}): StoredEvent {
  const { first_n: _, ...event } = newEvent(seq)
  return { seq, ...event, ...fields }
}

function decode(bytes: Uint8Array): EventSourceMessage[] {
  const messages: EventSourceMessage[] = []
  const parser = createParser({ onEvent: (message) => messages.push(message) })
  parser.feed(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes))
  return messages
}

function eventOf(bytes: Uint8Array): EventFrame {
  const messages = decode(bytes)
  assert.equal(messages.length, 1)
  return JSON.parse(messages[0]!.data) as EventFrame
}

describe('an encoded row', () => {
  it('is exactly one message with its cursor as id, whatever the event carries', () => {
    fc.assert(
      fc.property(fc.oneof(text, json), json, names, names, (data, meta, type, part) => {
        const stored = row(7, {
          event_type: type,
          event_data: JSON.stringify(data),
          event_metadata: JSON.stringify({ meta }),
          part_id: part,
          part_done: true,
        })
        const messages = decode(encodeRow(stored, 'e1').bytes)
        assert.equal(messages.length, 1)
        assert.equal(messages[0]!.id, formatCursor('e1', 7, 'run-1/7'))
        assert.equal(messages[0]!.event, undefined)
        assert.deepEqual(JSON.parse(messages[0]!.data), {
          type: 'event',
          event_type: type,
          content_type: 'note',
          agent_source: 'agent',
          event_data: JSON.parse(JSON.stringify(data)),
          event_metadata: JSON.parse(JSON.stringify({ meta })),
          run_id: 'run-1',
          part_id: part,
          part_done: true,
          created_at: '2026-11-23T00:00:00.000Z',
          key: 'run-1/7',
        })
      }),
      { ...SEED, examples: [['\r\nid: 9\r\n\r\ndata: {}\n\n', null, 'a\nb', 'c\rd']] },
    )
  })

  it('stays one message when its JSON text was stored with line breaks between the tokens', () => {
    const event_data = '{\r\n\r\n  "a": [\n\n1\n]\r}'
    assert.deepEqual(eventOf(encodeRow(row(1, { event_data }), 'e1').bytes).event_data, { a: [1] })
  })

  it('leaves out what the event does not have', () => {
    const frame = eventOf(encodeRow(row(1), 'e1').bytes)
    for (const name of ['event_metadata', 'part_id', 'part_done', 'from', 'provisional'])
      assert.ok(!(name in frame), name)
  })

  it('names the further events of one chunk by their place in it', () => {
    assert.equal(eventOf(encodeRow(row(1, { n: 4, i: 2 }), 'e1').bytes).key, 'run-1/4.2')
  })

  it('is a session_complete frame when it closed the session', () => {
    const [message] = decode(encodeRow(row(3, { event_type: 'session_complete' }), 'e1').bytes)
    assert.deepEqual(message, {
      id: formatCursor('e1', 3, 'run-1/3'),
      event: undefined,
      data: '{"type":"session_complete"}',
    })
  })
})

describe('a control frame', () => {
  it('carries the id and the retry that it is given, and neither otherwise', () => {
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
    const frame = { type: 'replay_complete', count: 2 } as const
    assert.equal(
      text(encodeFrame(frame, 'e1-0', 1500.4)),
      'retry: 1500\nid: e1-0\ndata: {"type":"replay_complete","count":2}\n\n',
    )
    assert.equal(text(encodeFrame(frame, null)), 'data: {"type":"replay_complete","count":2}\n\n')
    assert.deepEqual(decode(KEEP_ALIVE), [])
  })
})

describe('merged frames', () => {
  /** A log of deltas: parts that take turns, with an event of another kind now and then. */
  const logs = fc
    .array(
      fc.record({
        part: fc.constantFrom('a', 'b', null),
        text,
        done: fc.boolean(),
        agent: fc.constantFrom('x', 'x', 'y'),
      }),
      {
        minLength: 1,
        maxLength: 40,
      },
    )
    .map((deltas) =>
      deltas.map(({ part, text, done, agent }, index) =>
        row(index + 1, {
          event_type: part === null ? 'note' : 'llm_chunk',
          agent_source: agent,
          event_data: JSON.stringify(text),
          part_id: part && `run-1/${part}/0`,
          part_done: part !== null && done,
        }),
      ),
    )

  /** What a viewer has of each part and speaker after each row. */
  function texts(frames: readonly EventFrame[]): Record<string, string> {
    const parts: Record<string, string> = {}
    for (const { part_id = 'none', agent_source, event_data } of frames) {
      const name = `${part_id} ${agent_source}`
      parts[name] = (parts[name] ?? '') + textOf(event_data)
    }
    return parts
  }

  it('say at every cursor what the single frames say up to it, and never cross a bound', () => {
    fc.assert(
      fc.property(logs, fc.nat(40), fc.nat(40), (log, seen, to) => {
        const rows = log.map((stored) => encodeRow(stored, 'e1'))
        const single = rows.map(({ bytes }) => eventOf(bytes))
        const merged: EventFrame[] = []
        for (const bytes of mergedBytes(rows, [seen, to])) {
          const [message] = decode(bytes)
          const frame = eventOf(bytes)
          const last = Number(message!.id!.split('-')[1])
          assert.equal(message!.id, rows[last - 1]!.cursor)
          assert.equal(frame.key, keyOf(rows[last - 1]!.row))
          assert.equal(frame.part_done, single[last - 1]!.part_done)
          const first = frame.from ?? last
          for (const bound of [seen, to])
            assert.ok(!(first <= bound && bound < last), `${first} to ${last} crosses ${bound}`)
          merged.push(frame)
          assert.deepEqual(texts(merged), texts(single.slice(0, last)))
        }
        assert.deepEqual(texts(merged), texts(single))
      }),
      SEED,
    )
  })

  it('join neighbouring deltas of a part to one frame, also halves of one character', () => {
    const parts = ['a\ud83c', '\udf31b', 'c'].map((text, index) =>
      encodeRow(
        row(index + 1, { event_data: JSON.stringify(text), part_id: 'run-1/m/0', part_done: index === 2 }),
        'e1',
      ),
    )
    const frames = mergedBytes(parts, [])
    assert.equal(frames.length, 1)
    const { from, event_data, part_done, key } = eventOf(frames[0]!)
    assert.deepEqual(
      { from, event_data, part_done, key },
      { from: 1, event_data: 'a🌱bc', part_done: true, key: 'run-1/3' },
    )
  })

  it('stay below a size that a slow line can take', () => {
    const rows = Array.from({ length: 40 }, (_, index) =>
      encodeRow(
        row(index + 1, { event_data: JSON.stringify('x'.repeat(10_000)), part_id: 'run-1/m/0' }),
        'e1',
      ),
    )
    const frames = mergedBytes(rows, [])
    assert.ok(frames.length > 1 && frames.length <= 8, `${frames.length} frames`)
    for (const bytes of frames) assert.ok(bytes.length < 70_000)
    assert.equal(frames.map((bytes) => textOf(eventOf(bytes).event_data)).join(''), 'x'.repeat(400_000))
  })

  it('leave events with metadata, and events that are no text, alone', () => {
    const rows = [
      row(1, { part_id: 'p', event_metadata: '{}' }),
      row(2, { part_id: 'p' }),
      row(3, { part_id: 'p', event_data: '{"text":"a"}' }),
      row(4, { part_id: 'p', content_type: 'thought' }),
    ].map((stored) => encodeRow(stored, 'e1'))
    assert.deepEqual(
      mergedBytes(rows, []),
      rows.map(({ bytes }) => bytes),
    )
  })
})

describe('frames of one write', () => {
  it('are their bytes one after another, and a row alone is encoded once for all who write it', () => {
    const rows = [row(1, {}), row(2, { event_data: '"ü"' })].map((stored) => encodeRow(stored, 'e1'))
    assert.deepEqual(
      [...toBytes([rows[0]!, 'tail', rows[1]!])],
      [...rows[0]!.bytes, ...Buffer.from('tail'), ...rows[1]!.bytes],
    )
    assert.equal(toBytes([rows[0]!]), toBytes([rows[0]!]))
  })
})

/** The frames of a merged replay, each as it would be written. */
function mergedBytes(rows: readonly EncodedRow[], bounds: readonly number[]): Uint8Array[] {
  return mergeRows(rows, bounds).map((piece) => toBytes([piece]))
}
