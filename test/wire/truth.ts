/** The log as the store has it, and what a view that showed it once and in order must have shown. */
import type { Item, Shown } from '../../elements/client/index.ts'
import { type Cursor, formatCursor, type Json, parseCursor, textOf } from '../../server/protocol.ts'
import { keyOf, type SessionRef, type Store, type StoredEvent } from '../../server/store.ts'
import { rowsOf } from '../server/support.ts'

/** One item, as far as it is compared. */
export interface Bubble {
  readonly id: string
  readonly text: string
  readonly done: boolean
}

/** What a comparison found. Whatever is neither lost, duplicated nor reordered is told in words. */
export interface Verdict {
  lost: number
  duplicated: number
  reordered: number
  wrong: string[]
}

/** The verdict on nothing, to add to. */
export function noVerdict(): Verdict {
  return { lost: 0, duplicated: 0, reordered: 0, wrong: [] }
}

/** Adds a verdict to a sum. */
export function addTo(sum: Verdict, { lost, duplicated, reordered, wrong }: Verdict): void {
  sum.lost += lost
  sum.duplicated += duplicated
  sum.reordered += reordered
  sum.wrong.push(...wrong)
}

/** Whether nothing was found. */
export function isClean({ lost, duplicated, reordered, wrong }: Verdict): boolean {
  return lost + duplicated + reordered + wrong.length === 0
}

/** One session's log; see the module. */
export class Truth {
  readonly rows: readonly StoredEvent[]
  readonly bubbles: readonly Bubble[]
  readonly #cursors: readonly Cursor[]
  readonly #texts: readonly string[]

  constructor(epoch: string, rows: readonly StoredEvent[]) {
    this.rows = rows
    this.#cursors = rows.map((row) => formatCursor(epoch, row.seq, keyOf(row)))
    this.#texts = rows.map(({ event_data }) => textOf(JSON.parse(event_data) as Json))
    this.bubbles = bubblesOf(rows, this.#texts)
  }

  /** Reads it. The log must be there, with its first row. */
  static async of(store: Store, ref: SessionRef): Promise<Truth> {
    const [head] = await store.heads([ref])
    const rows = await rowsOf(store, ref)
    if (!head || rows.some(({ seq }, i) => seq !== i + 1))
      throw new Error('The log is not there, or has a hole.')
    return new Truth(head.epoch, rows)
  }

  /** The cursor of the last row. */
  get end(): Cursor {
    return this.#cursors.at(-1) ?? '0'
  }

  /** Whether a cursor names a row of this log, its key included. */
  has(cursor: Cursor): boolean {
    return cursor === this.#cursors[(parseCursor(cursor)?.seq ?? 0) - 1]
  }

  /** Compares everything that a view was given to show, and what it shows in the end. */
  judge(shown: readonly Shown[], items: readonly Item[]): Verdict {
    const verdict = noVerdict()
    const seen = new Set<number>()
    let newest = 0
    for (const one of shown) {
      const seq = one.cursor === null ? 0 : (parseCursor(one.cursor)?.seq ?? 0)
      if (one.cursor === null || !this.has(one.cursor) || one.event.key !== keyOf(this.rows[seq - 1]!)) {
        verdict.wrong.push(`${one.cursor} (${one.event.key}) is not in the log`)
        continue
      }
      const from = this.#firstOf(seq, one.text)
      if (from === null) verdict.wrong.push(`${one.cursor} came with the text ${JSON.stringify(one.text)}`)
      for (let row = from ?? seq; row <= seq; row++) {
        if (seen.has(row)) verdict.duplicated++
        else if (row < newest) verdict.reordered++
        seen.add(row)
        newest = Math.max(newest, row)
      }
    }
    verdict.lost = this.rows.filter(({ seq, event_type }) => !seen.has(seq) && isShown(event_type)).length
    const [is, shall] = [items.map(({ id, text, done }) => ({ id, text, done })), this.bubbles].map((list) =>
      JSON.stringify(list),
    )
    if (isClean(verdict) && is !== shall) verdict.wrong.push(`the items are ${is}`)
    return verdict
  }

  /** The first of the rows up to `seq` whose texts, joined, are this one; null when there is none. */
  #firstOf(seq: number, text: string): number | null {
    const { part_id } = this.rows[seq - 1]!
    for (let from = seq, joined = ''; from > 0; from--) {
      if (this.rows[from - 1]!.part_id !== part_id) return null
      joined = this.#texts[from - 1]! + joined
      if (joined === text) return from
      if (part_id === null) return null
    }
    return null
  }
}

/** The end of a session is a row, but no event of a view. */
function isShown(eventType: string): boolean {
  return eventType !== 'session_complete'
}

function bubblesOf(rows: readonly StoredEvent[], texts: readonly string[]): Bubble[] {
  const bubbles = new Map<string, Bubble & { run: string }>()
  for (const [i, row] of rows.entries()) {
    if (!isShown(row.event_type)) continue
    const id = row.part_id ?? keyOf(row)
    const text = (bubbles.get(id)?.text ?? '') + texts[i]!
    bubbles.set(id, { id, text, done: row.part_id === null || row.part_done, run: row.run_id })
    if (row.event_type !== 'run_end') continue
    for (const [id, bubble] of bubbles)
      if (bubble.run === row.run_id) bubbles.set(id, { ...bubble, done: true })
  }
  return [...bubbles.values()].map(({ id, text, done }) => ({ id, text, done }))
}
