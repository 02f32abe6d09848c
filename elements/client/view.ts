/**
 * What one view has taken in: its position, where it stands in a replay, its items.
 *
 * @module
 */
import {
  type Cursor,
  type CursorParts,
  type EventFrame,
  type GapFrame,
  type NoReplayFrame,
  type ReplayStartFrame,
  type ResetReason,
} from '../../server/protocol.ts'
import { CatchUp } from './catch-up.ts'
import { checkTurn, eventOf, type RawFrame, type Received } from './frames.ts'
import { Items } from './items.ts'
import type { Notice, Phase, Shown, Unsaved } from './types.ts'
import { Voucher } from './voucher.ts'

/** What a frame means for the connection that brought it. */
export type Verdict = 'go' | 'hole' | 'complete' | 'superseded'

/** Whom a view asks and tells. */
export interface ViewHooks {
  readonly visible: () => boolean
  /** The stage became `replaying`; no row of it was taken in yet. */
  readonly opened: () => void
  /** False keeps the event out of the items. */
  readonly beforeShow: (shown: Shown) => boolean
  readonly notice: (notice: Notice) => void
  /** False keeps what is shown. */
  readonly reset: (reason: ResetReason) => boolean
}

/** Takes frames in, each once and in order, whoever brings them. */
export class View {
  readonly items: Items = new Items()
  gaps: readonly (readonly [from: number, to: number])[] = []
  /** Where provisional events were withdrawn. */
  unsaved: readonly Unsaved[] = []
  /** The last row that was taken in (shown or kept out); null before the first. */
  shown: Cursor | null = null
  #position: Cursor | null = null
  #at: CursorParts | null = null
  #quiet = false
  /** Rows up to there were not read: the app has them itself, or they are pruned. */
  #unreadTo = 0
  readonly #catchUp: CatchUp
  readonly #voucher = new Voucher(this.items)
  readonly #hooks: ViewHooks
  readonly #clearsOnReset: boolean

  constructor(hooks: ViewHooks, clearsOnReset: boolean) {
    this.#hooks = hooks
    this.#catchUp = new CatchUp(hooks.notice)
    this.#clearsOnReset = clearsOnReset
  }

  get position(): Cursor | null {
    return this.#position
  }

  get stage(): CatchUp['stage'] {
    return this.#catchUp.stage
  }

  /** Whether all that there was of this log has been taken in at some time. */
  get hasBeenLive(): boolean {
    return this.#catchUp.hasBeenLive
  }

  /** Events of the current replay or else the last one. */
  get missed(): number {
    return this.#catchUp.missed
  }

  /** How many of them are shown. */
  get caughtUp(): number {
    return this.#catchUp.caughtUp
  }

  /** Of the position; 0 before the first row. */
  get seq(): number {
    return this.#at?.seq ?? 0
  }

  /** Up to there the view cannot tell what is stored. */
  get unreadTo(): number {
    return this.#unreadTo
  }

  /** The log's, null while there is none. */
  get epoch(): string | null {
    return this.#at?.epoch ?? null
  }

  /** Whether rows that were seen before are being put back. */
  get restoring(): boolean {
    return this.#catchUp.isRestoring(this.seq)
  }

  /** A new stream begins. A quiet one continues a live view: what it brings counts as live. */
  begin(quiet: boolean): void {
    this.#quiet = quiet && this.stage === 'live'
    if (!this.#quiet) this.#catchUp.close()
  }

  /** Where a live view stands, as a server would begin a stream for it; null while it is not live. */
  asOpening(): RawFrame | null {
    const { boot } = this.#voucher
    if (this.stage !== 'live' || boot === null) return null
    const { position } = this
    const frame = { type: 'no_replay', cursor: position, seen: 0, count: 0, boot }
    return { id: position, data: JSON.stringify(frame) }
  }

  /** Another tab's stream brings what comes next: which server process shows it, its frames will tell. */
  loseTouch(): void {
    this.#voucher.lose()
  }

  /**
   * Takes one frame in. After anything but `go` the stream that brought it is of no more use. `speaks`: it comes from the server
   * process that shows provisional events; a following tab's own requests may go to another.
   */
  take(received: Received, speaks = true): Verdict {
    const { frame, cursor, at } = received
    switch (frame.type) {
      case 'no_replay':
      case 'replay_start': {
        const verdict = this.#open(frame, cursor, at)
        return verdict === 'go' && speaks ? this.overhear(received) : verdict
      }
      case 'replay_complete':
        if (at && this.#at && checkTurn(this.#at, at.seq, at) !== 'old') return 'hole'
        this.#catchUp.goLive()
        if (speaks) this.#tellUnsaved(this.#voucher.settle())
        return 'go'
      case 'reset':
        this.#reset(frame.reason, cursor, at)
        return 'go'
      case 'superseded':
        return 'superseded'
      case 'gap':
        return this.#takeGap(frame, cursor, at)
      case 'session_complete':
        return this.#takeRow(received) === 'hole' ? 'hole' : this.#complete()
      default:
        return this.#takeRow(received)
    }
  }

  /** Heeds what the opening or the end of a catch-up says about events that are not stored, and nothing else of it. */
  overhear({ frame, at }: Received): Verdict {
    const opens = frame.type === 'no_replay' || frame.type === 'replay_start'
    if (opens) this.#voucher.meet(frame.boot, at?.seq ?? 0)
    if (frame.type !== 'replay_complete' && !(frame.type === 'no_replay' && frame.count === 0)) return 'go'
    const isOurs = at === null || this.#at === null || at.epoch === this.#at.epoch
    if (at !== null && isOurs && at.seq > this.seq) return 'hole'
    if (isOurs) this.#tellUnsaved(this.#voucher.settle())
    return 'go'
  }

  #tellUnsaved(count: number): void {
    if (count === 0) return
    this.unsaved = [...this.unsaved, { after: this.items.lastStored, count }]
    this.#hooks.notice({ type: 'unsaved', count })
  }

  #open(frame: NoReplayFrame | ReplayStartFrame, cursor: Cursor | null, at: CursorParts | null): Verdict {
    if (cursor !== null && at !== null) {
      if (this.#at === null) {
        this.#move(cursor, at)
        this.#unreadTo = at.seq
      } else if (this.#at.epoch !== at.epoch) {
        // A server that never got our position starts at the beginning of a new log without saying so.
        if (at.seq > 0) return 'hole'
        this.#reset('epoch', cursor, at)
      } else if (at.seq > this.#at.seq) return 'hole'
    }
    if (!this.#quiet) this.#catchUp.open(frame, this.#hooks.opened)
    return 'go'
  }

  #complete(): Verdict {
    this.#catchUp.goLive()
    this.#tellUnsaved(this.items.withdraw())
    return 'complete'
  }

  #reset(reason: ResetReason, cursor: Cursor | null, at: CursorParts | null): void {
    const clears = this.#hooks.reset(reason) && this.#clearsOnReset
    const unsaved = clears ? 0 : this.items.detach()
    if (clears) {
      this.items.clear()
      this.gaps = []
      this.unsaved = []
    }
    this.#position = cursor
    this.#at = at
    this.#voucher.restart()
    this.#unreadTo = 0
    this.shown = null
    this.#quiet = false
    this.#catchUp.restart()
    this.#tellUnsaved(unsaved)
  }

  #takeGap({ from, to }: GapFrame, cursor: Cursor | null, at: CursorParts | null): Verdict {
    if (cursor === null || at === null) return 'go'
    const next = this.seq + 1
    // Rows that were pruned after they were shown are no loss.
    const turn = checkTurn(this.#at, from < next ? next : from, at)
    if (turn !== 'next') return turn === 'old' ? 'go' : 'hole'
    this.#move(cursor, at)
    this.shown = cursor
    this.#unreadTo = to
    this.items.skip()
    const gap = [Math.max(from, next), to] as const
    this.gaps = [...this.gaps, gap]
    this.#hooks.notice({ type: 'gap', from: gap[0], to })
    // Only a stream that begins after the gap tells all that is still to be stored.
    return this.#voucher.doubt(to) ? 'hole' : 'go'
  }

  /** A row of the log: an event, the session's end, or something newer than this release. */
  #takeRow({ frame, cursor, at }: Received): Verdict {
    if (cursor === null || at === null) {
      if (frame.type === 'event' && frame.provisional) this.#showProvisional(frame)
      return 'go'
    }
    const from = 'from' in frame ? (frame.from ?? at.seq) : at.seq
    const turn = checkTurn(this.#at, from, at)
    // The leading tab may hear of it as unconfirmed only after its row.
    if (turn === 'old' && frame.type === 'event' && at.seq <= this.#unreadTo)
      this.items.noteStored(eventOf(frame))
    if (turn !== 'next') return turn === 'old' ? 'go' : 'hole'
    const phase = this.#catchUp.take(at.seq, at.seq - from + 1)
    this.#move(cursor, at)
    if (frame.type === 'event') this.#show(frame, cursor, from, phase)
    this.shown = cursor
    return 'go'
  }

  #show(frame: EventFrame, cursor: Cursor, seq: number, phase: Phase): void {
    const unseen = phase !== 'restored' && !this.#hooks.visible()
    const placed = { event: eventOf(frame), cursor, seq, phase, unseen }
    this.items.add(placed, this.#hooks.beforeShow, (count) => this.#tellUnsaved(count))
  }

  #showProvisional(frame: EventFrame): void {
    const unseen = !this.#hooks.visible()
    const { boot, isInDoubt } = this.#voucher
    this.items.addUnconfirmed({ event: eventOf(frame), unseen, boot, isInDoubt }, this.#hooks.beforeShow)
  }

  #move(cursor: Cursor, at: CursorParts): void {
    this.#position = cursor
    this.#at = at
  }
}
