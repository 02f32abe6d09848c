/**
 * Presence: when each user was last heard of in each session, and what they had seen by then.
 *
 * A beat touches memory only; what changed is written for all sessions in one statement, at most every 10 s.
 * Nothing depends on presence: without any beat no event is lost, only the guess of a client that sends no cursor
 * is poorer.
 *
 * @module
 */
import { type Clock, within } from './clock.ts'
import { LoomiError } from './errors.ts'
import { type Cursor, parseCursor, type Rung, type TabState } from './protocol.ts'
import type { Mark } from './replay-decision.ts'
import {
  nameOf,
  type PresenceRow,
  type SessionChoice,
  type SessionHead,
  type SessionRef,
  type Store,
} from './store.ts'

const FLUSH_MS = 10_000
/** A beat does not wait longer for what the store knows of its user. */
const LOAD_MS = 1000
/** Beyond this many users in sessions the ones not heard of for longest are forgotten (the store keeps them). */
const MAX_ENTRIES = 100_000

/** What the last beat said of its tab. */
export interface Presence {
  readonly userId: string
  readonly sessionId: string
  /** Milliseconds since 1970, by the server's clock. */
  readonly lastBeatAt: number
  readonly rung: Rung | null
  readonly state: TabState | null
  /** What the user's devices have displayed, null when no beat told. */
  readonly displayed: Cursor | null
}

/** What a beat tells. */
export interface Beat {
  readonly rung?: Rung
  readonly state?: TabState
  readonly displayed?: Cursor
}

interface Entry {
  row: PresenceRow | null
  rung: Rung | null
  state: TabState | null
  dirty: boolean
  /** The store did not tell what it knows. */
  isUnknown: boolean
}

/** The users in sessions that this process has heard of. */
export class PresenceBook {
  readonly #store: Store
  readonly #clock: Clock
  readonly #thresholdMs: number
  readonly #onError: (error: unknown) => void
  readonly #entries = new Map<string, Promise<Entry> | Entry>()
  #timer: unknown = null
  #flushing: Promise<void> = Promise.resolve()

  constructor(store: Store, clock: Clock, thresholdMs: number, onError: (error: unknown) => void) {
    this.#store = store
    this.#clock = clock
    this.#thresholdMs = thresholdMs
    this.#onError = onError
  }

  /** Takes a beat. `head` is the session's head as known now, null while it has no event for this user. */
  async beat(ref: SessionRef, head: SessionHead | null, { rung, state, displayed }: Beat): Promise<void> {
    const isKnown = this.#entries.has(nameOf(ref))
    const entry = await this.#entry(ref)
    // What the store knows counts too, as soon as it tells.
    if (isKnown && entry.isUnknown) await this.#reload(entry, ref)
    const now = this.#clock.now()
    const before = entry.row
    // A beat from before the first event stands for the beginning of the log that came later.
    const sameLog = before !== null && (before.epoch === null || before.epoch === head?.epoch)
    const wasAway = sameLog && now - before.lastBeatAt > this.#thresholdMs
    entry.row = {
      ...ref,
      lastBeatAt: now,
      headSeq: head?.head ?? 0,
      pendingSeq: sameLog ? (before.pendingSeq ?? (wasAway ? before.headSeq : null)) : null,
      epoch: head?.epoch ?? null,
      displayed: furthest(before?.displayed ?? null, displayed ?? null, head),
    }
    entry.rung = rung ?? null
    entry.state = state ?? null
    this.#touch(entry)
  }

  /** Where beats place the user in the log that `head` belongs to, and what they have displayed of it. */
  async place(ref: SessionRef, head: SessionHead): Promise<{ mark: Mark | null; displayed: Cursor | null }> {
    const { row } = await this.#entry(ref)
    if (!row) return { mark: null, displayed: null }
    const displayed =
      row.displayed !== null && parseCursor(row.displayed)?.epoch === head.epoch ? row.displayed : null
    // Beats from before the session's first event place the user at its beginning.
    if (row.epoch !== null && row.epoch !== head.epoch) return { mark: null, displayed }
    if (row.pendingSeq !== null) return { mark: { seq: row.pendingSeq, pending: true }, displayed }
    const away = this.#clock.now() - row.lastBeatAt > this.#thresholdMs
    return { mark: { seq: row.headSeq, pending: away }, displayed }
  }

  /**
   * Notes that a stream was served up to `seq`: an absence that it made good is no evidence any more. `caughtUp` says
   * that these were the rows of a catch-up, which also settles an absence that no beat has ended yet.
   */
  served(ref: SessionRef, seq: number, caughtUp: boolean): void {
    const entry = this.#entries.get(nameOf(ref))
    if (!entry || entry instanceof Promise || !entry.row) return
    const { row } = entry
    const madeGood = row.pendingSeq !== null && seq > row.pendingSeq
    const away = caughtUp && seq > row.headSeq && this.#clock.now() - row.lastBeatAt > this.#thresholdMs
    if (!madeGood && !away) return
    entry.row = { ...row, pendingSeq: madeGood ? null : row.pendingSeq, headSeq: away ? seq : row.headSeq }
    this.#touch(entry)
  }

  /** What is known of a user in a session; null when nobody was heard of. */
  async get(ref: SessionRef): Promise<Presence | null> {
    const { row, rung, state } = await this.#entry(ref)
    return row && { ...ref, lastBeatAt: row.lastBeatAt, rung, state, displayed: row.displayed }
  }

  /** Writes what changed; a failure is reported and tried again with the next flush. Resolves when an earlier flush is over, too. */
  flush(): Promise<void> {
    this.#clock.clearTimeout(this.#timer)
    this.#timer = null
    this.#flushing = Promise.all([this.#flushing, this.#save()]).then(() => undefined)
    return this.#flushing
  }

  async #save(): Promise<void> {
    const dirty = [...this.#entries.values()].filter(
      // One that does not know what stands in the store must not overwrite it.
      (entry): entry is Entry => !(entry instanceof Promise) && entry.dirty && !entry.isUnknown,
    )
    if (dirty.length === 0) return
    for (const entry of dirty) entry.dirty = false
    try {
      const rows = await this.#present(dirty.map((entry) => entry.row!))
      if (rows.length > 0) await this.#store.savePresence(rows)
    } catch (error) {
      this.#onError(error)
      if (error instanceof LoomiError && error.code === 'closed') return
      for (const entry of dirty) this.#touch(entry)
    }
  }

  /** Without what was of logs that are gone: another server may have deleted one since its beat came, and all that was known of it. */
  async #present(rows: readonly PresenceRow[]): Promise<PresenceRow[]> {
    const heads = await this.#store.heads(rows)
    return rows
      .map((row, i) => (heads[i] ? row : { ...row, displayed: null }))
      .filter(({ epoch }, i) => epoch === null || heads[i]?.epoch === epoch)
  }

  /** Forgets what is remembered of certain sessions, or of a user; what the store knows is asked anew. */
  forget(choice: SessionChoice): void {
    for (const name of this.#entries.keys()) {
      const [userId, sessionId] = name.split('\u0000')
      if ('userId' in choice ? choice.userId === userId : choice.sessionId === sessionId)
        this.#entries.delete(name)
    }
  }

  /** A session was given to another user. What the store was not told yet of the former owner counts as the other's. */
  async give(sessionId: string, from: string, to: string): Promise<void> {
    const rows: PresenceRow[] = []
    for (const entry of this.#entries.values())
      if (
        !(entry instanceof Promise) &&
        entry.dirty &&
        !entry.isUnknown &&
        entry.row!.sessionId === sessionId
      )
        rows.push(entry.row!.userId === from ? { ...entry.row!, userId: to } : entry.row!)
    this.forget({ sessionId })
    if (rows.length > 0) await this.#store.savePresence(rows).catch(this.#onError)
  }

  #touch(entry: Entry): void {
    entry.dirty = true
    this.#timer ??= this.#clock.setTimeout(() => void this.flush(), FLUSH_MS)
  }

  #entry(ref: SessionRef): Promise<Entry> | Entry {
    const name = nameOf(ref)
    const known = this.#entries.get(name)
    if (known) {
      // Moved to the end, so that the order of the map is the order of last use.
      this.#entries.delete(name)
      this.#entries.set(name, known)
      return known
    }
    const loading = this.#load(ref).then((entry) => {
      // Unless it was forgotten meanwhile.
      if (this.#entries.get(name) === loading) this.#entries.set(name, entry)
      return entry
    })
    this.#entries.set(name, loading)
    this.#evict()
    return loading
  }

  async #load(ref: SessionRef): Promise<Entry> {
    let row: PresenceRow | null = null
    let isUnknown = false
    try {
      row = await within(this.#clock, LOAD_MS, this.#store.loadPresence(ref))
    } catch (error) {
      isUnknown = true
      this.#onError(error)
    }
    return { row, rung: null, state: null, dirty: false, isUnknown }
  }

  /** An entry that began without what the store knows takes over the displayed cursor and the absence that stand there. */
  async #reload(entry: Entry, ref: SessionRef): Promise<void> {
    const { row, isUnknown } = await this.#load(ref)
    entry.isUnknown = isUnknown
    if (row && (!entry.row || entry.row.epoch === row.epoch))
      entry.row = entry.row ? { ...entry.row, displayed: row.displayed, pendingSeq: row.pendingSeq } : row
  }

  #evict(): void {
    for (const [name, entry] of this.#entries) {
      if (this.#entries.size <= MAX_ENTRIES) return
      if (!(entry instanceof Promise) && !entry.dirty) this.#entries.delete(name)
    }
  }
}

/** The further one of two displayed cursors: monotone within an epoch, never beyond the log's end, of the present log if any is. */
function furthest(old: Cursor | null, told: Cursor | null, head: SessionHead | null): Cursor | null {
  const next = told === null ? null : parseCursor(told)
  if (!next || !head || next.epoch !== head.epoch || next.seq > head.head) return old
  const before = old === null ? null : parseCursor(old)
  return before?.epoch === next.epoch && before.seq >= next.seq ? old : told
}
