/** The agents of a simulation, and what must be in the log of what they said. */
import { type Answer, drawAnswer, give, readRows } from './answers.ts'
import type { Chronicle, Written } from './chronicle.ts'
import type { Network } from './network.ts'
import { SESSION } from './page.ts'
import type { Book } from './problems.ts'
import type { Random } from './random.ts'
import { opensRun } from '../../server/store.ts'
import { LEASE_MS, type Server } from './server.ts'
import type { Weather } from './store-gate.ts'
import type { World } from './world.ts'

/** A sweep comes with every slow poll of a process in which somebody watches; and the rest of its way. */
const SWEEP_MS = 5000 + 2000

interface Given {
  readonly answer: Answer
  readonly feeds: { readonly server: Server; isOver: boolean }[]
  /** The store has all of it, as its producer was told. */
  isStored: boolean
  /** It was stopped, and who asked for that was told that the store does not know of it. */
  isCutShort: boolean
  /** Its log was lost or set back, or it was stopped: it need not be whole. */
  isTorn: boolean
}

/** What they work with. */
export interface ProducersDeps {
  readonly world: World
  readonly random: Random
  readonly chronicle: Chronicle
  readonly network: Network
  readonly weather: Weather
  readonly book: Book
}

/** See the module. */
export class Producers {
  readonly given: Given[] = []
  readonly #deps: ProducersDeps

  constructor(deps: ProducersDeps) {
    this.#deps = deps
  }

  /** A process begins an answer. */
  begin(server: Server): void {
    const answer = drawAnswer(this.#deps.random, this.given.length + 1)
    const given: Given = { answer, feeds: [], isStored: false, isCutShort: false, isTorn: false }
    this.given.push(given)
    this.#feed(given, server)
  }

  /** A process makes an answer again that another one made, or makes. False when there is none. */
  again(server: Server): boolean {
    const given = this.#deps.random.pick(this.given.filter(({ isTorn }) => !isTorn).slice(-3))
    if (!given) return false
    this.#feed(given, server)
    return true
  }

  /** What was said so far need not be whole. */
  tear(): void {
    for (const given of this.given) given.isTorn = true
  }

  /** What a process makes now; the answer is called when a stop of it was rejected: it ended there all the same. */
  stopping(server: Server): () => void {
    const isMaking = (feed: Given['feeds'][number]): boolean => feed.server === server && !feed.isOver
    const now = this.given.filter(({ feeds }) => feeds.some(isMaking))
    return () => {
      for (const given of now) given.isCutShort = true
    }
  }

  /** Whether nobody makes an answer any more. */
  get isQuiet(): boolean {
    return this.given.every(({ feeds }) =>
      feeds.every(({ isOver, server }) => isOver || !server.owner.isAlive),
    )
  }

  /** The runs without an end in the log. */
  open(): string[] {
    const open = new Set<string>()
    for (const { row } of this.#deps.chronicle.rows()) {
      if (row.event_type === 'run_end') open.delete(row.run_id)
      else if (opensRun(row.event_type)) open.add(row.run_id)
    }
    return [...open]
  }

  /** Everybody has had the time: what was said is in the log once, and every run has its end. */
  finish(calmAt: number): void {
    const byRun = new Map<string, Written[]>()
    for (const written of this.#deps.chronicle.rows()) {
      const rows = byRun.get(written.row.run_id) ?? []
      byRun.set(written.row.run_id, rows)
      rows.push(written)
    }
    for (const given of this.given) {
      const rows = byRun.get(given.answer.runId) ?? []
      if (!given.isTorn) this.#checkReading(given, rows)
      this.#checkEnd(given, rows, calmAt)
    }
  }

  #feed(given: Given, server: Server): void {
    const { runId, form } = given.answer
    const feed = { server, isOver: false }
    given.feeds.push(feed)
    if (given.feeds.length > 1) this.#deps.chronicle.refed.add(runId)
    this.#deps.world.note('feed', runId, server.owner.name, form)
    this.#deps.world.current = server.owner
    // A provider's answer that has an id names its run itself.
    const session = server.loomi.session({ ...SESSION, ...(form !== 'numbered' && { runId }) })
    const sleep = (ms: number): Promise<void> => this.#deps.world.sleep(ms, server.owner)
    void give(given.answer, session, sleep, this.#deps.random).then(() => {
      feed.isOver = true
      if (server.owner.isAlive && !server.isDraining) given.isStored = true
    })
  }

  #checkReading({ answer, isStored, isCutShort }: Given, rows: readonly Written[]): void {
    const { runId, form, reading } = answer
    const isWhole = isStored && !isCutShort
    const read = readRows(rows, form)
    if (!reading.startsWith(read))
      this.#deps.book.problem('reordered', `The log of ${runId} (${form}) reads ${read}, not ${reading}`)
    // A run that was stopped before it had an event, in a session that had none, leaves no trace.
    else if (isWhole && read !== reading && rows.length > 0 && rows.at(-1)!.row.content_type !== 'stopped')
      this.#deps.book.problem(
        'lost',
        `${runId} (${form}) was stored, as was said, and the log ends after ${read}`,
      )
  }

  #checkEnd({ answer: { runId }, feeds, isTorn }: Given, rows: readonly Written[], calmAt: number): void {
    const last = rows.at(-1)
    if (!last) return
    if (last.row.event_type !== 'run_end') return this.#deps.book.problem('late', `${runId} has no end.`)
    if (last.row.content_type !== 'interrupted' || isTorn) return
    const deaths = feeds.map(({ server }) => server.diedAt ?? 0)
    const { network, weather, book } = this.#deps
    // While the store failed nobody could renew a lease, so all are given the time for it.
    const lapsedAt = Math.max(calmAt, Math.max(weather.failedAt, ...deaths) + LEASE_MS)
    // Without anybody who reads, the next one who comes finds the end.
    const readers = network.watched.filter(({ to }) => to > lapsedAt)
    const dueAt = Math.max(lapsedAt, Math.min(...readers.map(({ from }) => from))) + SWEEP_MS
    if (last.at > dueAt)
      book.problem('late', `${runId} was ended at ${last.at} ms; that was due at ${dueAt} ms.`)
  }
}
