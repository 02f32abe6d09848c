import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import { harmlessJson, harmlessLine } from '../../server/cli/harmless.ts'
import { Printer } from '../../server/cli/printer.ts'
import type { Json, LoomiEvent } from '../../server/protocol.ts'
import { SEED } from './support.ts'

type Fields = Partial<LoomiEvent>

const event = (event_type: string, event_data: Json, fields: Fields = {}): LoomiEvent => ({
  event_type,
  content_type: event_type,
  agent_source: 'agent',
  event_data,
  run_id: 'r',
  created_at: '2026-11-24T00:00:00.000Z',
  key: 'r/1',
  ...fields,
})
const whole = (content_type: string, text: string, fields: Fields = {}): LoomiEvent =>
  event('llm_chunk', text, { content_type, ...fields })
const delta = (content_type: string, part_id: string, text: string, fields: Fields = {}): LoomiEvent =>
  whole(content_type, text, { part_id, ...fields })
const done = { part_done: true } as const

function printed(events: readonly LoomiEvent[], colours = false): string {
  const printer = new Printer({ colours })
  return events.map((each) => printer.print(each)).join('') + printer.pause()
}

/** What a terminal may be sent: text, tabs, line feeds. */
// oxlint-disable-next-line no-control-regex
const HARMFUL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

describe('Printer', () => {
  it('joins the deltas of a part in place as they come', () => {
    const printer = new Printer({ colours: false })
    assert.equal(printer.print(delta('thought', 'a', 'Looking')), 'thought: Looking')
    assert.equal(printer.print(delta('thought', 'a', ' at\nro')), ' at\nro')
    assert.equal(printer.print(delta('thought', 'a', 'oms', done)), 'oms\n')
    assert.equal(printer.pause(), '')
  })

  it('begins a line where part, kind or agent change, and where a part goes on after another', () => {
    const events = [
      delta('thought', 'a', 'one'),
      delta('thought', 'b', 'two'),
      delta('message', 'b', 'three'),
      delta('message', 'b', 'four', { agent_source: 'scout' }),
      whole('message', 'five'),
      delta('thought', 'a', 'six'),
    ]
    assert.equal(
      printed(events),
      'thought: one\nthought: two\nmessage: three\nmessage (scout): four\nmessage: five\nthought: six\n',
    )
  })

  it('leaves no empty lines and no labels without text', () => {
    const events = [
      delta('message', 'a', 'ends its line\n'),
      delta('message', 'b', 'x'),
      delta('message', 'b', '', done),
      delta('message', 'c', '', done),
      whole('thought', 'whole\n'),
      whole('message', 'last'),
    ]
    assert.equal(printed(events), 'message: ends its line\nmessage: x\nthought: whole\nmessage: last\n')
    assert.equal(printed(events, true).match(/\n/g)?.length, 4)
  })

  it('goes on in a new line after a pause, label first', () => {
    const printer = new Printer({ colours: false })
    const written = [
      printer.print(delta('message', 'a', 'one')),
      printer.pause(),
      printer.pause(),
      printer.print(delta('message', 'a', ' two')),
    ]
    assert.deepEqual(written, ['message: one', '\n', '', 'message:  two'])
  })

  it('writes a character whose halves come in two deltas as one', () => {
    const printer = new Printer({ colours: true })
    const [first, second] = ['\ud83c', '\udf31']
    const text =
      printer.print(delta('message', 'a', `a${first}`)) + printer.print(delta('message', 'a', `${second}b`))
    assert.ok(stripVTControlCharacters(text).endsWith(': a\ud83c\udf31b'))
    assert.equal(printed([delta('message', 'a', first)]), 'message: \ufffd\n')
    assert.equal(
      printed([delta('message', 'a', `x${first}`), whole('user', 'y')]),
      'message: x\ufffd\nuser: y\n',
    )
  })

  const lines: [string, LoomiEvent, string][] = [
    ['the user', event('user_message', 'Rooms?', { content_type: 'user' }), 'user: Rooms?'],
    [
      'a text in an object',
      event('concierge', { text: 'Hi', x: 1 }, { content_type: 'message' }),
      'message: Hi',
    ],
    [
      'a tool call',
      event('tool_call', { id: '1', name: 'search', input: { q: 'a  b' } }),
      'tool_call → search {"q":"a  b"}',
    ],
    [
      'one that was cut',
      event('tool_call', { id: '1', name: 'search', input: '{"q', incomplete: true }),
      'tool_call → search "{\\"q" (incomplete)',
    ],
    [
      'a tool result',
      event('tool_result', { id: '1', name: 'search', output: ['x'] }),
      'tool_result ← search ["x"]',
    ],
    [
      'one without a name',
      event('tool_result', { id: 'c1', name: '', output: 'x', is_error: true }),
      'tool_result ← c1 "x"',
    ],
    ['a tool call of another shape', event('tool_call', { fn: 1 }), 'tool_call: {"fn":1}'],
    ['a source', event('source', { url: 'https://x', title: 'X' }), 'source: X https://x'],
    ['a source without a title', event('source', { url: 'https://x', title: '' }), 'source: https://x'],
    ['an error', event('error', { code: 'overloaded', text: 'Later.' }), 'error: overloaded: Later.'],
    ['an error of text alone', event('error', 'Later.'), 'error: Later.'],
    [
      'a run’s end',
      event('run_end', { status: 'complete' }, { content_type: 'complete' }),
      'run_end: complete',
    ],
    [
      'a run that failed',
      event('run_end', { status: 'failed', code: 'e', text: 'No.' }, { content_type: 'failed' }),
      'run_end: failed (e: No.)',
    ],
    ['an unknown kind', event('weather', { sun: true, text: 'x' }), 'weather: {"sun":true,"text":"x"}'],
    ['an unknown kind of text', event('weather', 'sun'), 'weather: sun'],
    ['two names', event('data', null, { content_type: 'chart' }), 'data chart: null'],
    [
      'a name that objects have',
      event('constructor', 1, { agent_source: '__proto__' }),
      'constructor (__proto__): 1',
    ],
  ]
  for (const [name, given, line] of lines) {
    it(`shows ${name} on a line`, () => {
      assert.equal(printed([given]), `${line}\n`)
      assert.equal(stripVTControlCharacters(printed([given], true)), `${line}\n`)
    })
  }

  it('cuts compact data, and says so', () => {
    const line = printed([event('file', { data: 'x'.repeat(100_000) })])
    assert.ok(line.length < 500 && line.endsWith('…\n'))
  })

  it('shows thoughts dim and italic, errors red, each delta by itself', () => {
    assert.equal(
      printed([delta('thought', 'a', 'x'), delta('thought', 'a', 'y')], true),
      '\u001b[2mthought\u001b[22m: \u001b[2m\u001b[3mx\u001b[23m\u001b[22m\u001b[2m\u001b[3my\u001b[23m\u001b[22m\n',
    )
    assert.ok(printed([event('error', 'No.')], true).includes('\u001b[31mNo.\u001b[39m'))
  })

  it('gives an agent the same colour every time', () => {
    const of = (agent_source: string): string => printed([whole('message', 'x', { agent_source })], true)
    assert.equal(of('scout'), of('scout'))
    assert.notEqual(of('scout'), of('writer').replace('writer', 'scout'))
  })

  it('lets nothing of an event reach the terminal but text', () => {
    const hostile = '\u001b]0;title\u0007\u001b[2J\u009b31m\r\b\u0000\u007f\u202e\u2066'
    const events = [
      whole('message', `a${hostile}b\tc\r\nd`),
      delta('thought', 'p', hostile),
      event('user_message', hostile, { content_type: 'user' }),
      event(hostile, { [hostile]: hostile }, { content_type: hostile, agent_source: hostile }),
      event('tool_call', { name: hostile, input: hostile, id: hostile }),
      event('tool_result', { name: hostile, output: { a: hostile } }),
      event('source', { url: hostile, title: hostile }),
      event('error', { code: hostile, text: hostile }),
      event('run_end', { code: hostile, text: hostile }, { content_type: hostile }),
    ]
    assert.doesNotMatch(printed(events), HARMFUL)
    assert.ok(printed(events).startsWith('message: a]0;title[2J31mb\tc\nd\n'))
  })

  const nasty = fc.string({
    unit: fc.constantFrom(
      'a',
      ' ',
      '\n',
      '\r',
      '\t',
      '\u001b',
      '[',
      '\u009b',
      '\u202e',
      '\ud83c',
      '\udf31',
      '\u0000',
    ),
  })
  const anyEvent = fc.record({
    event_type: fc.oneof(fc.constantFrom('llm_chunk', 'run_end', 'tool_call', 'error'), nasty),
    content_type: fc.oneof(
      fc.constantFrom('thought', 'message', 'tool_call', 'tool_result', 'source', 'error'),
      nasty,
    ),
    agent_source: fc.oneof(fc.constant('agent'), nasty),
    event_data: fc.oneof(
      nasty,
      fc.jsonValue() as fc.Arbitrary<Json>,
      fc.record({ name: nasty, input: nasty, output: nasty, text: nasty, url: nasty }, { requiredKeys: [] }),
    ) as fc.Arbitrary<Json>,
    part: fc.option(fc.constantFrom('a', 'b')),
    isDone: fc.boolean(),
  })
  const toEvent = ({
    part,
    isDone,
    ...fields
  }: typeof anyEvent extends fc.Arbitrary<infer T> ? T : never): LoomiEvent =>
    event('', null, { ...fields, ...(part && { part_id: part }), ...(isDone && done) })

  it('never throws, sends no control character, and ends its last line, whatever the events are', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 8 }), (events) => {
        const text = printed(events.map(toEvent))
        assert.doesNotMatch(text, HARMFUL)
        assert.ok(text === '' || text.endsWith('\n'))
      }),
      SEED,
    )
  })

  it('shows a text that came in deltas as it shows the whole', () => {
    fc.assert(
      fc.property(nasty, fc.array(fc.nat(20), { maxLength: 5 }), (text, cuts) => {
        const ends = [...new Set([0, ...cuts.filter((at) => at < text.length), text.length])].sort(
          (a, b) => a - b,
        )
        const deltas = ends.slice(1).map((end, i) => delta('message', 'p', text.slice(ends[i], end)))
        const shown = printed(deltas).toWellFormed()
        assert.equal(shown, text === '' ? '' : printed([whole('message', text)]).toWellFormed())
      }),
      SEED,
    )
  })
})

describe('Harmless text', () => {
  it('as JSON is the same value on one line, with nothing that a terminal or a reader of lines obeys', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const json = harmlessJson({ text })
        // oxlint-disable-next-line no-control-regex
        assert.doesNotMatch(json, /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/)
        assert.deepEqual(JSON.parse(json), { text })
      }),
      SEED,
    )
    assert.deepEqual(JSON.parse(harmlessJson('\u2028\u009b\u202e\ud800')), '\u2028\u009b\u202e\ud800')
    assert.equal(harmlessJson('\u009b\u0085\u2029'), String.raw`"\u009b\u0085\u2029"`)
  })

  it('as one line is cut', () => {
    assert.equal(harmlessLine(' a\r\n\u001b[31mb\u001b[0m \u0007c ', 10), 'a b c')
    assert.equal(harmlessLine('x'.repeat(12), 10), `${'x'.repeat(10)}…`)
  })
})
