/**
 * What a durable append and a read cost in each store, beside what the disk alone needs (the floor: the same events as
 * lines of a file, with `fdatasync`; in the same run, in turn with the store).
 *
 *     npm run bench:stores
 *     npm run bench:stores -- --store sqlite     one of sqlite, postgres, supabase, supabase-listen
 *
 * Postgres is started for it in a temporary folder; Supabase's client goes through the test server of this project, so its
 * figures tell the cost of HTTP and JSON, not that of a real project's network.
 */
import { fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { NewEvent, SessionRef, Store } from '../server/store.ts'
import { openBenchStores } from './open-stores.ts'

/** The first commits: SQLite's WAL file grows until it holds 1000 pages, from then on it is written over. */
const FIRST = 400
const SINGLES = 500
const BATCHES = 500
const BATCH_EVENTS = 100
const SESSIONS = 64
const ROUNDS = 20
const LONG_EVENTS = 10_000
const TEXT = 'Looking at rooms with a view of the sea, and at what they cost in March. '

const { values } = parseArgs({ options: { store: { type: 'string', multiple: true } } })
const folder = mkdtempSync(join(tmpdir(), 'loomi-bench-'))
const floorFile = openSync(join(folder, 'floor'), 'w')
try {
  for await (const { name, store } of openBenchStores(folder, values.store)) await measure(name, store)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function measure(name: string, store: Store): Promise<void> {
  const places = new Map<string, number>()
  const events = (session: string, count: number): NewEvent[] => {
    const from = places.get(session) ?? 0
    places.set(session, from + count)
    return Array.from({ length: count }, (_, k) => eventOf(from + k + 1))
  }
  const append = async (session: string, count: number): Promise<void> => {
    const result = await store.append(refOf(session), events(session, count), 30_000)
    if (!result.ok) throw new Error(result.code)
  }

  await append('warm', 1)
  const single = (times: number): Promise<[number[], number[]]> =>
    inTurn(
      times,
      () => raw(1),
      () => append('single', 1),
    )
  const [firstFloor, first] = await single(FIRST)
  const [floor, singles] = await single(SINGLES)
  const [batchFloor, batches] = await inTurn(
    BATCHES,
    () => raw(BATCH_EVENTS),
    () => append('batch', BATCH_EVENTS),
  )
  const begun = performance.now()
  for (let round = 0; round < ROUNDS; round++)
    await Promise.all(Array.from({ length: SESSIONS }, (_, i) => append(`many-${i}`, 1)))
  const many = (ROUNDS * SESSIONS * 1000) / (performance.now() - begun)
  for (let k = 0; k < LONG_EVENTS; k += 500) await append('long', 500)
  const whole = await timed(5, async () => {
    let after = 0
    while (after < LONG_EVENTS) after = (await store.read(refOf('long'), after, 500)).events.at(-1)!.seq
  })
  const last = await timed(50, async () => {
    const { events: rows } = await store.read(refOf('long'), LONG_EVENTS - 100, 500)
    if (rows.length !== 100) throw new Error('The last 100 are not there.')
  })

  const firstCost = (quantile(first, 0.5) / quantile(firstFloor, 0.5)).toFixed(2)
  const cost = (quantile(singles, 0.5) / quantile(floor, 0.5)).toFixed(2)
  const part = (quantile(batchFloor, 0.5) / quantile(batches, 0.5)).toFixed(2)
  console.log(`${name}:`)
  console.log(`  fdatasync between them: p50 ${ms(floor, 0.5)}, p99 ${ms(floor, 0.99)}`)
  console.log(
    `  one event: ${rate(singles)} a second, p50 ${ms(singles, 0.5)} (${cost} of fdatasync), p99 ${ms(singles, 0.99)}`,
  )
  console.log(`  the first ${FIRST} after opening: p50 ${ms(first, 0.5)} (${firstCost} of fdatasync then)`)
  console.log(
    `  ${BATCH_EVENTS} events: ${rate(batches)} batches a second, p50 ${ms(batches, 0.5)} (${part} of fdatasync's rate then)`,
  )
  console.log(`  one event in each of ${SESSIONS} sessions at once: ${many.toFixed(0)} appends a second`)
  console.log(
    `  read ${LONG_EVENTS}: p50 ${ms(whole, 0.5)}; the last 100: p50 ${ms(last, 0.5)}, p99 ${ms(last, 0.99)}`,
  )
}

/** The floor: the same events as lines of JSON, appended to a file and on the disk. */
async function raw(events: number): Promise<void> {
  const lines = Array.from({ length: events }, (_, n) => `${JSON.stringify(eventOf(n))}\n`)
  writeSync(floorFile, lines.join(''))
  fdatasyncSync(floorFile)
}

/** Times two works that alternate: a disk's speed changes within seconds, and so for both alike. */
async function inTurn(
  times: number,
  one: () => Promise<void>,
  other: () => Promise<void>,
): Promise<[number[], number[]]> {
  const taken: [number[], number[]] = [[], []]
  for (let k = 0; k < times; k++) {
    taken[0].push(...(await timed(1, one)))
    taken[1].push(...(await timed(1, other)))
  }
  return taken
}

async function timed(times: number, work: () => Promise<void>): Promise<number[]> {
  const taken: number[] = []
  for (let k = 0; k < times; k++) {
    const begun = performance.now()
    await work()
    taken.push(performance.now() - begun)
  }
  return taken
}

function eventOf(n: number): NewEvent {
  return {
    run_id: 'r',
    n,
    i: 0,
    first_n: n,
    first_i: 0,
    event_type: 'llm_chunk',
    content_type: 'message',
    agent_source: 'agent',
    event_data: JSON.stringify(TEXT),
    event_metadata: null,
    part_id: 'r/m/0',
    part_done: false,
    created_at: new Date().toISOString(),
  }
}

function refOf(sessionId: string): SessionRef {
  return { sessionId, userId: 'u' }
}

function meanOf(times: readonly number[]): number {
  return times.reduce((sum, time) => sum + time, 0) / times.length
}

function rate(times: readonly number[]): string {
  return (1000 / meanOf(times)).toFixed(0)
}

function ms(times: readonly number[], part: number): string {
  return `${quantile(times, part).toFixed(2)} ms`
}

function quantile(times: readonly number[], part: number): number {
  const sorted = times.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!
}
