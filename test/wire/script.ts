/** What is said in the sessions of this suite: drafts in groups, each group emitted in one go. */
import { type Draft, stampChunk } from '../../server/drafts.ts'
import type { NewEvent } from '../../server/store.ts'

/** The user of all sessions here. */
export const USER = 'ada'

/** `storeTimeoutMs` here: a machine that is busy shall not make viewers get events before they are stored. */
export const NEVER_MS = 3_600_000

/** Rows of {@link longAnswer} and its `run_end`. */
export const LONG_ROWS = 200

/** Characters of one to four bytes, so that a cut can fall within one. */
const WORDS = ['room ', 'für ', '二人 ', '🛏️ ', 'free\n', '"ok" ']

/** How an answer ends in the log. */
export const RUN_END: Draft = {
  event_type: 'run_end',
  content_type: 'complete',
  agent_source: 'loomi',
  event_data: { status: 'complete' },
}

/**
 * An answer of {@link LONG_ROWS} rows with its end, which is not in it. Within a group no two deltas of one part are neighbours, so each
 * draft becomes a row of its own; from group to group they are, so that a merged replay joins them.
 */
export function longAnswer(): Draft[][] {
  const groups: Draft[][] = [[{ event_type: 'user_message', content_type: 'user', event_data: 'Which? ❓' }]]
  for (let rows = 1, part = 1; rows < LONG_ROWS - 1; part++) {
    const deltas = Math.min(3 + (part % 7), LONG_ROWS - 1 - rows)
    rows += deltas
    for (let i = 1; i <= deltas; i++) groups.push([delta(`m${part}`, i, i === deltas)])
    if (part % 3 > 0 || rows >= LONG_ROWS - 1) continue
    // Stands in front of the next part's first delta and leaves with it.
    groups.push([{ event_type: 'note', event_data: { text: `note ${part}`, rooms: [part] } }])
    rows++
  }
  return groups
}

/** A short answer with everything that the store treats differently: joined deltas, several rows in one append, metadata. */
export function shortAnswer(): Draft[][] {
  return [
    [delta('t1', 1), delta('t1', 2), delta('t1', 3)],
    [
      delta('t1', 4, true),
      { event_type: 'tool_call', event_data: { name: 'rooms' }, event_metadata: { ms: 3 } },
    ],
    [delta('m1', 1), delta('m2', 1), delta('m1', 2), { event_type: 'note', event_data: 'Two.' }],
    [delta('m1', 3), delta('m1', 4)],
    [delta('m1', 5, true), delta('m2', 2, true)],
    [{ event_type: 'note', event_data: 'All.' }],
  ]
}

/** Drafts as the store takes them; `n` counts from the one given. */
export function toEvents(drafts: readonly Draft[], runId: string, from: number): NewEvent[] {
  const createdAt = '2026-11-23T00:00:00.000Z'
  return drafts.flatMap((draft, i) => {
    const n = from + i
    return stampChunk([draft], { runId, n, i: 0, firstN: n, createdAt })
  })
}

function delta(part: string, i: number, part_done = false): Draft {
  const text = `${part}.${i} ${WORDS[i % WORDS.length]!}`
  return { event_type: 'llm_chunk', content_type: 'message', event_data: text, part, part_done }
}
