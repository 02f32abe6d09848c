import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import type { Draft } from '../../server/drafts.ts'
import { LoomiError } from '../../server/errors.ts'
import type { Session } from '../../server/session.ts'
import { makeWorld, REF, rowsOf, type World } from './support.ts'

describe('a session', () => {
  let world: World
  let session: Session
  beforeEach(() => {
    world = makeWorld()
    session = world.loomi.session(REF)
  })

  describe('given what is no event', () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    const cases: [string, unknown, string][] = [
      ['without a type', {}, 'bad_event'],
      ['an empty type', { event_type: '' }, 'bad_event'],
      ['a type that is no text', { event_type: 5 }, 'bad_event'],
      ['a type of 129 characters', { event_type: 'x'.repeat(129) }, 'bad_event'],
      ['a type that no store keeps to the letter', { event_type: 'a\u0000b' }, 'bad_event'],
      ['a type with half a character', { event_type: 'a\ud83c' }, 'bad_event'],
      ['an empty content type', { event_type: 'x', content_type: '' }, 'bad_event'],
      ['a source that is no text', { event_type: 'x', agent_source: null }, 'bad_event'],
      ['an empty part', { event_type: 'x', part: '' }, 'bad_event'],
      ['a part with half a character', { event_type: 'x', part: '\udf31' }, 'bad_event'],
      ['a cycle', { event_type: 'x', event_data: cycle }, 'bad_event'],
      ['a bigint', { event_type: 'x', event_data: 1n }, 'bad_event'],
      ['a function', { event_type: 'x', event_data: () => 1 }, 'bad_event'],
      ['metadata with a cycle', { event_type: 'x', event_metadata: cycle }, 'bad_event'],
      [
        'data of 256 KiB and a byte',
        { event_type: 'x', event_data: 'x'.repeat(256 * 1024 - 1) },
        'event_too_large',
      ],
      [
        'data of 256 KiB in characters and more in bytes',
        { event_type: 'x', event_data: 'ä'.repeat(131_072) },
        'event_too_large',
      ],
      [
        'metadata of more than 256 KiB',
        { event_type: 'x', event_metadata: { x: 'x'.repeat(262_144) } },
        'event_too_large',
      ],
    ]
    for (const [name, event, code] of cases) {
      it(`(${name}) throws at once and takes nothing`, async () => {
        session.message('before')
        assert.throws(
          () => session.emit(event as Draft),
          (error) => error instanceof LoomiError && error.code === code && error.message.endsWith('.'),
        )
        session.message('after')
        await session.end()
        const rows = await rowsOf(world.store)
        assert.deepEqual(
          rows.map(({ n, event_type }) => [n, event_type]),
          [
            [1, 'llm_chunk'],
            [2, 'llm_chunk'],
            [2, 'run_end'],
          ],
        )
      })
    }

    it('says what else to call for data that is no text', () => {
      assert.throws(() => session.message({} as string), /emit\(\{ event_type, event_data \}\)/)
      assert.throws(() => session.user(undefined as unknown as string), LoomiError)
    })

    it('takes exactly 256 KiB', async () => {
      session.emit({ event_type: 'x', event_data: 'x'.repeat(256 * 1024 - 2) })
      await session.end()
      assert.equal((await rowsOf(world.store))[0]?.event_data.length, 256 * 1024)
      assert.deepEqual(world.reports, [])
    })
  })
})
