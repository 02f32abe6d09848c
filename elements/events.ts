/**
 * The DOM events of `<loomi-recovery>`. All bubble and cross shadow roots, so a page can listen once at its top.
 *
 * @module
 */
import type { Cursor, LoomiEvent, ResetReason } from '../server/protocol.ts'
import type { ClientState, Item, Phase, Shown } from './client/index.ts'

/** An event is about to be shown. `preventDefault()` keeps it out of the transcript. */
export class LoomiShowEvent extends Event {
  readonly event: LoomiEvent
  /** The new text only; `item.text` has all of the bubble's. */
  readonly text: string
  readonly item: Item
  readonly phase: Phase
  readonly isReplay: boolean
  /** Its place in the log; null while it is not saved. It is not shown again when that happens. */
  readonly cursor: Cursor | null

  constructor(shown: Shown) {
    super('loomi-event', { bubbles: true, composed: true, cancelable: true })
    this.event = shown.event
    this.text = shown.text
    this.item = shown.item
    this.phase = shown.phase
    this.isReplay = shown.isReplay
    this.cursor = shown.cursor
  }
}

/** The state has changed. */
export class LoomiStateEvent extends Event {
  readonly state: ClientState
  readonly previous: ClientState

  constructor(state: ClientState, previous: ClientState) {
    super('loomi-state', { bubbles: true, composed: true })
    this.state = state
    this.previous = previous
  }
}

/** The replay of missed events starts or has ended. */
export class LoomiReplayEvent extends Event {
  /** How many events were missed. */
  readonly missed: number
  readonly phase: 'start' | 'end'

  constructor(missed: number, phase: 'start' | 'end') {
    super('loomi-replay', { bubbles: true, composed: true })
    this.missed = missed
    this.phase = phase
  }
}

/** The events `from` to `to`, by their place in the log, are no longer kept. */
export class LoomiGapEvent extends Event {
  readonly from: number
  readonly to: number

  constructor(from: number, to: number) {
    super('loomi-gap', { bubbles: true, composed: true })
    this.from = from
    this.to = to
  }
}

/** The last `count` events were shown but could not be saved: they are gone from the transcript. */
export class LoomiUnsavedEvent extends Event {
  readonly count: number

  constructor(count: number) {
    super('loomi-unsaved', { bubbles: true, composed: true })
    this.count = count
  }
}

/** The log began again. `preventDefault()` keeps what is shown; otherwise a restoring view clears and refills. */
export class LoomiResetEvent extends Event {
  readonly reason: ResetReason

  constructor(reason: ResetReason) {
    super('loomi-reset', { bubbles: true, composed: true, cancelable: true })
    this.reason = reason
  }
}

/** Something is wrong; `message` tells how to mend it. */
export class LoomiErrorEvent extends Event {
  readonly code: string
  readonly message: string

  constructor(code: string, message: string) {
    super('loomi-error', { bubbles: true, composed: true })
    this.code = code
    this.message = message
  }
}

/** Names and classes of the events, for typed listeners. */
export interface LoomiEventMap {
  'loomi-event': LoomiShowEvent
  'loomi-state': LoomiStateEvent
  'loomi-replay': LoomiReplayEvent
  'loomi-gap': LoomiGapEvent
  'loomi-unsaved': LoomiUnsavedEvent
  'loomi-reset': LoomiResetEvent
  'loomi-error': LoomiErrorEvent
}

declare global {
  interface HTMLElementEventMap extends LoomiEventMap {}
}
