/** The merged replay says what the single one says, at every cursor of any log. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatCursor, textOf } from '../../server/protocol.ts'
import { keyOf, type NewEvent, type StoredEvent } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import {
  makeWorld,
  type Message,
  newEvent,
  openStream,
  REF,
  rowsOf,
  SEED,
  TIMES,
  type World,
} from './support.ts'

const MERGED_CHARS = 64 * 1024

/** Some rows to be, one after another. `repeat` makes them large. */
interface Sketch {
  readonly run: string
  readonly part: string | null
  readonly text: string
  readonly repeat: number
  readonly times: number
  readonly kind: 'delta' | 'object' | 'metadata' | 'done'
  readonly agent: string
}

const sketch: fc.Arbitrary<Sketch> = fc.record({
  run: fc.constantFrom('run-1', 'run-1', 'run-2'),
  // Mostly the same part again, so that there is something to merge.
  part: fc.constantFrom('a', 'a', 'a', 'b', null),
  text: fc.string({
    unit: fc.constantFrom('x', 'ü', '\n', '"', '\\', '\ud83c', '\udf31', '\u2028'),
    maxLength: 6,
  }),
  repeat: fc.oneof(
    { weight: 12, arbitrary: fc.constant(1) },
    { weight: 1, arbitrary: fc.integer({ min: 2000, max: 10_900 }) },
  ),
  times: fc.integer({ min: 1, max: 4 }),
  kind: fc.constantFrom('delta', 'delta', 'delta', 'delta', 'delta', 'object', 'metadata', 'done'),
  agent: fc.constantFrom('x', 'x', 'x', 'y'),
})

const logs = fc.record({
  sketches: fc.array(sketch, { minLength: 1, maxLength: 14 }),
  /** How many of the newest rows a pruning left; all when there are fewer. */
  kept: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 20 })),
  seens: fc.array(fc.nat(24), { minLength: 1, maxLength: 2 }),
})

function eventsOf(sketches: readonly Sketch[]): NewEvent[] {
  const counts = new Map<string, number>()
  const rows = sketches.flatMap((row) => Array.from({ length: row.times }, () => row))
  return rows.map(({ run, part, text, repeat, kind, agent }) => {
    const n = (counts.get(run) ?? 0) + 1
    counts.set(run, n)
    const data = text.repeat(repeat)
    return newEvent(n, {
      run_id: run,
      event_type: part === null ? 'note' : 'llm_chunk',
      agent_source: agent,
      event_data: JSON.stringify(kind === 'object' ? { text: data } : data),
      event_metadata: kind === 'metadata' ? '{"a":1}' : null,
      part_id: part && `${run}/${part}/0`,
      part_done: part !== null && kind === 'done',
    })
  })
}

/** The store, a world on it, and what the log holds. */
async function logOf(
  sketches: readonly Sketch[],
  kept: number,
): Promise<{ world: World; rows: readonly StoredEvent[]; epoch: string; cursors: readonly string[] }> {
  const world = makeWorld({ store: openSqlite(':memory:') })
  const appended = await world.store.append(REF, eventsOf(sketches))
  assert.ok(appended.ok)
  const { epoch } = appended.head
  if (kept !== Infinity) await world.store.prune({ maxEventsPerSession: kept }, 500)
  const cursors = appended.added.map((row) => formatCursor(epoch, row.seq, keyOf(row)))
  return { world, rows: await rowsOf(world.store), epoch, cursors: [`${epoch}-0`, ...cursors] }
}

async function replay({ loomi }: World, query: string): Promise<Message[]> {
  return (await openStream(loomi, { query: `follow=0&${query}` })).rest()
}

/** What each part and speaker has said, piece by piece, in the order of the log. */
function said(messages: readonly Message[]): string[] {
  const said: { name: string; text: string }[] = []
  for (const { frame } of messages) {
    if (frame.type !== 'event') continue
    const name = `${frame.run_id} ${frame.part_id} ${frame.agent_source} ${JSON.stringify(frame.event_metadata)}`
    const last = said.at(-1)
    if (last?.name === name) last.text += textOf(frame.event_data)
    else said.push({ name, text: textOf(frame.event_data) })
  }
  return said.map(({ name, text }) => `${name}: ${text}`)
}

const seqOf = (id: string | undefined): number => Number(id!.split('-')[1])
const isEvent = ({ frame }: Message): boolean => frame.type === 'event'

describe('a merged replay', { timeout: 240_000 * TIMES }, () => {
  it('says the same as the single one from every cursor, in frames that end and begin where it says', async () => {
    let mergedFrames = 0
    await fc.assert(
      fc.asyncProperty(logs, async ({ sketches, kept, seens }) => {
        const { world, rows, cursors } = await logOf(sketches, kept)
        for (const [after, cursor] of cursors.entries()) {
          const seen = seens[after % seens.length]!
          const query = `after=${after === 0 ? '0' : cursor}&seen=${cursors[Math.min(seen, cursors.length - 1)]}`
          const single = await replay(world, query)
          const merged = await replay(world, `${query}&merge=1`)
          // But for the events, the two are alike.
          assert.deepEqual(
            merged.filter((message) => !isEvent(message)),
            single.filter((message) => !isEvent(message)),
          )
          assert.deepEqual(said(merged), said(single))
          const byId = new Map(single.filter(isEvent).map((message) => [message.id, message.frame]))
          const opening = merged[0]!.frame as { seen: number; to?: number }
          let position = Math.max(after, (rows[0]?.seq ?? 1) - 1)
          for (const { id, frame } of merged) {
            if (frame.type !== 'event') continue
            const end = byId.get(id)
            const last = seqOf(id)
            const from = frame.from ?? last
            assert.ok(end?.type === 'event', `no single frame has the id ${id}`)
            assert.equal(frame.key, end.key)
            assert.equal(frame.part_done, end.part_done)
            assert.equal(from, position + 1)
            for (const inner of single)
              if (isEvent(inner) && seqOf(inner.id) >= from && seqOf(inner.id) < last)
                assert.ok(!('part_done' in inner.frame), `${from} to ${last} hides the end of a part`)
            for (const bound of [opening.seen, opening.to ?? Infinity])
              assert.ok(!(from <= bound && bound < last), `${from} to ${last} crosses ${bound}`)
            if (frame.from !== undefined) {
              mergedFrames++
              assert.ok(from < last)
              assert.ok(JSON.stringify(frame.event_data).length <= MERGED_CHARS + 2)
            }
            position = last
          }
          if (single.some(isEvent)) assert.equal(position, rows.at(-1)!.seq)
        }
        await world.store.close()
      }),
      { ...SEED, numRuns: 40 * TIMES },
    )
    assert.ok(mergedFrames > 500, `only ${mergedFrames} frames were merged`)
  })

  it('goes on exactly from the id of every one of its frames', async () => {
    await fc.assert(
      fc.asyncProperty(logs, fc.boolean(), async ({ sketches, kept, seens }, mergesAgain) => {
        const { world, cursors } = await logOf(sketches, kept)
        const seen = `seen=${cursors[Math.min(seens[0]!, cursors.length - 1)]}`
        const whole = await replay(world, `after=0&${seen}&merge=1`)
        const single = await replay(world, `after=0&${seen}`)
        for (const [i, { id, frame }] of whole.entries()) {
          if (frame.type !== 'event' && frame.type !== 'gap') continue
          const rest = await replay(world, `after=${id}&${seen}${mergesAgain ? '&merge=1' : ''}`)
          assert.ok(!rest.some(({ frame }) => frame.type === 'gap' || frame.type === 'reset'))
          assert.deepEqual(said([...whole.slice(0, i + 1), ...rest]), said(single))
          const next = rest.find(isEvent)
          if (next?.frame.type === 'event') assert.equal(next.frame.from ?? seqOf(next.id), seqOf(id) + 1)
        }
        await world.store.close()
      }),
      { ...SEED, numRuns: 40 * TIMES },
    )
  })
})
