/** Holds one view to the log: every event once and in order, what is missing said, what is displayed true. */
import { type Cursor, parseCursor, PRUNED_TAG } from '../../server/protocol.ts'
import type { Item, Notice, Shown, Snapshot } from '../../elements/client/index.ts'
import { Bubbles } from './bubbles.ts'
import type { Chronicle, Written } from './chronicle.ts'
import type { Book } from './problems.ts'
import { compareText } from './text-check.ts'
import { Unconfirmed } from './unconfirmed.ts'

/** What is known of a view before it shows anything. */
export interface ViewStart {
  readonly name: string
  readonly history: 'restore' | 'none'
  /** The row after which it begins; null for the beginning. */
  readonly after: Written | null
}

/** The check of one view; see the module. */
export class ViewCheck {
  isVisible = true
  /** What the device said was displayed when this view opened. */
  askedSeen: Written | null = null
  /** The newest row that was shown; null at the log's beginning. */
  last: Written | null
  /** How many events were shown. */
  shown = 0
  /** Rows after the last one and up to this seq were said to be gone. */
  #goneTo: number | null = null
  #hasShown = false
  readonly #bubbles = new Bubbles()
  #displayed: { epoch: string; seq: number } | null = null
  #resets = 0
  readonly #generation: number
  readonly #unconfirmed = new Unconfirmed()
  readonly #start: ViewStart
  readonly #chronicle: Chronicle
  readonly #book: Book

  constructor(start: ViewStart, chronicle: Chronicle, book: Book) {
    this.#start = start
    this.#chronicle = chronicle
    this.#book = book
    this.#generation = chronicle.generation
    this.last = start.after
  }

  /** How many events it shows that are not stored, as far as it is known. */
  get unconfirmed(): number {
    return this.#unconfirmed.size
  }

  /** For `beforeShow`. */
  show(shown: Shown): void {
    const { cursor } = shown
    if (cursor === null) return this.#showProvisional(shown)
    const row = this.#chronicle.find(cursor)
    if (!row) return this.#problem('untrue', `shows ${cursor}, which nobody stored`)
    if (this.#pass(row, shown.text)) this.#checkPhase(shown, row)
  }

  /** For `onReset`; `position`: what the view says that it has taken in until then. */
  reset(reason: string, position: Cursor | null): void {
    const row = position === null ? null : this.#chronicle.find(position)
    if (row) this.#passTo(row.seq, row)
    // The log may have been replaced once more while the word was on its way, or a process may have remembered the old one.
    const isExpected = ++this.#resets <= this.#chronicle.generation - this.#generation
    if (!isExpected && this.last && this.#chronicle.leadsTo(this.last, this.#chronicle.head))
      this.#problem('untrue', `is told to begin again (${reason}), and the log is what it was`)
    this.last = null
    this.#goneTo = null
    this.#hasShown = false
    this.#displayed = null
    this.#bubbles.detach()
    this.#unconfirmed.restart()
    if (this.#start.history === 'restore') {
      this.#unconfirmed.clear()
      this.#bubbles.clear()
    }
  }

  /** For `onNotice`. */
  notice(notice: Notice): void {
    if (notice.type === 'unsaved') {
      this.#book.fault('withdrawn', `${this.#start.name} ${notice.count}`)
      if (!this.#unconfirmed.withdraw(notice.count))
        this.#problem('untrue', `withdraws ${notice.count} events, and had shown ${this.#unconfirmed.size}`)
    }
    if (notice.type !== 'gap') return
    const { from, to } = notice
    this.#unconfirmed.doubt()
    this.#passTo(from - 1)
    const { after, history } = this.#start
    // Deleted, and then restored: an app that renders its own history is where it was before both.
    const isAtStart = !this.last && history === 'none' && from === (after?.seq ?? 0) + 1
    const at = this.#goneTo ?? this.last?.seq ?? 0
    if (from !== at + 1 && !isAtStart)
      this.#problem('lost', `is told that ${from} to ${to} are gone, and is at ${at}`)
    if (to > this.#chronicle.prunedTo && !this.#isReplaced)
      this.#problem('untrue', `is told that ${from} to ${to} are gone; only ${this.#chronicle.prunedTo} are`)
    this.#goneTo = to
    this.#hasShown = true
  }

  /** For `onDisplayed`. */
  displayed(cursor: Cursor): void {
    const parts = parseCursor(cursor)
    if (parts?.epoch == null) return this.#problem('displayed', `tells ${cursor} as displayed`)
    const { epoch, seq } = parts
    if (!this.isVisible) this.#problem('displayed', `tells ${cursor} as displayed while it is hidden`)
    if (this.#displayed?.epoch === epoch && seq <= this.#displayed.seq)
      this.#problem('displayed', `tells ${cursor} as displayed after ${this.#displayed.seq}`)
    const row = this.#chronicle.find(cursor)
    const isEnd = row?.row.event_type === 'session_complete'
    this.#passTo(isEnd ? seq - 1 : seq, row)
    // Of rows that are gone the view is told in the same moment, right after.
    const isGone = parts.tag === PRUNED_TAG
    const end = Math.max(this.#goneTo ?? 0, this.last?.seq ?? 0) + (isEnd ? 1 : 0)
    if (!isGone && ((!this.#hasShown && !isEnd) || seq > end))
      this.#problem('displayed', `tells ${cursor} as displayed, and has shown up to ${end}`)
    this.#displayed = { epoch, seq }
    this.#chronicle.displayed.set(epoch, Math.max(seq, this.#chronicle.displayed.get(epoch) ?? 0))
  }

  /** For a view that is at the log's end: whether all that it shows is stored. What may be withdrawn already is, or will be. */
  isSettled({ items }: Snapshot): boolean {
    this.#passTo(this.#newest?.seq ?? 0)
    const { sure, size } = this.#unconfirmed
    return sure === 0 && (size === 0 || textsOf(items) === this.#bubbles.texts.join('|'))
  }

  /** Faults have stopped and time has run on: the view must be the log now. */
  finish(snapshot: Snapshot, hasOpenRun: boolean): void {
    const newest = this.#newest
    this.#passTo(newest?.seq ?? 0)
    const at = this.#goneTo ?? this.last?.seq ?? 0
    const isWhole = this.#goneTo === null ? this.last?.cursor === newest?.cursor : at === newest?.seq
    if (!isWhole) {
      const isOfLog = this.#chronicle.leadsTo(this.last, newest)
      this.#problem(
        isOfLog ? 'lost' : 'unsignalled',
        `ends at ${this.last?.cursor}, the log at ${newest?.cursor}`,
      )
    }
    this.compare(snapshot.items)
    if (this.#unconfirmed.sure > 0)
      this.#problem(
        'unsignalled',
        `shows ${this.#unconfirmed.sure} events that are neither stored nor withdrawn`,
      )
    if (snapshot.running !== hasOpenRun)
      this.#problem('late', `says ${snapshot.running ? 'that it runs' : 'that nothing runs'}`)
  }

  /** The items, with what was shown. */
  compare(items: readonly Item[]): void {
    const texts = textsOf(items)
    const expected = this.#bubbles.texts.join('|')
    if (texts !== expected) {
      const sorted = (list: string): string => list.split('|').toSorted().join('|')
      const kind = sorted(texts) === sorted(expected) ? 'reordered' : 'lost'
      this.#problem(kind, `has the items ${texts}, not ${expected}`)
    }
  }

  /**
   * The place for provisional events (a frame without an id, while the store does not answer): they belong to no row yet.
   * Their rows are not shown again, so what is passed over without a word must be known from here.
   */
  #showProvisional(shown: Shown): void {
    this.#book.fault('shown before stored', shown.event.key)
    const { isUnsettled, generation } = this.#chronicle
    // Its producer may yet be told that it is stored, in the log that is gone.
    const wrong = this.#unconfirmed.show(shown, isUnsettled() ? -1 : generation)
    if (wrong && !this.#chronicle.refed.has(shown.event.run_id))
      this.#problem(wrong, `shows ${shown.event.key} once more, before it is stored`)
  }

  /** The view goes on to a row: shown with a text, or without a word because all up to it was shown before it was stored. */
  #pass(row: Written, text: string | null): boolean {
    const rows = this.#rowsUpTo(row, text)
    if (rows === null) {
      this.#explain(row)
      return false
    }
    this.#checkText(rows, text)
    for (const one of rows) this.#bubbles.add(one)
    this.shown += rows.length
    this.last = row
    this.#goneTo = null
    this.#hasShown = true
    return true
  }

  /** Goes on without a word as far as that is right. */
  #passTo(seq: number, row: Written | null = this.#chronicle.head): void {
    if (this.#unconfirmed.size === 0 || seq <= (this.#goneTo ?? this.last?.seq ?? 0)) return
    let at = row
    while (at && at.seq > seq) at = at.before
    if (at && at.seq === seq && this.#rowsUpTo(at)) this.#pass(at, null)
  }

  #checkText(rows: readonly Written[], shown: string | null): void {
    const { generation } = this.#chronicle
    // What was shown while the log was another one may be in none of these rows.
    const known = rows
      .flatMap(({ row }) => this.#unconfirmed.take(row))
      .map((one) => ({ ...one, isSure: one.isSure && one.generation === generation }))
    const isRefed = rows.some(({ row }) => this.#chronicle.refed.has(row.run_id))
    const wrong = compareText({ rows, known, shown, isRefed })
    if (wrong) this.#problem(wrong.kind, wrong.text)
  }

  /** The newest row that views show. */
  get #newest(): Written | null {
    const { head } = this.#chronicle
    return head?.row.event_type === 'session_complete' ? head.before : head
  }

  /** The log is not the one of when the view was opened. */
  get #isReplaced(): boolean {
    return this.#chronicle.generation !== this.#generation
  }

  /** The rows between the last one shown and this one, with it; null when it does not follow. */
  #rowsUpTo(row: Written, text: string | null = null): Written[] | null {
    const rows: Written[] = []
    let at: Written | null = row
    const from = this.#goneTo ?? this.last?.seq ?? 0
    // A log that the server chose the beginning of: nothing is known of what comes before.
    for (; at && at.seq > from; at = at.before) rows.unshift(at)
    if (rows.length === 0) return null
    // Deleted, and then restored: an app that renders its own history is where it was before both.
    if (!this.last && this.#start.after && at === null && this.#start.history === 'none') {
      const own = rows.findIndex(({ cursor }) => cursor === this.#start.after?.cursor)
      // Unless it was told to begin again, and shows what comes before as well.
      const isFromStart = own === rows.length - 1 || text === rows.map((one) => one.text).join('')
      return isFromStart ? rows : rows.slice(own + 1)
    }
    while (at && at.seq > (this.last?.seq ?? 0)) at = at.before
    // Where the row that the view stood on is gone too, nobody can tell whether it was of this log: the gap says it all.
    const isPruned = (this.last?.seq ?? 0) <= this.#chronicle.prunedTo
    const isUnknown = isPruned && this.#goneTo !== null
    return at?.cursor === this.last?.cursor || isUnknown ? rows : null
  }

  #explain(row: Written): void {
    const { last } = this
    const place = `${row.cursor} after ${last?.cursor ?? 'nothing'}`
    if (!last) this.#problem('lost', `shows ${place}`)
    else if (row.cursor === last.cursor) this.#problem('doubled', `shows ${place}`)
    else if (this.#chronicle.leadsTo(row, last)) this.#problem('reordered', `shows ${place}`)
    else this.#problem('unsignalled', `shows ${place}, which is of another log`)
  }

  #checkPhase({ phase }: Shown, row: Written): void {
    if (phase === 'restored' && row.seq > (this.#chronicle.displayed.get(row.epoch) ?? 0))
      this.#problem('displayed', `shows ${row.cursor} as seen before, and nobody has displayed it`)
    const { askedSeen } = this
    const { head } = this.#chronicle
    // What was displayed of a log that was set back is not believed any more, nor by a process that remembers less; a process
    // may also have shown what it remembers of the log before.
    if (this.#isReplaced || this.#resets > 0 || this.#book.hasTrouble) return
    if (
      phase !== 'replay' ||
      !askedSeen ||
      row.seq > askedSeen.seq ||
      !this.#chronicle.leadsTo(askedSeen, head)
    )
      return
    if (this.#chronicle.leadsTo(row, askedSeen))
      this.#problem('displayed', `shows ${row.cursor} as missed; this device has displayed ${askedSeen.seq}`)
  }

  #problem(kind: Parameters<Book['problem']>[0], text: string): void {
    this.#book.problem(kind, `${this.#start.name} ${text}`)
  }
}

function textsOf(items: readonly Item[]): string {
  return items.map(({ text }) => text).join('|')
}
