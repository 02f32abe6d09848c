/**
 * The log as this process sees it: appends go to the store, watchers are woken, and rows are read and encoded once
 * for all who watch.
 *
 * The store is the truth. What is kept here is a head and a short tail of encoded rows per session that somebody
 * watches, so that one event costs one encoding and no read however many look on.
 *
 * @module
 */
import type { Clock } from './clock.ts'
import { type EncodedRow, encodeRow } from './frames.ts'
import type { AppendResult, NewEvent, SessionHead, SessionRef, Store } from './store.ts'

const PAGE_ROWS = 500
const TAIL_ROWS = 256
const TAIL_BYTES = 512 * 1024
const SLOW_POLL_MS = 5000

/** One viewer's wake-ups. They carry nothing and may be one too many; they are never lost. */
export interface Watch {
  /** Resolves at the next wake-up, at once when one came since the last call. */
  next(): Promise<void>
  /** Wakes this viewer alone. */
  wake(): void
  /** Ends the watch; a waiting `next` resolves. */
  stop(): void
}

/** A page of the log. An empty one means that there is nothing after the asked seq yet. */
export interface Page {
  readonly epoch: string
  readonly head: number
  readonly rows: readonly EncodedRow[]
}

interface Entry {
  readonly ref: SessionRef
  readonly watchers: Set<() => void>
  head: SessionHead | null
  /** Rows without a hole, the newest last. */
  tail: EncodedRow[]
  tailBytes: number
  /** Reads that are under way, by the seq they start after. */
  readonly reads: Map<number, Promise<Page | null>>
}

/** Reads, appends and wakes; see the module. */
export class Log {
  readonly #store: Store
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()
  readonly #onError: (error: unknown) => void
  /** Called with every slow poll while somebody watches. */
  readonly #onPoll: () => void
  #stopWatch: (() => void) | null = null
  #pollTimer: unknown = null
  #refreshing = false
  #refreshAgain = false

  constructor(store: Store, clock: Clock, onError: (error: unknown) => void, onPoll = (): void => undefined) {
    this.#store = store
    this.#clock = clock
    this.#onError = onError
    this.#onPoll = onPoll
  }

  /** The session's head, fresh from the store; null when it does not exist or is somebody else's. */
  async head(ref: SessionRef): Promise<SessionHead | null> {
    const [head = null] = await this.#store.heads([ref])
    const entry = this.#entries.get(nameOf(ref))
    if (entry && head) this.#learn(entry, head)
    return head
  }

  /** The session's head as a beat may know it: from memory while somebody watches, else from the store. */
  async knownHead(ref: SessionRef): Promise<SessionHead | null> {
    return this.#entries.get(nameOf(ref))?.head ?? this.head(ref)
  }

  /** Adds events to the session and wakes those who watch it. */
  async append(ref: SessionRef, events: readonly NewEvent[], leaseUntil?: number): Promise<AppendResult> {
    const result = await this.#store.append(ref, events, leaseUntil)
    const entry = this.#entries.get(nameOf(ref))
    // Also when nothing was added: the answer to an earlier try may have been lost on its way.
    if (result.ok && entry && isNews(entry, result.head)) {
      this.#learn(entry, result.head)
      this.#extend(
        entry,
        result.added.map((row) => encodeRow(row, result.head.epoch)),
      )
      wakeAll(entry)
    }
    return result
  }

  /** The rows after a seq, as many as fit a page; null when the session does not exist or is somebody else's. */
  read(ref: SessionRef, after: number): Promise<Page | null> {
    const entry = this.#entries.get(nameOf(ref))
    if (!entry) return this.#readStore(ref, after)
    const kept = fromTail(entry, after)
    if (kept) return Promise.resolve(kept)
    let read = entry.reads.get(after)
    if (!read) {
      read = this.#readStore(ref, after)
        .then((page) => {
          if (page) this.#learnPage(entry, page)
          return page
        })
        .finally(() => {
          if (entry.reads.get(after) === read) entry.reads.delete(after)
        })
      entry.reads.set(after, read)
    }
    return read
  }

  /** Starts to watch a session, which need not exist. */
  watch(ref: SessionRef): Watch {
    const name = nameOf(ref)
    let entry = this.#entries.get(name)
    if (!entry) {
      entry = { ref, watchers: new Set(), head: null, tail: [], tailBytes: 0, reads: new Map() }
      this.#entries.set(name, entry)
    }
    let dirty = false
    let waiting: (() => void) | null = null
    const wake = (): void => {
      dirty = true
      waiting?.()
    }
    entry.watchers.add(wake)
    this.#startPolling()
    return {
      next: () =>
        new Promise((resolve) => {
          const done = (): void => {
            dirty = false
            waiting = null
            resolve()
          }
          if (dirty) done()
          else waiting = done
        }),
      wake,
      stop: () => {
        entry.watchers.delete(wake)
        if (entry.watchers.size === 0 && this.#entries.get(name) === entry) this.#entries.delete(name)
        if (this.#entries.size === 0) this.#stopPolling()
        wake()
      },
    }
  }

  /** Looks at once for what was appended by others, or by this process past the log. */
  refresh(): void {
    void this.#refresh()
  }

  /** Stops polling and wakes everybody a last time. */
  close(): void {
    this.#stopPolling()
    for (const entry of this.#entries.values()) wakeAll(entry)
  }

  async #readStore(ref: SessionRef, after: number): Promise<Page | null> {
    // Head first: rows that come in between are then beyond the head that is told, never missing below it.
    const [head = null] = await this.#store.heads([ref])
    if (!head) return null
    if (after >= head.head) return { epoch: head.epoch, head: head.head, rows: [] }
    const rows = await this.#store.read(ref, after, PAGE_ROWS)
    return { epoch: head.epoch, head: head.head, rows: rows.map((row) => encodeRow(row, head.epoch)) }
  }

  #learnPage(entry: Entry, page: Page): void {
    const last = page.rows.at(-1)
    if (!last || entry.head?.epoch !== page.epoch) return
    const end = entry.tail.at(-1)
    // Only a page that reaches the end is worth keeping: it is what the other viewers will ask for next.
    if (last.row.seq >= page.head && (!end || last.row.seq > end.row.seq)) this.#extend(entry, page.rows)
  }

  #learn(entry: Entry, head: SessionHead): void {
    if (entry.head?.epoch !== head.epoch) {
      entry.tail = []
      entry.tailBytes = 0
    } else if (entry.head.head > head.head) return
    entry.head = head
  }

  #extend(entry: Entry, rows: readonly EncodedRow[]): void {
    const end = entry.tail.at(-1)?.row.seq ?? 0
    for (const row of rows) {
      if (row.row.seq <= end) continue
      // The tail has no hole: places in it are reckoned from its first row.
      const last = entry.tail.at(-1)
      if (last && row.row.seq !== last.row.seq + 1) {
        entry.tail = []
        entry.tailBytes = 0
      }
      entry.tail.push(row)
      entry.tailBytes += row.bytes.length
    }
    let drop = 0
    while (entry.tail.length - drop > TAIL_ROWS || entry.tailBytes > TAIL_BYTES)
      entry.tailBytes -= entry.tail[drop++]!.bytes.length
    if (drop > 0) entry.tail.splice(0, drop)
  }

  #startPolling(): void {
    if (this.#stopWatch) return
    this.#stopWatch = this.#store.watch(() => this.refresh())
    const poll = (): void => {
      this.#pollTimer = this.#clock.setTimeout(poll, SLOW_POLL_MS)
      this.#onPoll()
      this.refresh()
    }
    this.#pollTimer = this.#clock.setTimeout(poll, SLOW_POLL_MS)
  }

  #stopPolling(): void {
    this.#stopWatch?.()
    this.#stopWatch = null
    this.#clock.clearTimeout(this.#pollTimer)
  }

  /** Asks the heads of all watched sessions in one statement and wakes those whose head moved. */
  async #refresh(): Promise<void> {
    if (this.#refreshing) {
      this.#refreshAgain = true
      return
    }
    this.#refreshing = true
    try {
      do {
        this.#refreshAgain = false
        const entries = [...this.#entries.values()]
        const heads = await this.#store.heads(entries.map((entry) => entry.ref))
        for (const [i, entry] of entries.entries()) {
          const head = heads[i]
          if (!head || !isNews(entry, head)) continue
          this.#learn(entry, head)
          wakeAll(entry)
        }
      } while (this.#refreshAgain)
    } catch (error) {
      this.#onError(error)
    } finally {
      this.#refreshing = false
    }
  }
}

function isNews({ head }: Entry, told: SessionHead): boolean {
  return told.epoch !== head?.epoch || told.head > head.head
}

function wakeAll(entry: Entry): void {
  // Who is woken asks anew: a read from before this may lack the very row that it wakes for.
  entry.reads.clear()
  for (const wake of entry.watchers) wake()
}

function fromTail({ head, tail }: Entry, after: number): Page | null {
  const first = tail[0]
  const last = tail.at(-1)
  if (
    !head ||
    !first ||
    !last ||
    last.row.seq !== head.head ||
    after + 1 < first.row.seq ||
    after > last.row.seq
  )
    return null
  return { epoch: head.epoch, head: head.head, rows: tail.slice(after + 1 - first.row.seq) }
}

/** Ids hold no control characters, so this is one name for one pair. */
export function nameOf(ref: SessionRef): string {
  return `${ref.userId}\u0000${ref.sessionId}`
}
