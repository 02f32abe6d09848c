/**
 * The log as this process sees it: appends go to the store, watchers are woken, and rows are read and encoded once
 * for all who watch.
 *
 * The store is the truth. What is kept here is a head and a short tail of encoded rows per session that somebody
 * watches, or did a moment ago, so that one event costs one encoding and no read however many look on.
 *
 * @module
 */
import type { Clock } from './clock.ts'
import { Confirmation, type Feeder } from './confirmation.ts'
import { type EncodedRow, encodeRow } from './frames.ts'
import { type Entry, fromTail, isNews, isOfAnother, isOlderCopy, type Page, wakeAll } from './log-entry.ts'
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
/** So long what is known of a session outlives its last viewer: a page that is loaded anew in an outage opens from it. */
const LINGER_MS = 10_000

/** One viewer's wake-ups. They carry nothing and may be one too many; they are never lost. */
export interface Watch {
  /** Resolves at the next wake-up, at once when one came since the last call. */
  next(): Promise<void>
  /** Wakes this viewer alone. */
  wake(): void
  /** Ends the watch; a waiting `next` resolves. */
  stop(): void
}

/** What the log asks of others. */
export interface LogHooks {
  /** Called now and then while somebody watches. */
  readonly onPoll?: () => void
  /** Who publishes unconfirmed events of a session here. */
  readonly feederOf?: (ref: SessionRef) => Feeder | null
}

/** Reads, appends and wakes; see the module. */
export class Log {
  /** What those who watch here got before the store confirmed it. */
  readonly unconfirmed: Unconfirmed = new Unconfirmed((name) => {
    for (const wake of this.#entries.get(name)?.watchers ?? []) wake()
  })
  /** Finds out what of that is stored. */
  readonly confirmation: Confirmation
  readonly #store: Store
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()
  readonly #poll: Poll
  /** How many entries there have been. */
  #watched = 0
  #isClosed = false

  constructor(
    store: Store,
    clock: Clock,
    onError: (error: unknown) => void,
    { onPoll = () => undefined, feederOf = () => null }: LogHooks = {},
  ) {
    this.#store = store
    this.confirmation = new Confirmation(store, this.unconfirmed, feederOf)
    this.#clock = clock
    this.#poll = new Poll({ store, clock, onError, onPoll, look: (ids) => this.#look(ids) })
  }

  /** The session's head, fresh from the store; null when it does not exist or is somebody else's. */
  async head(ref: SessionRef): Promise<SessionHead | null> {
    const known = this.#entries.get(nameOf(ref))?.head
    const [head = null] = await this.#store.heads([ref])
    const entry = this.#entries.get(nameOf(ref))
    if (!entry || !head) return head
    if (known && entry.head === known && isOlderCopy(known, head)) this.#forget(entry)
    this.#learn(entry, head)
    return head
  }

  /** The session's head as a beat may know it: from memory while somebody watches, else from the store. */
  async knownHead(ref: SessionRef): Promise<SessionHead | null> {
    return this.#entries.get(nameOf(ref))?.head ?? this.head(ref)
  }

  /** Adds events to the session and wakes those who watch it. */
  async append(ref: SessionRef, events: readonly NewEvent[], leaseMs?: number): Promise<AppendResult> {
    // What is confirmed now is of this log; what was confirmed before must be, too.
    if (this.unconfirmed.has(ref)) await this.confirmation.recheck(ref)
    const watched = this.#watched
    const result = await this.#store.append(ref, events, leaseMs)
    if (!result.ok) return result
    this.unconfirmed.confirmIn(ref, result.head)
    const entry = this.#entries.get(nameOf({ ...ref, userId: result.userId }))
    if (!entry) return result
    const rows = result.added.map((row) => encodeRow(row, result.head.epoch))
    const before = result.before === '' ? null : tagOf(result.before)
    if (isOfAnother(entry, result.head.epoch, rows, before)) this.#forget(entry)
    // Whoever asked for the head meanwhile may know of this append, and of later ones; or an older copy has taken the log's place.
    if (entry.head && entry.head.head > result.head.head) this.refresh()
    // Also when nothing was added: the answer to an earlier try may have been lost on its way.
    if (!this.#learn(entry, result.head)) return result
    // Nobody heard of what others stored before somebody watched, so this may be less than there is.
    if (entry.number <= watched) entry.tail.extend(rows, before)
    return result
  }

  /** The head and newest rows of a session as this process remembers them; null when it does not. */
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
          const { head, page, before } = read
          if (page.isReplaced || isOfAnother(entry, page.epoch, page.rows, before)) this.#forget(entry)
          this.#learn(entry, head)
          this.#learnPage(entry, page, before)
          return page
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
      entry = {
        ref,
        number: ++this.#watched,
        watchers: new Set(),
        head: null,
        tail: new Tail(),
        reads: new Map(),
        leaving: null,
      }
      this.#entries.set(name, entry)
    }
    this.#clock.clearTimeout(entry.leaving)
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
        if (entry.watchers.size === 0) this.#leave(entry)
        wake()
      },
    }
  }

  /** Looks at once for what was done by others, or by this process past the log: at certain sessions, or at all. */
  refresh(sessionIds?: ReadonlySet<string>): void {
    this.#poll.now(sessionIds)
  }

  /** Sessions are deleted, or somebody else's: nothing of them is served from memory, whatever the store answers next. */
  forget(refs: readonly SessionRef[]): void {
    for (const entry of refs.map((ref) => this.#entries.get(nameOf(ref))))
      if (entry) {
        this.#forget(entry)
        wakeAll(entry)
      }
  }

  /** Stops polling and wakes everybody a last time. */
  close(): void {
    this.#isClosed = true
    this.#poll.stop()
    for (const entry of this.#entries.values()) {
      this.#clock.clearTimeout(entry.leaving)
      wakeAll(entry)
    }
  }

  #leave(entry: Entry): void {
    if (this.#isClosed || !entry.head) this.#drop(entry)
    else entry.leaving = this.#clock.setTimeout(() => this.#drop(entry), LINGER_MS)
  }

  #drop(entry: Entry): void {
    const name = nameOf(entry.ref)
    if (this.#entries.get(name) === entry) this.#entries.delete(name)
    if (this.#entries.size === 0) this.#poll.stop()
  }

  async #readStore(
    ref: SessionRef,
    after: number,
    tag: string | null,
  ): Promise<{ head: SessionHead; page: Page; before: string | null } | null> {
    // With the reader's own row, which must still be the one that it got.
    const more = tag === null ? 0 : 1
    const { head, events } = await this.#store.read(ref, after - more, PAGE_ROWS + more)
    if (!head) return null
    const encoded = events.map((row) => encodeRow(row, head.epoch))
    const isThere = encoded[0]?.row.seq === after
    const rows = isThere ? encoded.slice(1) : encoded
    // Of a row that was pruned the store may still know the key.
    const isPruned = tag !== null && !isThere && after < head.head
    const key = isPruned ? (await this.#store.keys(ref, [after])).get(after) : undefined
    const own = isThere ? encoded[0]!.tag : key === undefined ? null : tagOf(key)
    const isReplaced = tag !== null && own !== null && own !== tag
    const before = rows[0]?.row.seq === after + 1 ? own : null
    return { head, page: { epoch: head.epoch, head: head.head, rows, isReplaced }, before }
  }

  #learnPage(entry: Entry, page: Page, before: string | null): void {
    const last = page.rows.at(-1)?.row.seq ?? 0
    // Only a page that reaches the end is worth keeping: it is what the other viewers will ask for next.
    if (entry.head?.epoch === page.epoch && last >= page.head) entry.tail.extend(page.rows, before)
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

  /** Asks the heads of watched sessions in one statement and wakes those whose head moved. */
  async #look(sessionIds?: ReadonlySet<string>): Promise<void> {
    const entries = [...this.#entries.values()].filter(({ ref }) => sessionIds?.has(ref.sessionId) ?? true)
    if (entries.length === 0) return
    const known = entries.map(({ head }) => head)
    const heads = await this.#store.heads(entries.map((entry) => entry.ref))
    for (const [i, entry] of entries.entries()) {
      const head = heads[i]
      const before = known[i]
      if (!head) {
        // Deleted, or given to another user.
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
