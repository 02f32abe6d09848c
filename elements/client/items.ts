/**
 * From events to items: deltas of one part grow one item, everything else is an item of its own. What the log has comes
 * first; after it the tail, what the store has not confirmed.
 *
 * @module
 */
import { type Cursor, type LoomiEvent, textOf } from '../../server/protocol.ts'
import { Bubble } from './bubble.ts'
import { confirm, shownOf } from './confirmation.ts'
import { ItemList } from './item-list.ts'
import { OpenParts } from './open-parts.ts'
import { RunStates } from './run-states.ts'
import { Tail, type Unconfirmed } from './tail.ts'
import type { Item, Phase, Shown } from './types.ts'

/** An event in its place, as the view hands it over. */
export interface Placed {
  readonly event: LoomiEvent
  readonly cursor: Cursor
  /** Of its first row. */
  readonly seq: number
  readonly phase: Phase
  readonly unseen: boolean
}

/** An event that is not stored yet. */
export interface Provisional {
  readonly event: LoomiEvent
  readonly unseen: boolean
  /** The server process that showed it; null while nobody said which that is. */
  readonly boot: string | null
  /** Whoever shows it may not know yet which rows were pruned. */
  readonly isInDoubt: boolean
}

type BeforeShow = (shown: Shown) => boolean
type Lost = (count: number) => void

/** The items of a view. Its lists are immutable. */
export class Items {
  readonly #list = new ItemList()
  readonly #tail = new Tail()
  readonly #ids = new Set<string>()
  readonly #parts = new Map<string, Bubble>()
  readonly #openParts = new OpenParts()
  readonly #unseen = new Set<Bubble>()
  #runs = new RunStates()
  /** With the tail; null when that must be worked out anew. */
  #runsAhead: RunStates | null = null

  /** In the order of the log, then of the tail; the same array until something changes. */
  get list(): readonly Item[] {
    return this.#list.all
  }

  /** Whether the newest run that did more than carry the user's words has no end yet. */
  get running(): boolean {
    if (this.#tail.size === 0) return this.#runs.running
    return (this.#runsAhead ??= this.#runs.after(this.#tail)).running
  }

  /** The events of the tail, in order. */
  get unconfirmed(): Iterable<Unconfirmed> & { readonly size: number } {
    return this.#tail
  }

  /** The last item that shows something of the log. */
  get lastStored(): string | null {
    return this.#list.lastStored
  }

  /**
   * Takes an event of the log in. One that is in the tail takes its place without being shown again. `beforeShow` is asked
   * of what was not shown yet; what it refuses changes no item. `lost` hears how many events the log went on without.
   */
  add({ event, cursor, seq, phase, unseen }: Placed, beforeShow: BeforeShow, lost?: Lost): void {
    const text = textOf(event.event_data)
    const { mine, others, untold, before, after, isThere } = confirm(event, text, this.#tail.store(event))
    if (others.length > 0) this.#drop(others)
    if (untold > 0) lost?.(untold)
    const bubble = mine[0]?.bubble ?? this.#bubbleOf(event, phase, cursor)
    const last = mine.at(-1)
    const isKnown = last !== undefined && (isThere ? before + after === '' : last.event.key === event.key)
    let shows = last?.shows ?? false
    if (!isKnown) {
      const cut = mine.reduce((sum, one) => sum + one.text.length, 0)
      const item = bubble.preview(text, cut, event.part_done === true, unseen)
      const fresh = isThere ? before + after : text
      shows = beforeShow({ event, text: fresh, item, phase, isReplay: phase === 'replay', cursor })
    }
    const shown = isThere ? (shows ? before : '') + shownOf(mine) + (shows ? after : '') : shows ? text : ''
    bubble.store({ event, seq, text, shown, shows: shows || mine.some((one) => one.shows) }, mine)
    this.#takeEndsBack(mine)
    if (event.part_done) this.#end(bubble)
    // What a run left open in the log will not grow any more.
    if (event.event_type === 'run_end') this.#endStored(this.#openParts.of(event.run_id))
    if (bubble.showsStored || !bubble.isUnconfirmed) this.#list.leaveAhead(bubble)
    const end = isKnown || event.part_id === undefined ? undefined : this.#tail.endOf(event.run_id)
    if (end && !end.ends.includes(bubble)) {
      end.ends.push(bubble)
      bubble.end('unconfirmed')
    }
    if (!isKnown && shows && unseen) this.#hide(bubble)
    this.#list.refresh(bubble)
    if (this.#runs.follow(event)) this.#runsAhead = null
  }

  /** Whether the log as far as it is taken in has an event, or something later of its run. */
  isStored(event: LoomiEvent): boolean {
    return this.#tail.isStored(event)
  }

  /** An event is stored that is not shown here. */
  noteStored(event: LoomiEvent): void {
    this.#tail.note(event)
  }

  /** Takes an event in that is not stored yet, unless it was taken in already. */
  addUnconfirmed({ event, unseen, boot, isInDoubt }: Provisional, beforeShow: BeforeShow): void {
    const known = this.#tail.get(event.key)
    if (known) {
      known.boot = boot
      known.isInDoubt &&= isInDoubt
    }
    if (known || this.#tail.isStored(event)) return
    const bubble = this.#bubbleOf(event, 'live', event.key)
    const text = textOf(event.event_data)
    const item = bubble.preview(text, 'end', event.part_done === true, unseen)
    const shows = beforeShow({ event, text, item, phase: 'live', isReplay: false, cursor: null })
    const ends =
      event.event_type === 'run_end' ? this.#openParts.of(event.run_id) : event.part_done ? [bubble] : []
    const later = this.#tail.after(event)
    bubble.add(
      { text, shows },
      later.filter((one) => one.bubble === bubble),
    )
    this.#tail.add({ event, text, bubble, shows, ends, boot, isInDoubt })
    if (!bubble.showsStored) this.#list.addAhead(bubble)
    if (later.length > 0) this.#list.sortAhead(this.#tail)
    if (shows && unseen) this.#hide(bubble)
    for (const one of ends) one.end('unconfirmed')
    for (const one of [bubble, ...ends]) this.#list.refresh(one)
    if (later.length > 0) this.#runsAhead = null
    else this.#runsAhead?.follow(event)
  }

  /** Takes out of the tail what will not be stored any more; how many events that were. */
  withdraw(holds: (event: Unconfirmed) => boolean = () => true): number {
    const out = this.#tail.takeOut(holds)
    if (out.length === 0) return 0
    const kept = new Map<Bubble, Unconfirmed[]>(out.map(({ bubble }) => [bubble, []]))
    for (const one of this.#tail) kept.get(one.bubble)?.push(one)
    this.#takeEndsBack(out)
    for (const [bubble, pieces] of kept) {
      bubble.keepOnly(pieces)
      // What comes back after all is the same again.
      if (this.#leave(bubble)) this.#ids.delete(bubble.id)
    }
    this.#list.sortAhead(this.#tail)
    this.#runsAhead = null
    return out.length
  }

  /** Rows of the log are gone, unread: what was under way may have ended in them. */
  skip(): void {
    this.#endStored(this.#openParts.all())
    this.#runs = new RunStates()
    this.#runsAhead = null
  }

  /** Nothing is unseen any more. */
  see(): void {
    for (const bubble of this.#unseen) {
      bubble.see(false)
      this.#list.refresh(bubble)
    }
    this.#unseen.clear()
  }

  /** Forgets everything. */
  clear(): void {
    this.detach()
    this.#list.clear()
    this.#ids.clear()
    this.#unseen.clear()
  }

  /**
   * Withdraws the tail, whose events it counts, and keeps the other items, but lets nothing grow them any more: what comes
   * next is of another log.
   */
  detach(): number {
    const withdrawn = this.withdraw()
    this.#endStored(this.#openParts.all())
    this.#parts.clear()
    this.#runs = new RunStates()
    this.#tail.forget()
    return withdrawn
  }

  /** The one that the event belongs to, or a new one. `place` tells apart what a restored log brings back under the same id. */
  #bubbleOf(event: LoomiEvent, phase: Phase, place: string): Bubble {
    const { part_id, key } = event
    const known = part_id === undefined ? undefined : this.#parts.get(part_id)
    if (known) return known
    const wanted = part_id ?? key
    const id = this.#ids.has(wanted) ? `${wanted}#${place}` : wanted
    const bubble = new Bubble({ id, event, phase })
    this.#ids.add(id)
    if (part_id === undefined) return bubble
    this.#parts.set(part_id, bubble)
    this.#openParts.add(bubble)
    return bubble
  }

  /** The log went on without these. */
  #drop(lost: readonly Unconfirmed[]): void {
    this.#takeEndsBack(lost)
    for (const one of lost) {
      one.bubble.drop([one])
      if (!this.#leave(one.bubble) && !one.bubble.showsStored) this.#list.sortAhead(this.#tail)
    }
    this.#runsAhead = null
  }

  #takeEndsBack(events: readonly Unconfirmed[]): void {
    for (const bubble of events.flatMap(({ ends }) => ends)) {
      bubble.takeEndBack()
      this.#list.refresh(bubble)
    }
  }

  /** A bubble lost something; whether nothing is left of it. */
  #leave(bubble: Bubble): boolean {
    const isGone = !bubble.isUnconfirmed && !bubble.isStored
    if (isGone) {
      this.#unseen.delete(bubble)
      if (bubble.partId !== undefined) this.#parts.delete(bubble.partId)
      this.#openParts.delete(bubble)
    }
    this.#list.refresh(bubble)
    if (!bubble.isUnconfirmed) this.#list.leaveAhead(bubble)
    return isGone
  }

  #end(bubble: Bubble): void {
    bubble.end('log')
    this.#openParts.delete(bubble)
  }

  #endStored(parts: readonly Bubble[]): void {
    for (const part of parts) {
      if (!part.isStored) continue
      this.#end(part)
      this.#list.refresh(part)
    }
  }

  #hide(bubble: Bubble): void {
    bubble.see(true)
    this.#unseen.add(bubble)
  }
}
