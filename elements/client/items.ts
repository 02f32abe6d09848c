/**
 * From events to items: deltas of one part grow one item, everything else is an item of its own.
 *
 * @module
 */
import { type Cursor, type LoomiEvent, textOf } from '../../server/protocol.ts'
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

/** A part that may still grow. */
interface Part {
  /** With all its text, also what `beforeShow` kept out. */
  whole: Item
  /** Where it stands among the items; null while all of it was kept out. */
  index: number | null
  /** Some of its text was kept out, so what is shown is not `whole`. */
  partial: boolean
}

/** The items of a view. Its list is immutable: it is copied at the first change after somebody took it. */
export class Items {
  #list: Item[] = []
  #taken = false
  readonly #ids = new Set<string>()
  readonly #parts = new Map<string, Part>()
  readonly #openParts = new Map<string, Set<string>>()
  readonly #unseen = new Set<number>()
  #newestRun: string | null = null
  readonly #runs = new Map<string, 'open' | 'ended'>()

  /** In the order of the log; the same array until something changes. */
  get list(): readonly Item[] {
    this.#taken = true
    return this.#list
  }

  /** Whether the newest run that did more than carry the user's words has no end yet. */
  get running(): boolean {
    return this.#newestRun !== null && this.#runs.get(this.#newestRun) === 'open'
  }

  /** Takes an event in. It changes no item when `beforeShow` answers false. */
  add({ event, cursor, seq, phase, unseen }: Placed, beforeShow: (shown: Shown) => boolean): void {
    const text = textOf(event.event_data)
    const partId = event.part_id
    const part = partId === undefined ? undefined : this.#parts.get(partId)
    const done = partId === undefined || event.part_done === true
    const item: Item = part
      ? { ...part.whole, text: part.whole.text + text, done: part.whole.done || done, unseen }
      : {
          id: this.#newId(partId ?? event.key, cursor),
          event,
          text,
          phase,
          isReplay: phase === 'replay',
          done,
          unseen,
          seq,
        }
    const shows = beforeShow({ event, text, item, phase, isReplay: phase === 'replay', cursor })
    const partial = !shows || (part?.partial ?? false)
    let index = part?.index ?? null
    if (index === null && shows) index = this.#append({ ...item, text: partial ? text : item.text })
    else if (index !== null)
      this.#grow(index, item, partial ? this.#list[index]!.text + (shows ? text : '') : item.text)
    if (partId !== undefined) this.#keep(partId, event.run_id, { whole: item, index, partial })
    this.#follow(event)
  }

  /** Nothing is unseen any more. */
  see(): void {
    for (const index of this.#unseen) this.#replace(index, { ...this.#list[index]!, unseen: false })
    this.#unseen.clear()
  }

  /** Forgets everything. */
  clear(): void {
    this.#list = []
    this.#taken = false
    this.#ids.clear()
    this.#unseen.clear()
    this.detach()
  }

  /** Keeps the items but lets nothing grow them any more: what comes next is of another log. */
  detach(): void {
    for (const runId of this.#openParts.keys()) this.#close(runId)
    this.#parts.clear()
    this.#runs.clear()
    this.#newestRun = null
  }

  /** A restored log can bring back ids that are still shown. */
  #newId(id: string, cursor: Cursor): string {
    return this.#ids.has(id) ? `${id}#${cursor}` : id
  }

  #append(item: Item): number {
    this.#own()
    this.#ids.add(item.id)
    if (item.unseen) this.#unseen.add(this.#list.length)
    return this.#list.push(item) - 1
  }

  #grow(index: number, { done, unseen }: Item, text: string): void {
    const item = this.#list[index]!
    if (text === item.text && done === item.done) return
    if (unseen) this.#unseen.add(index)
    this.#replace(index, { ...item, text, done, unseen: item.unseen || unseen })
  }

  #keep(partId: string, runId: string, part: Part): void {
    this.#parts.set(partId, part)
    const open = this.#openParts.get(runId)
    if (part.whole.done) open?.delete(partId)
    else if (open) open.add(partId)
    else this.#openParts.set(runId, new Set([partId]))
  }

  #follow({ event_type, content_type, run_id }: LoomiEvent): void {
    if (event_type === 'run_end') {
      this.#runs.set(run_id, 'ended')
      this.#close(run_id)
    } else if (
      event_type !== 'user_message' &&
      content_type !== 'user' &&
      this.#runs.get(run_id) !== 'open'
    ) {
      // Also one that had ended: its producer has taken it up again.
      this.#runs.set(run_id, 'open')
      this.#newestRun = run_id
    }
  }

  /** What a run left open will not grow any more. */
  #close(runId: string): void {
    for (const partId of this.#openParts.get(runId) ?? []) {
      const part = this.#parts.get(partId)!
      part.whole = { ...part.whole, done: true }
      if (part.index !== null) this.#replace(part.index, { ...this.#list[part.index]!, done: true })
    }
    this.#openParts.delete(runId)
  }

  #replace(index: number, item: Item): void {
    this.#own()
    this.#list[index] = item
  }

  #own(): void {
    if (this.#taken) this.#list = this.#list.slice()
    this.#taken = false
  }
}
