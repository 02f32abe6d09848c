/** What server/store.ts promises of what events say: kept to the letter, or refused. Every store passes it. Part of the store contract. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LoomiError } from '../../server/errors.ts'
import { MAX_EVENT_BYTES } from '../../server/protocol.ts'
import type { AppendResult, NewEvent, SessionRef, Store } from '../../server/store.ts'
import { useSubject } from './contract-subject.ts'
import type { Contract } from './store-contract.ts'
import { newEvent, rowsOf } from './support.ts'

/** The contract of characters, run against the stores that `open` makes. */
export const textContract: Contract = (name, _, open) => {
  describe(`the store contract of what is said: ${name}`, () => {
    let store: Store
    let count = 0
    useSubject(open, (its) => (store = its))

    const fresh = (userId = 'ada'): SessionRef => ({ sessionId: `text ${++count}`, userId })
    const append = async (
      ref: SessionRef,
      events: readonly NewEvent[],
    ): Promise<AppendResult & { ok: true }> => {
      const result = await store.append(ref, events)
      assert.ok(result.ok, JSON.stringify(result))
      return result
    }

    it('keeps every field and every character', async () => {
      const ref = fresh()
      const nasty =
        'NUL \u0000 CR \r LF \n LS \u2028 BOM \ufeff half \ud83c other half \udf31 whole 🌱 quote " back \\'
      const event = newEvent(1, {
        run_id: 'Lauf ä',
        event_type: 'tööl_call',
        content_type: 'x'.repeat(128),
        agent_source: '🌱',
        event_data: JSON.stringify({ text: nasty, big: 2 ** 53, list: [null, true, 1.5e-7] }),
        event_metadata: JSON.stringify({ [nasty]: nasty }),
        part_id: 'Lauf ä/m/0',
        part_done: true,
        created_at: '2026-11-23T01:02:03.004Z',
      })
      const { first_n: _, first_i: __, ...expected } = event
      const { added } = await append(ref, [event])
      assert.deepEqual(added, [{ seq: 1, ...expected }])
      assert.deepEqual(
        (await rowsOf(store, ref)).map((row) => ({ ...row })),
        [{ seq: 1, ...expected }],
      )
      const [row] = await rowsOf(store, ref)
      assert.equal((JSON.parse(row!.event_data) as { text: string }).text, nasty)
    })

    it('keeps JSON text to the letter', async () => {
      const ref = fresh()
      const texts = ['{"b":1,"a":2,"b":3}', '1.0', '1e400', '"\\u00e9"', '12345678901234567890', ' [ ] ']
      await append(
        ref,
        texts.map((event_data, index) => newEvent(index + 1, { event_data })),
      )
      assert.deepEqual(
        (await rowsOf(store, ref)).map(({ event_data }) => event_data),
        texts,
      )
    })

    it('keeps an event of 256 KiB', async () => {
      const ref = fresh()
      const event_data = JSON.stringify('ä'.repeat((MAX_EVENT_BYTES - 2) / 2))
      await append(ref, [newEvent(1, { event_data })])
      assert.equal((await rowsOf(store, ref))[0]?.event_data, event_data)
    })

    it('keeps an escaped U+0000 and halves of surrogate pairs in data and metadata to the letter', async () => {
      const ref = fresh()
      const texts = [
        String.raw`"\u0000"`,
        String.raw`{"\u0000":"a\u0000b\\u0000"}`,
        String.raw`"\ud83c"`,
        String.raw`"\udf31 \uD83C\udf31 \\ud83c \\\ud83c"`,
        String.raw`["\u00e9", "\u00000", "\ud83c\ud83c\udf31"]`,
      ]
      await append(
        ref,
        texts.map((text, index) =>
          newEvent(index + 1, { event_data: text, event_metadata: `{"m": ${text}}` }),
        ),
      )
      const rows = await rowsOf(store, ref)
      assert.deepEqual(
        rows.map(({ event_data }) => event_data),
        texts,
      )
      assert.deepEqual(
        rows.map(({ event_metadata }) => event_metadata),
        texts.map((text) => `{"m": ${text}}`),
      )
    })

    const names = ['run_id', 'event_type', 'content_type', 'agent_source', 'part_id'] as const
    for (const [what, character] of [
      ['U+0000', '\u0000'],
      ['half a surrogate pair', '\ud83c'],
    ] as const)
      for (const field of [...names, 'event_data', 'event_metadata'] as const)
        it(`keeps ${what} as it is in ${field}, or refuses the event for good`, async () => {
          const ref = fresh()
          await append(ref, [newEvent(1)])
          const isJson = field === 'event_data' || field === 'event_metadata'
          const value = isJson ? `{"x":"a${character}b"}` : `a${character}b`
          const refused = await store.append(ref, [newEvent(2, { [field]: value })]).then(
            () => null,
            (error: unknown) => error,
          )
          const rows = await rowsOf(store, ref)
          if (refused === null) assert.equal(rows[1]?.[field], value)
          else assert.equal(refused instanceof LoomiError && refused.code, 'store_refused')
          if (refused !== null) assert.equal(rows.length, 1)
          // And it goes on.
          await append(ref, [newEvent(3)])
        })

    it('keeps what may be mistaken for a mark, an escape or the end of a text', async () => {
      const ref = fresh()
      const words = [
        "'; drop table x; --",
        '$1 $$ $_$',
        '%s %n',
        '\\',
        '\\x00',
        '{}',
        '[1]',
        'null',
        '\u2028\u2029',
        '€'.repeat(40),
      ]
      const events = words.map((word, index) =>
        newEvent(index + 1, {
          event_type: word,
          content_type: word,
          agent_source: word,
          part_id: word,
          event_data: JSON.stringify({ [word]: word }),
        }),
      )
      await append(ref, events)
      assert.deepEqual(
        (await rowsOf(store, ref)).map(({ seq: _, ...row }) => row),
        events.map(({ first_n: _, first_i: __, ...event }) => event),
      )
    })
  })
}
