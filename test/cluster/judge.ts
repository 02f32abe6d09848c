/** Holds a view that may have shown events before they were stored to the log. */
import { keyOf } from '../../server/store.ts'
import type { Truth, Verdict } from '../wire/truth.ts'
import type { Viewer } from '../wire/viewer.ts'

/** What is looked at of a view. */
export type Judged = Pick<Viewer, 'shown' | 'withdrawals' | 'complaints'> & {
  readonly snapshot: Pick<Viewer['snapshot'], 'items'>
}

/**
 * What a view shows in the end is the log, item by item; on the way it showed nothing twice, and in order. What it withdrew
 * with a word, since the process that had it died, may come again: at most so many events, of those that were not stored.
 */
export function judge(view: Judged, truth: Truth, sum: Verdict): void {
  const seqs = new Map(truth.rows.map((row) => [keyOf(row), row.seq]))
  const seen = new Set<number>()
  const shaky = new Set<number>()
  const words = [...view.withdrawals]
  let mayComeAgain = 0
  let withdrawn = new Set<number>()
  let newest = 0
  for (const [index, { event, cursor }] of view.shown.entries()) {
    for (; words.length > 0 && words[0]!.at <= index; words.shift()) {
      mayComeAgain += words[0]!.count
      withdrawn = new Set(shaky)
    }
    // What came before it was stored has its key alone; it is not shown again.
    const seq = event.key === null || event.key === undefined ? undefined : seqs.get(event.key)
    if (seq === undefined) {
      if (cursor !== null) sum.wrong.push(`${cursor} (${event.key}) is not in the log`)
      continue
    }
    if (cursor === null) shaky.add(seq)
    const isAgain = withdrawn.delete(seq) && mayComeAgain-- > 0
    if (seen.has(seq) && !isAgain) sum.duplicated++
    else if (seq < newest && cursor !== null) sum.reordered++
    seen.add(seq)
    if (cursor !== null) newest = Math.max(newest, seq)
  }
  const items = view.snapshot.items.map(({ id, text, done }) => ({ id, text, done }))
  const is = new Map(items.map((item) => [item.id, item.text]))
  for (const { id, text } of truth.bubbles) {
    const shown = is.get(id)
    if (shown === undefined || shown.length < text.length) sum.lost++
    else if (shown.length > text.length) sum.duplicated++
  }
  if (JSON.stringify(items) !== JSON.stringify(truth.bubbles))
    sum.wrong.push(`a view of ${truth.rows[0]?.run_id} shows ${JSON.stringify(items).slice(0, 300)}`)
  sum.wrong.push(...view.complaints.filter((word) => !word.includes('"unsaved"')))
}
