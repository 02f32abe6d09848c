import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { createLoomi, type Report } from '../../server/loomi.ts'
import type { EventFrame, Json } from '../../server/protocol.ts'
import { keyOf } from '../../server/store.ts'
import { openStore } from '../../server/stores/open.ts'
import { withoutPostgres } from '../databases/postgres.ts'
import { withoutSmallDisk } from '../databases/small-disk.ts'
import { Processes } from './processes.ts'
import {
  type Needs,
  type Place,
  PostgresPlaces,
  sqlitePlace,
  type SupabasePlace,
  supabasePlace,
} from './store-places.ts'
import { POSTGRES, SQLITE, SUPABASE, type Trouble, UNREACHABLE } from './store-troubles.ts'
import { FakeClock, newEvent, openStream, REF, rowsOf, type SseReader, until } from './support.ts'

const STORE_TIMEOUT_MS = 200
/** What a busy machine may add. */
const SLACK_MS = 800
/** Emitted at once when the trouble has begun; one more follows when these are shown. */
const EVENTS = 5
/** A writer, a reader and a run ask again in their own time, for the second or two that a trouble lasts here. */
const MAX_REPORTS = 12

interface Shown {
  readonly id: string | undefined
  readonly frame: EventFrame
}

describe('in the middle of an answer', { timeout: 60_000 }, () => {
  describe('SQLite', () => {
    for (const trouble of SQLITE) shows(trouble, (needs) => sqlitePlace(needs))

    it('a feed waits for room on the disk, and says so', { skip: withoutSmallDisk() }, async (t) => {
      const place = sqlitePlace({ smallDisk: true })
      const processes = new Processes()
      const log = await openStore(place.url)
      t.after(async () => {
        await processes.end()
        await log.close()
        place.remove()
      })
      await log.append(REF, [newEvent(1)])
      place.disk!.fill()
      const input = `${JSON.stringify({ choices: [{ delta: { content: 'x'.repeat(20_000) } }] })}\n`
      const args = ['feed', '--session', 'fed', '--user', 'ada', '--store', place.url]
      const feed = processes.start(args, { input })
      await until(() => /disk is full: make room/.test(feed.err), 'its word')
      place.disk!.free()
      assert.equal(await feed.ended, 0)
      assert.ok((await rowsOf(log, { sessionId: 'fed', userId: 'ada' })).length > 0)
    })
  })

  describe('a server’s', { skip: withoutPostgres() }, () => {
    let places: PostgresPlaces
    before(async () => (places = await PostgresPlaces.start()))
    after(() => places?.remove())

    describe('Postgres', () => {
      for (const trouble of POSTGRES) shows(trouble, (needs) => places.place(needs))
    })

    describe('Supabase', () => {
      let place: SupabasePlace
      before(async () => (place = await supabasePlace(places)))
      after(() => place?.remove())
      for (const trouble of SUPABASE) shows(trouble, () => ({ ...place, remove: () => undefined }))
    })

    it('the operator hears of it about as often when many come meanwhile as when nobody does', async (t) => {
      const place = await places.place()
      const clock = new FakeClock()
      const reports: Report[] = []
      const loomi = createLoomi({ store: place.url, clock, onEvent: (report) => reports.push(report) })
      t.after(() => UNREACHABLE.mends(place))
      assert.equal(await loomi.presence(REF), null)
      await UNREACHABLE.breaks(place)
      const opening = Array.from({ length: 15 }, () => openStream(loomi, { query: 'after=0' }))
      const end = clock.now() + 10_000
      await until(() => clock.advance(500).then(() => clock.now() >= end), 'the end of a long outage')
      const viewers = await Promise.all(opening)
      for (const viewer of viewers) await viewer.cancel()
      await loomi.close()
      assert.ok(reports.length <= MAX_REPORTS, `${reports.length} reports`)
    })
  })
})

/** The test of one trouble. */
function shows<P extends Place>(trouble: Trouble<P>, setUp: (needs?: Needs) => P | Promise<P>): void {
  const { what, needs, skip = false, breaks, mends, code, remedy } = trouble
  it(
    `${what}: viewers see all, the operator hears what to do, and then it is stored once`,
    { skip },
    async (t) => {
      const place = await setUp(needs)
      const reports: Report[] = []
      const onEvent = (report: Report): number => reports.push(report)
      const loomi = createLoomi({ store: place.url, storeTimeoutMs: STORE_TIMEOUT_MS, onEvent })
      const mend = once(() => mends(place))
      t.after(async () => {
        await mend()
        await loomi.close()
        await place.remove()
      })
      const ref = { sessionId: what, userId: 'ada' }
      const session = loomi.session(ref)
      session.message('before')
      const viewer = await openStream(loomi, { session: ref.sessionId, query: 'after=0' })
      const [first] = await events(viewer, 1, isStored)
      await breaks(place)
      reports.length = 0

      const start = performance.now()
      for (let n = 1; n <= EVENTS; n++) session.emit({ event_type: 'note', event_data: bulky(n) })
      const emitMs = performance.now() - start
      const early = await events(viewer, EVENTS)
      const shownMs = performance.now() - start
      session.emit({ event_type: 'note', event_data: bulky(EVENTS + 1) })
      early.push(...(await events(viewer, 1)))
      const laterMs = performance.now() - start - shownMs
      const isTold = ({ error }: Report): boolean => error.code === code && remedy.test(error.message)
      await until(() => reports.some(isTold), `the remedy, in ${wordsOf(reports)}`, 4000)
      t.diagnostic(`shown after ${Math.round(shownMs)} ms, the next after ${Math.round(laterMs)} ms`)
      await mend()
      await session.end()
      const stored = await events(viewer, EVENTS + 2, isStored)
      await viewer.cancel()
      const log = await openStore(place.url)
      const rows = await rowsOf(log, ref)
      await log.close()

      assert.deepEqual(
        early.map(({ frame }) => (frame.event_data as { n: number }).n),
        Array.from({ length: EVENTS + 1 }, (_, i) => i + 1),
      )
      assert.ok(early.every(({ id, frame }) => id === undefined && frame.provisional === true))
      assert.ok(emitMs < 100, `emit took ${emitMs} ms`)
      assert.ok(shownMs < STORE_TIMEOUT_MS + SLACK_MS, `shown after ${shownMs} ms`)
      assert.ok(laterMs < SLACK_MS, `the next one was shown after ${laterMs} ms`)
      const keys = early.map(({ frame }) => frame.key)
      const end = stored.at(-1)!.frame
      assert.equal(end.content_type, 'complete')
      assert.deepEqual(
        stored.map(({ frame }) => frame.key),
        [...keys, end.key],
      )
      assert.deepEqual(
        rows.map((row) => [row.seq, keyOf(row)]),
        [first!.frame.key, ...keys, end.key].map((key, i) => [i + 1, key]),
      )
      assert.ok(reports.length <= MAX_REPORTS, wordsOf(reports))
      for (const secret of place.secrets) assert.ok(!wordsOf(reports).includes(secret))
    },
  )
}

/** The next events of a stream that are meant; all others are passed over. */
async function events(
  reader: SseReader,
  count: number,
  isMeant: (shown: Shown) => boolean = () => true,
): Promise<Shown[]> {
  const found: Shown[] = []
  while (found.length < count) {
    const message = await reader.next()
    if (!message) throw new Error(`The stream ended after ${found.length} of ${count} events.`)
    if (message.frame.type !== 'event') continue
    const shown = { id: message.id, frame: message.frame }
    if (isMeant(shown)) found.push(shown)
  }
  return found
}

function isStored({ id }: Shown): boolean {
  return id !== undefined
}

/** More than the room that is left in any page, in whatever way a database packs it. */
function bulky(n: number): Json {
  return { n, ballast: randomBytes(15_000).toString('base64') }
}

function wordsOf(reports: readonly Report[]): string {
  return reports.map(({ error }) => `${error.code}: ${error.message} ${String(error.cause)}`).join('\n')
}

function once(work: () => unknown): () => Promise<unknown> {
  let done: Promise<unknown> | null = null
  return () => (done ??= Promise.resolve(work()))
}
