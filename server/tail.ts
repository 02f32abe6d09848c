/**
 * The tail: the newest rows of one session, framed once for all who watch it. It has no hole.
 *
 * @module
 */
import type { EncodedRow } from './frames.ts'

const MAX_ROWS = 256
const MAX_BYTES = 512 * 1024

/** The newest rows; see the module. */
export class Tail {
  #rows: EncodedRow[] = []
  /** Tag of the row before the first. */
  #before: string | null = null
  #bytes = 0

  /** The rows, the newest last. */
  get rows(): readonly EncodedRow[] {
    return this.#rows
  }

  /** Seq of the newest row, 0 without one. */
  get end(): number {
    return this.#rows.at(-1)?.row.seq ?? 0
  }

  /** The tag of the row of a seq, null when it is not known. */
  tagAt(seq: number): string | null {
    const first = this.#rows[0]?.row.seq
    if (first === undefined) return null
    return seq === first - 1 ? this.#before : (this.#rows[seq - first]?.tag ?? null)
  }

  /** The rows after a seq; null when the tail does not reach back so far. */
  after(seq: number): readonly EncodedRow[] | null {
    const first = this.#rows[0]
    if (!first || seq + 1 < first.row.seq || seq > this.end) return null
    return this.#rows.slice(seq + 1 - first.row.seq)
  }

  /**
   * Adds newer rows; the oldest make room. Rows that leave a hole, or of which it is not known that they follow, begin a new
   * tail. `before`: tag of the row before them, if it is known.
   */
  extend(rows: readonly EncodedRow[], before: string | null = null): void {
    const { end } = this
    if ((rows.at(-1)?.row.seq ?? 0) <= end) return
    const ended = rows[0]!.row.seq === end + 1 ? before : rows.find(({ row }) => row.seq === end)?.tag
    if (end > 0 && ended !== this.tagAt(end)) this.clear()
    for (const row of rows) {
      if (row.row.seq <= this.end) continue
      if (this.end > 0 && row.row.seq !== this.end + 1) this.clear()
      if (this.end === 0) this.#before = row === rows[0] ? before : null
      this.#rows.push(row)
      this.#bytes += row.bytes.length
    }
    let drop = 0
    while (this.#rows.length - drop > MAX_ROWS || this.#bytes > MAX_BYTES)
      this.#bytes -= this.#rows[drop++]!.bytes.length
    if (drop > 0) this.#before = this.#rows.splice(0, drop).at(-1)!.tag
  }

  clear(): void {
    this.#rows = []
    this.#before = null
    this.#bytes = 0
  }
}
