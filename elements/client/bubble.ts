/**
 * A bubble in the making: the text that is stored, then what is not yet, and the item that shows both.
 *
 * @module
 */
import type { LoomiEvent } from '../../server/protocol.ts'
import type { Unconfirmed } from './tail.ts'
import type { Item, Phase } from './types.ts'

/** A text and how much of it is stored. */
class GrowingText {
  all = ''
  #stored = 0

  /** What would be read if `text` took the place of the first `cut` characters that are not stored. */
  with(cut: number, text: string): string {
    // Joining at the end is cheap however long the text is; cutting is not.
    if (cut === 0 && this.#stored === this.all.length) return this.all + text
    return this.all.slice(0, this.#stored) + text + this.all.slice(this.#stored + cut)
  }

  store(cut: number, text: string): void {
    const isThere = cut === text.length && this.all.startsWith(text, this.#stored)
    if (!isThere) this.all = this.with(cut, text)
    this.#stored += text.length
  }

  /** Adds to what is not stored, before the last `later` characters. */
  add(text: string, later: number): void {
    const at = this.all.length - later
    this.all = later === 0 ? this.all + text : this.all.slice(0, at) + text + this.all.slice(at)
  }

  keepOnly(text: string): void {
    this.all = this.all.slice(0, this.#stored) + text
  }
}

/** What a bubble begins with. */
export interface BubbleStart {
  readonly id: string
  readonly event: LoomiEvent
  readonly phase: Phase
}

/** See the module. Shown is what `beforeShow` let through; the rest is kept for its eyes alone. */
export class Bubble {
  readonly id: string
  readonly partId: string | undefined
  readonly runId: string
  readonly #phase: Phase
  readonly #whole = new GrowingText()
  readonly #shown = new GrowingText()
  #event: LoomiEvent
  #seq: number | null = null
  #isEnded: boolean
  /** How many events that are not stored have ended it. */
  #ends = 0
  #unseen = false
  #showsStored = false
  /** How many events that are not stored show in it. */
  #showing = 0
  #pieces = 0
  #item: Item | null = null
  #isStale = true
  /** Its place among the items of the log; null while nothing that is stored shows in it. */
  index: number | null = null

  constructor({ id, event, phase }: BubbleStart) {
    this.id = id
    this.partId = event.part_id
    this.runId = event.run_id
    this.#event = event
    this.#phase = phase
    this.#isEnded = event.part_id === undefined
  }

  /** Whether the log has something of it. */
  get isStored(): boolean {
    return this.#seq !== null
  }

  /** Whether something of it is not stored. */
  get isUnconfirmed(): boolean {
    return this.#pieces > 0
  }

  get showsStored(): boolean {
    return this.#showsStored
  }

  /** What is shown, the same object until it changes; null when all was kept out. */
  get item(): Item | null {
    if (!this.#showsStored && this.#showing === 0) return null
    if (this.#isStale) {
      const item = this.#itemWith(this.#shown.all, this.#isDone, this.#unseen)
      if (!this.#item || !isSame(item, this.#item)) this.#item = item
      this.#isStale = false
    }
    return this.#item
  }

  get #isDone(): boolean {
    return this.#isEnded || this.#ends > 0
  }

  /** With all its text, also what was kept out, and a new one in its place among the log or at the end. */
  preview(text: string, cut: number | 'end', ends: boolean, unseen: boolean): Item {
    const all = cut === 'end' ? this.#whole.all + text : this.#whole.with(cut, text)
    return this.#itemWith(all, this.#isDone || ends, unseen)
  }

  /** The log has an event of it: `text` (of it `shown`) takes the place of those pieces. */
  store(
    { event, seq, text, shown, shows }: StoredPiece,
    pieces: readonly Pick<Unconfirmed, 'text' | 'shows'>[],
  ): void {
    // Of a join that begins with what was shown first, the first event stays that.
    if (this.#seq === null && !(pieces.length > 0 && text.startsWith(textOf(pieces)))) this.#event = event
    this.#seq ??= seq
    this.#whole.store(lengthOf(pieces), text)
    this.#shown.store(lengthOf(pieces.filter((piece) => piece.shows)), shown)
    this.#forget(pieces)
    this.#showsStored ||= shows
    this.#isStale = true
  }

  /** An event that is not stored comes before those `later` ones. */
  add(
    piece: Pick<Unconfirmed, 'text' | 'shows'>,
    later: readonly Pick<Unconfirmed, 'text' | 'shows'>[],
  ): void {
    this.#whole.add(piece.text, lengthOf(later))
    if (piece.shows) this.#shown.add(piece.text, lengthOf(later.filter(({ shows }) => shows)))
    this.#pieces++
    if (piece.shows) this.#showing++
    this.#isStale = true
  }

  /** Its first events that are not stored never will be. */
  drop(pieces: readonly Unconfirmed[]): void {
    this.#whole.store(lengthOf(pieces), '')
    this.#shown.store(lengthOf(pieces.filter(({ shows }) => shows)), '')
    this.#forget(pieces)
    this.#isStale = true
  }

  /** Of the events that are not stored only these still may be. */
  keepOnly(pieces: readonly Unconfirmed[]): void {
    const shown = pieces.filter(({ shows }) => shows)
    this.#whole.keepOnly(textOf(pieces))
    this.#shown.keepOnly(textOf(shown))
    if (this.#seq === null && pieces[0]) this.#event = pieces[0].event
    this.#pieces = pieces.length
    this.#showing = shown.length
    this.#isStale = true
  }

  /** It has ended: by the log, else by an event that is not stored. */
  end(by: 'log' | 'unconfirmed'): void {
    if (by === 'log') {
      this.#isEnded = true
      // A text that grew is a chain of its pieces, many times its size; comparing makes one string of it, and one will do.
      if (this.#shown.all === this.#whole.all) this.#shown.all = this.#whole.all
    } else this.#ends++
    this.#isStale = true
  }

  /** An event that had ended it is not in the tail any more. */
  takeEndBack(): void {
    this.#ends--
    this.#isStale = true
  }

  see(unseen: boolean): void {
    if (this.#unseen === unseen) return
    this.#unseen = unseen
    this.#isStale = true
  }

  #forget(pieces: readonly Pick<Unconfirmed, 'shows'>[]): void {
    this.#pieces -= pieces.length
    this.#showing -= pieces.filter(({ shows }) => shows).length
  }

  #itemWith(text: string, done: boolean, unseen: boolean): Item {
    const phase = this.#phase
    return {
      id: this.id,
      event: this.#event,
      text,
      phase,
      isReplay: phase === 'replay',
      done,
      unseen,
      seq: this.#seq,
    }
  }
}

/** What the log has, and how much of it is shown. */
export interface StoredPiece {
  readonly event: LoomiEvent
  readonly seq: number
  readonly text: string
  readonly shown: string
  readonly shows: boolean
}

function isSame(left: Item, right: Item): boolean {
  return (Object.keys(left) as (keyof Item)[]).every((name) => left[name] === right[name])
}

function lengthOf(pieces: readonly Pick<Unconfirmed, 'text'>[]): number {
  return pieces.reduce((sum, { text }) => sum + text.length, 0)
}

function textOf(pieces: readonly Pick<Unconfirmed, 'text'>[]): string {
  return pieces.map(({ text }) => text).join('')
}
