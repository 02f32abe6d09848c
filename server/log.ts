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
import { Poll } from './poll.ts'
import { tagOf } from './protocol.ts'
import {
  type AppendResult,
  nameOf,
  type NewEvent,
  type SessionHead,
  type SessionRef,
  type Store,
} from './store.ts'
import { Tail } from './tail.ts'
import { Unconfirmed } from './unconfirmed.ts'

const PAGE_ROWS = 500

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
  /** The reader's own place is another row now: an older copy of the log has taken its place and grown on. */
  readonly isReplaced: boolean
}

interface Entry {
  readonly ref: SessionRef
  readonly watchers: Set<() => void>
  head: SessionHead | null
  readonly tail: Tail
  /** Reads that are under way, by the place they start after. */
  readonly reads: Map<string, Promise<Page | null>>
}

/** Reads, appends and wakes; see the module. */
export class Log {
  /** What those who watch here got before the store confirmed it. */
  readonly unconfirmed: Unconfirmed = new Unconfirmed((name) => {
    for (const wake of this.#entries.get(name)?.watchers ?? []) wake()
  })
  readonly #store: Store
  readonly #entries = new Map<string, Entry>()
  readonly #poll: Poll

  /** `onPoll` is called now and then while somebody watches. */
  constructor(store: Store, clock: Clock, onError: (error: unknown) => void, onPoll = (): void => undefined) {
    this.#store = store
    this.#poll = new Poll({ store, clock, onError, onPoll, look: () => this.#look() })
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
    if (!result.ok || !entry) return result
    // Nobody appends below the head, unless the log was replaced by an older copy of itself.
    if ((result.added[0]?.seq ?? Infinity) <= (entry.head?.head ?? 0)) this.#forget(entry)
    // Also when nothing was added: the answer to an earlier try may have been lost on its way.
    if (this.#learn(entry, result.head))
      entry.tail.extend(result.added.map((row) => encodeRow(row, result.head.epoch)))
    return result
  }

  /** The head and newest rows of a session as this process remembers them while somebody watches; null when it does not. */
  recall(ref: SessionRef): { readonly head: SessionHead; readonly rows: readonly EncodedRow[] } | null {
    const { head, tail } = this.#entries.get(nameOf(ref)) ?? {}
    return head && tail?.end === head.head ? { head, rows: tail.rows } : null
  }

  /**
   * The rows after a seq, as many as fit a page; null when the session does not exist or is somebody else's. `tag` is that
   * of the row at the seq as the reader knows it, null when it knows none.
   */
  read(ref: SessionRef, after: number, tag: string | null = null): Promise<Page | null> {
    const entry = this.#entries.get(nameOf(ref))
    if (!entry) return this.#readStore(ref, after, tag).then((read) => read && read.page)
    const kept = fromTail(entry, after, tag)
    if (kept) return Promise.resolve(kept)
    const place = `${after} ${tag}`
    let read = entry.reads.get(place)
    if (!read) {
      read = this.#readStore(ref, after, tag)
        .then((read) => {
          if (!read) return null
          if (read.page.isReplaced) this.#forget(entry)
          this.#learn(entry, read.head)
          this.#learnPage(entry, read.page)
          return read.page
        })
        .finally(() => {
          if (entry.reads.get(place) === read) entry.reads.delete(place)
        })
      entry.reads.set(place, read)
    }
    return read
  }

  /** Starts to watch a session, which need not exist. */
  watch(ref: SessionRef): Watch {
    const name = nameOf(ref)
    let entry = this.#entries.get(name)
    if (!entry) {
      entry = { ref, watchers: new Set(), head: null, tail: new Tail(), reads: new Map() }
      this.#entries.set(name, entry)
    }
    let dirty = false
    let waiting: (() => void) | null = null
    const wake = (): void => {
      dirty = true
      waiting?.()
    }
    entry.watchers.add(wake)
    this.#poll.start()
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
        if (this.#entries.size === 0) this.#poll.stop()
        wake()
      },
    }
  }

  /** Looks at once for what was appended by others, or by this process past the log. */
  refresh(): void {
    this.#poll.now()
  }

  /** Stops polling and wakes everybody a last time. */
  close(): void {
    this.#poll.stop()
    for (const entry of this.#entries.values()) wakeAll(entry)
  }

  async #readStore(
    ref: SessionRef,
    after: number,
    tag: string | null,
  ): Promise<{ head: SessionHead; page: Page } | null> {
    // Head first: rows that come in between are then beyond the head that is told, never missing below it.
    const [head = null] = await this.#store.heads([ref])
    if (!head) return null
    const page = { epoch: head.epoch, head: head.head }
    if (after >= head.head) {
      const isReplaced = after === head.head && tag !== null && tagOf(head.headKey) !== tag
      return { head, page: { ...page, rows: [], isReplaced } }
    }
    // With the reader's own row, which must still be the one that it got.
    const own = tag === null ? 0 : 1
    const rows = await this.#store.read(ref, after - own, PAGE_ROWS + own)
    const encoded = rows.map((row) => encodeRow(row, head.epoch))
    const isOwn = encoded[0]?.row.seq === after
    const isReplaced = isOwn && tag !== null && encoded[0]!.tag !== tag
    return { head, page: { ...page, rows: isOwn ? encoded.slice(1) : encoded, isReplaced } }
  }

  #learnPage(entry: Entry, page: Page): void {
    const last = page.rows.at(-1)?.row.seq ?? 0
    // Only a page that reaches the end is worth keeping: it is what the other viewers will ask for next.
    if (entry.head?.epoch === page.epoch && last >= page.head && last > entry.tail.end)
      entry.tail.extend(page.rows)
  }

  /** Takes note of a head; whether it is news. Whoever brought it, all who watch are woken: nobody else will tell them. */
  #learn(entry: Entry, head: SessionHead): boolean {
    if (!isNews(entry, head)) return false
    if (entry.head && entry.head.epoch !== head.epoch) this.#forget(entry)
    entry.head = head
    wakeAll(entry)
    return true
  }

  /**
   * What is remembered of a log is not to be trusted any more. Nor is what viewers wait for to be confirmed: it may have
   * been, in the log that is gone.
   */
  #forget(entry: Entry): void {
    entry.head = null
    entry.tail.clear()
    this.unconfirmed.discard(entry.ref)
  }

  /** Asks the heads of all watched sessions in one statement and wakes those whose head moved. */
  async #look(): Promise<void> {
    const entries = [...this.#entries.values()]
    const known = entries.map(({ head }) => head)
    const heads = await this.#store.heads(entries.map((entry) => entry.ref))
    for (const [i, entry] of entries.entries()) {
      const head = heads[i]
      const before = known[i]
      if (!head) {
        // Deleted by another process.
        if (before && entry.head === before) {
          this.#forget(entry)
          wakeAll(entry)
        }
        continue
      }
      if (before && isOlderCopy(before, head)) this.#forget(entry)
      this.#learn(entry, head)
    }
  }
}

/** Lower than it was when we asked, or another row there: an older copy of the log has taken its place. */
function isOlderCopy(before: SessionHead, told: SessionHead): boolean {
  if (before.epoch !== told.epoch) return false
  return told.head < before.head || (told.head === before.head && told.headKey !== before.headKey)
}

function isNews({ head }: Entry, told: SessionHead): boolean {
  return told.epoch !== head?.epoch || told.head > head.head
}

function wakeAll(entry: Entry): void {
  // Who is woken asks anew: a read from before this may lack the very row that it wakes for.
  entry.reads.clear()
  for (const wake of entry.watchers) wake()
}

function fromTail({ head, tail }: Entry, after: number, tag: string | null): Page | null {
  const rows = tail.after(after)
  if (!head || !rows || tail.end !== head.head) return null
  const own = tail.at(after)
  // The store tells what has happened.
  if (own && tag !== null && own.tag !== tag) return null
  return { epoch: head.epoch, head: head.head, rows, isReplaced: false }
}
