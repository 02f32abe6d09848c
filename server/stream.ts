/**
 * The stream: one loop for replay and live.
 *
 * Read the rows after the cursor, write them, move the cursor, wait for a wake-up, read again. The watch
 * is registered before the first read, so nothing can fall between.
 *
 * @module
 */
import { type Clock, sleep, within } from './clock.ts'
import { type EncodedRow, encodeFrame, frameText, mergeRows, type Piece, toBytes } from './frames.ts'
import type { Log, Watch } from './log.ts'
import type { Page } from './log-entry.ts'
import { headToOpen } from './opening-head.ts'
import { type Opening, type OpeningDeps, openStream } from './opening.ts'
import { Patience, RETRY_STORE_MS } from './patience.ts'
import type { PresenceBook } from './presence.ts'
import { type Cursor, formatCursor, type Frame, type ResetReason } from './protocol.ts'
import { keyOf, type SessionHead, type SessionRef, type Store } from './store.ts'
import type { OpenStream } from './streams.ts'

/** A question to the store that takes longer is asked anew: it may never be answered. */
const CONFIRM_MS = 5000

/** What a request for a stream asks. */
export interface StreamQuery {
  /** Where the client says it is, as sent; null when it does not say. */
  readonly cursor: string | null
  /** The device's displayed cursor, as sent. */
  readonly seen: string | null
  /** Joins neighbouring deltas of one part. */
  readonly merge: boolean
  /** Goes on live after the replay. */
  readonly follow: boolean
  /** Milliseconds between two events of the replay, for clients without pacing of their own. */
  readonly paceMs: number
}

/** What the loop works with. */
export interface StreamDeps {
  readonly store: Store
  readonly log: Log
  readonly presence: PresenceBook
  readonly clock: Clock
  /** A random word of the server process. */
  readonly boot: string
  readonly pileUp: number
  /** Milliseconds that an opening waits for the store before it is made from memory. */
  readonly storeTimeoutMs: number
  /** 0 to 1, for the reader's `retry`. */
  readonly random: () => number
  readonly onError: (error: unknown) => void
}

/** Serves one stream until its reader leaves, the session is complete, or without `follow` the replay is over. */
export async function serveStream(
  stream: OpenStream,
  ref: SessionRef,
  query: StreamQuery,
  deps: StreamDeps,
  head: SessionHead | null = null,
): Promise<void> {
  const watch = deps.log.watch(ref)
  stream.sink.closed.addEventListener('abort', watch.wake, { once: true })
  try {
    await new StreamLoop(stream, ref, query, deps, watch).run(head)
  } finally {
    watch.stop()
    stream.sink.end()
  }
}

class StreamLoop {
  readonly #stream: OpenStream
  readonly #ref: SessionRef
  readonly #query: StreamQuery
  readonly #deps: StreamDeps
  readonly #patience: Patience
  readonly #watch: Watch
  /** With what the stream opens, as long as the store does not answer. */
  #memory: OpeningDeps | null = null
  #position = 0
  /** Of the row at the position; null when it is pruned, or at the beginning. */
  #tag: string | null = null
  /** The replay that is not over yet. */
  #opening: Opening | null = null
  /** How often it was to be found out what is stored of what is unconfirmed: the last time counts. */
  #openings = 0
  /** The session's last row was written. */
  #complete = false

  constructor(stream: OpenStream, ref: SessionRef, query: StreamQuery, deps: StreamDeps, watch: Watch) {
    this.#stream = stream
    this.#ref = ref
    this.#query = query
    this.#deps = deps
    this.#patience = new Patience(stream, ref, query.follow, deps, watch)
    this.#watch = watch
  }

  async run(known: SessionHead | null): Promise<void> {
    // A session that was not there a moment ago is asked for again: by now its first event would wake us.
    const head = known ?? (await this.#headToOpen())
    if (head) await this.#open(head, this.#query.cursor)
    else if (head === null) await this.#awaitSession(false)
    while (!this.#gone && !this.#complete) {
      const page = this.#query.follow || this.#opening ? await this.#patience.ask(() => this.#read()) : null
      if (page === null && this.#stream.epoch !== '' && this.#query.follow) await this.#lose()
      else if (page && this.#isOtherLog(page)) await this.#beginAgain(page)
      else if (page && page.head > this.#position) await this.#writePage(page)
      else if (this.#query.follow && !this.#gone) await this.#patience.rest()
      else return
    }
  }

  get #gone(): boolean {
    return this.#patience.isGone
  }

  async #headToOpen(): Promise<SessionHead | null | undefined> {
    const found = await headToOpen(this.#stream, this.#ref, this.#query, this.#patience, this.#deps)
    this.#memory = found?.memory ?? null
    return found && found.head
  }

  #read(): Promise<Page | null> {
    return this.#deps.log.read(this.#ref, this.#position, this.#tag)
  }

  #isOtherLog({ epoch, head, isReplaced }: Page): boolean {
    // A replay that ends beyond the head was announced of a log that is no more.
    return epoch !== this.#stream.epoch || head < (this.#opening?.to ?? this.#position) || isReplaced
  }

  /**
   * Holds the stream until the session has an event for this user. Whether it does not exist yet or is somebody else's, the
   * answer is the same. `isLost`: it had one.
   */
  async #awaitSession(isLost: boolean): Promise<void> {
    const { cursor, follow } = this.#query
    await this.#patience.ask(() => this.#deps.log.confirmation.recheck(this.#ref))
    const boot = this.#patience.boot()
    await this.#send({ type: 'no_replay', cursor: null, seen: 0, count: 0, boot }, null)
    this.#patience.open()
    let head: SessionHead | null | undefined = null
    while (follow && !head && !this.#gone) {
      await this.#patience.rest()
      if (!this.#gone) head = await this.#patience.ask(() => this.#deps.log.head(this.#ref))
    }
    if (!head) return
    this.#stream.epoch = head.epoch
    // A client that was somewhere already was in a log that is lost; any other sees the first event live.
    if (cursor === null || cursor === '0') return
    if (!isLost) return this.#open(head, cursor)
    // Its cursor may even be of this log, if that came back; the reader has nothing of it any more.
    const start = formatCursor(head.epoch, 0)
    await this.#send({ type: 'reset', reason: 'epoch' }, start)
    await this.#open(head, start)
  }

  /** Decides where to begin and says so. */
  async #open(head: SessionHead, cursor: string | null): Promise<void> {
    this.#stream.epoch = head.epoch
    const opens: OpeningDeps = this.#memory ?? this.#deps
    this.#memory = null
    const opened = await this.#patience.ask(async () => {
      if (!opens.isFromMemory) await this.#deps.log.confirmation.recheck(this.#ref)
      return openStream(opens, this.#ref, head, { ...this.#query, cursor })
    })
    if (!opened) return
    this.#position = opened.position
    this.#tag = opened.tag
    this.#opening = opened.count > 0 ? opened : null
    if (opened.reset) await this.#send({ type: 'reset', reason: opened.reset }, formatCursor(head.epoch, 0))
    await this.#send({ ...opened.frame, boot: this.#patience.boot() }, opened.cursor)
    if (this.#query.follow) void this.#showUnconfirmed(opens.isFromMemory)
    this.#complete = head.closedSeq !== null && opened.position >= head.closedSeq
    if (this.#complete) await this.#send({ type: 'session_complete' }, opened.cursor)
  }

  /**
   * Lets what is unconfirmed follow when it is known what of it is stored: a reader may have rows whose producer does not know
   * yet that they are stored, or be told that they are pruned, and must not get them once more. Rows do not wait for that.
   */
  async #showUnconfirmed(isFromMemory = false): Promise<void> {
    const { log, clock, onError } = this.#deps
    const opening = ++this.#openings
    this.#patience.open(false)
    const ask = (): Promise<void> => within(clock, CONFIRM_MS, log.confirmation.byStore(this.#ref))
    if (isFromMemory) log.confirmation.byRows(this.#ref, log.recall(this.#ref)?.rows ?? [])
    else
      while (!this.#gone && !(await ask().then(() => true, onError)))
        await sleep(clock, RETRY_STORE_MS, this.#stream.sink.closed)
    if (this.#openings !== opening) return
    this.#patience.open()
    this.#watch.wake()
  }

  /** The session was deleted under an open stream; one of that name may begin. */
  async #lose(): Promise<void> {
    this.#stream.epoch = ''
    this.#position = 0
    this.#tag = this.#opening = null
    await this.#send({ type: 'reset', reason: 'epoch' }, null)
    await this.#awaitSession(true)
  }

  /** The log was lost and begun again, or replaced by an older copy, under an open stream. */
  async #beginAgain(page: Page): Promise<void> {
    const reason: ResetReason =
      page.epoch !== this.#stream.epoch ? 'epoch' : page.isReplaced ? 'tag' : 'beyond_end'
    const head = await this.#patience.ask(() => this.#deps.log.head(this.#ref))
    if (!head) return
    await this.#send({ type: 'reset', reason }, formatCursor(head.epoch, 0))
    await this.#open(head, formatCursor(head.epoch, 0))
  }

  async #writePage(page: Page): Promise<void> {
    const pieces: Piece[] = []
    const rows = untilHole(page.rows)
    const first = rows[0]?.row.seq ?? page.head + 1
    if (first > this.#position + 1) {
      const gap: Frame = { type: 'gap', from: this.#position + 1, to: first - 1 }
      pieces.push(frameText(gap, formatCursor(this.#stream.epoch, first - 1)))
      this.#position = first - 1
      this.#tag = null
      if (this.#query.follow) void this.#showUnconfirmed()
    }
    const opening = this.#opening
    const inReplay = opening ? rows.filter(({ row }) => row.seq <= opening.to) : []
    // The session's end has the last word: the replay is over one row before it.
    const closing = isClosing(inReplay.at(-1)) ? inReplay.pop() : undefined
    if (opening && this.#query.paceMs > 0) {
      await this.#writePaced(pieces.concat(this.#pieces(inReplay)))
      pieces.length = 0
    } else pieces.push(...this.#pieces(inReplay))
    if (opening) this.#moveTo(inReplay.at(-1))
    if (opening && (closing || this.#position >= opening.to)) {
      const cursor = closing ? (inReplay.at(-1)?.cursor ?? null) : this.#cursorOf(inReplay, opening.to)
      pieces.push(frameText({ type: 'replay_complete', count: opening.count }, cursor))
      this.#opening = null
    }
    const live = this.#opening || !this.#query.follow ? [] : rows.slice(inReplay.length)
    if (closing && !this.#query.follow) live.push(closing)
    pieces.push(...this.#pieces(live))
    this.#moveTo(live.at(-1))
    if (pieces.length > 0) await this.#stream.write(toBytes(pieces))
    this.#complete = live.some(isClosing)
    // To a reader that left in the middle nothing was made good.
    if (!this.#gone) this.#deps.presence.served(this.#ref, this.#position, opening !== null && !this.#opening)
  }

  #moveTo(row: EncodedRow | undefined): void {
    if (!row || row.row.seq <= this.#position) return
    this.#position = row.row.seq
    this.#tag = row.tag
  }

  #cursorOf(rows: readonly EncodedRow[], seq: number): Cursor {
    const last = rows.at(-1)
    return last && last.row.seq === seq
      ? formatCursor(this.#stream.epoch, seq, keyOf(last.row))
      : formatCursor(this.#stream.epoch, seq)
  }

  #pieces(rows: readonly EncodedRow[]): readonly Piece[] {
    // Who has got rows before they were stored knows them by their keys.
    if (!this.#query.merge || this.#patience.hasShownUnconfirmed) return rows
    return mergeRows(rows, this.#opening ? [this.#opening.seen, this.#opening.to] : [])
  }

  async #writePaced(frames: readonly Piece[]): Promise<void> {
    for (const frame of frames) {
      await this.#stream.write(toBytes([frame]))
      await sleep(this.#deps.clock, this.#query.paceMs, this.#stream.sink.closed)
    }
  }

  #send(frame: Frame, cursor: Cursor | null): Promise<void> | void {
    const opens = frame.type === 'no_replay' || frame.type === 'replay_start'
    // Drawn per connection, so that a restart does not bring all readers back in the same moment.
    return this.#stream.write(
      encodeFrame(frame, cursor, opens ? 1000 + this.#deps.random() * 2000 : undefined),
    )
  }
}

/** The rows before the first hole, if there is one: the next page begins behind it and says so. */
function untilHole(rows: readonly EncodedRow[]): readonly EncodedRow[] {
  const hole = rows.findIndex(({ row }, i) => i > 0 && row.seq !== rows[i - 1]!.row.seq + 1)
  return hole === -1 ? rows : rows.slice(0, hole)
}

function isClosing(row: EncodedRow | undefined): boolean {
  return row?.row.event_type === 'session_complete'
}
