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
import { checkTurn, eventOf, type RawFrame, type Received } from './frames.ts'
import { Items } from './items.ts'
import type { Notice, Phase, Shown, Unsaved } from './types.ts'

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
  /** Events of the current replay or else the last one. */
  missed = 0
  /** How many of them are shown. */
  caughtUp = 0
  gaps: readonly (readonly [from: number, to: number])[] = []
  /** Where provisional events were withdrawn. */
  unsaved: readonly Unsaved[] = []
  /** `closed` until a stream has said where it begins; then `replaying` until what was there before is shown. */
  stage: 'closed' | 'replaying' | 'live' = 'closed'
  /** The last row that was taken in (shown or kept out); null before the first. */
  shown: Cursor | null = null
  #position: Cursor | null = null
  #at: CursorParts | null = null
  /** Rows up to `seen` are restored, then up to `to` missed. Null when all that comes is live. */
  #opening: { readonly seen: number; readonly to: number } | null = null
  /** A replay was announced and its end was not. */
  #replayOpen = false
  #quiet = false
  /** The server process whose stream was opened last; null before the first. */
  #boot: string | null = null
  readonly #hooks: ViewHooks
  readonly #clearsOnReset: boolean

  constructor(hooks: ViewHooks, clearsOnReset: boolean) {
    this.#hooks = hooks
    this.#clearsOnReset = clearsOnReset
  }

  get position(): Cursor | null {
    return this.#position
  }

  /** The log's, null while there is none. */
  get epoch(): string | null {
    return this.#at?.epoch ?? null
  }

  /** Whether rows that were seen before are being put back. */
  get restoring(): boolean {
    return this.stage === 'replaying' && (this.#at?.seq ?? 0) < (this.#opening?.seen ?? 0)
  }

  /** A new stream begins. A quiet one continues a live view: what it brings counts as live. */
  begin(quiet: boolean): void {
    this.#quiet = quiet && this.stage === 'live'
    if (this.#quiet) return
    this.stage = 'closed'
    this.#opening = null
  }

  /** Where a live view stands, as a server would begin a stream for it; null while it is not live. */
  asOpening(): RawFrame | null {
    if (this.stage !== 'live' || this.#boot === null) return null
    const { position } = this
    const frame = { type: 'no_replay', cursor: position, seen: 0, count: 0, boot: this.#boot }
    return { id: position, data: JSON.stringify(frame) }
  }

  /** Another tab's stream brings what comes next: which server process shows it, its frames will tell. */
  loseTouch(): void {
    this.#boot = null
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
        this.#goLive()
        if (speaks) this.#settle()
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
    if (opens) this.#meet(frame.boot)
    if (frame.type !== 'replay_complete' && !(frame.type === 'no_replay' && frame.count === 0)) return 'go'
    const isOurs = at === null || this.#at === null || at.epoch === this.#at.epoch
    if (at !== null && isOurs && at.seq > (this.#at?.seq ?? 0)) return 'hole'
    if (isOurs) this.#settle()
    return 'go'
  }

  #meet(boot: string): void {
    if (this.#boot === null) for (const event of this.items.unconfirmed) event.boot ??= boot
    this.#boot = boot
  }

  /** A catch-up is over: only what its own process showed may still be stored. */
  #settle(): void {
    const known = this.#boot
    if (known !== null && this.items.unconfirmed.size > 0)
      this.#tellUnsaved(this.items.withdraw(({ boot }) => boot !== known))
  }

  #tellUnsaved(count: number): void {
    if (count === 0) return
    this.unsaved = [...this.unsaved, { after: this.items.lastStored, count }]
    this.#hooks.notice({ type: 'unsaved', count })
  }

  #open(frame: NoReplayFrame | ReplayStartFrame, cursor: Cursor | null, at: CursorParts | null): Verdict {
    if (cursor !== null && at !== null) {
      if (this.#at === null) this.#move(cursor, at)
      else if (this.#at.epoch !== at.epoch) {
        // A server that never got our position starts at the beginning of a new log without saying so.
        if (at.seq > 0) return 'hole'
        this.#reset('epoch', cursor, at)
      } else if (at.seq > this.#at.seq) return 'hole'
    }
    if (this.#quiet) return 'go'
    if (frame.type === 'no_replay' && frame.count === 0) {
      this.#goLive()
      return 'go'
    }
    const replay = frame.type === 'replay_start' ? frame : { missed: 0, seen: Infinity, to: Infinity }
    this.#opening = replay
    this.stage = 'replaying'
    if (!this.#replayOpen) this.caughtUp = 0
    this.missed = this.caughtUp + replay.missed
    this.#hooks.opened()
    if (replay.missed > 0 && !this.#replayOpen) {
      this.#replayOpen = true
      this.#hooks.notice({ type: 'replay', phase: 'start', missed: this.missed })
    }
    return 'go'
  }

  #goLive(): void {
    this.#opening = null
    this.stage = 'live'
    if (!this.#replayOpen) return
    this.#replayOpen = false
    this.caughtUp = this.missed
    this.#hooks.notice({ type: 'replay', phase: 'end', missed: this.missed })
  }

  #complete(): Verdict {
    this.#goLive()
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
    this.shown = null
    this.missed = this.caughtUp = 0
    this.#quiet = false
    this.#opening = null
    this.stage = 'closed'
    this.#tellUnsaved(unsaved)
  }

  #takeGap({ from, to }: GapFrame, cursor: Cursor | null, at: CursorParts | null): Verdict {
    if (cursor === null || at === null) return 'go'
    const next = (this.#at?.seq ?? 0) + 1
    // Rows that were pruned after they were shown are no loss.
    const turn = checkTurn(this.#at, from < next ? next : from, at)
    if (turn !== 'next') return turn === 'old' ? 'go' : 'hole'
    this.#move(cursor, at)
    this.shown = cursor
    const gap = [Math.max(from, next), to] as const
    this.gaps = [...this.gaps, gap]
    this.#hooks.notice({ type: 'gap', from: gap[0], to })
    return 'go'
  }

  /** A row of the log: an event, the session's end, or something newer than this release. */
  #takeRow({ frame, cursor, at }: Received): Verdict {
    if (cursor === null || at === null) {
      if (frame.type === 'event' && frame.provisional) this.#showProvisional(frame)
      return 'go'
    }
    const from = 'from' in frame ? (frame.from ?? at.seq) : at.seq
    const turn = checkTurn(this.#at, from, at)
    if (turn !== 'next') return turn === 'old' ? 'go' : 'hole'
    const phase = this.#phaseOf(at.seq)
    if (phase === 'replay') this.caughtUp = Math.min(this.missed, this.caughtUp + at.seq - from + 1)
    this.#move(cursor, at)
    this.shown = cursor
    if (frame.type === 'event') this.#show(frame, cursor, from, phase)
    return 'go'
  }

  #show(frame: EventFrame, cursor: Cursor, seq: number, phase: Phase): void {
    const unseen = phase !== 'restored' && !this.#hooks.visible()
    this.items.add({ event: eventOf(frame), cursor, seq, phase, unseen }, this.#hooks.beforeShow)
  }

  #showProvisional(frame: EventFrame): void {
    const unseen = !this.#hooks.visible()
    this.items.addUnconfirmed({ event: eventOf(frame), unseen, boot: this.#boot }, this.#hooks.beforeShow)
  }

  #phaseOf(seq: number): Phase {
    if (this.#opening === null || seq > this.#opening.to) return 'live'
    return seq <= this.#opening.seen ? 'restored' : 'replay'
  }

  #move(cursor: Cursor, at: CursorParts): void {
    this.#position = cursor
    this.#at = at
  }
}
