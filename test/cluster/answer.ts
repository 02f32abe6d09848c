/** What is answered in the sessions of this suite. */
import type { Draft } from '../../server/drafts.ts'

/** Milliseconds after which a producer that says nothing is taken to be dead. */
export const LEASE_MS = 2000

/** Deltas of one part. */
const PART_CHUNKS = 20

/** The drafts of one step of an answer. The same for every process, so that another one can feed it again. */
export function chunkOf(runId: string, n: number, chunks: number): Draft[] {
  const part = Math.ceil(n / PART_CHUNKS)
  const delta: Draft = {
    event_type: 'llm_chunk',
    content_type: part % 3 === 0 ? 'thought' : 'message',
    event_data: `${runId}.${n} `,
    part: `m${part}`,
    part_done: n === chunks || n % PART_CHUNKS === 0,
  }
  if (n % 7 !== 0) return [delta]
  return [delta, { event_type: 'tool_call', event_data: { name: 'rooms', n }, event_metadata: { n } }]
}

/** The texts of an answer's parts, in order. */
export function textsOf(runId: string, chunks: number): string[] {
  const texts: string[] = []
  for (let n = 1; n <= chunks; n++) {
    const part = Math.ceil(n / PART_CHUNKS) - 1
    texts[part] = `${texts[part] ?? ''}${runId}.${n} `
  }
  return texts
}
