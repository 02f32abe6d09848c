/**
 * A long log: 100,000 deltas in 1,000 parts.
 */
import assert from 'node:assert/strict'
import { openSqlite } from '../../dist/server/stores/sqlite.js'
import type { World } from './world.ts'

/** Of each part. */
export const DELTAS = 100

const WORDS = ['The ', '**room** ', 'is ', 'quiet, ', 'with ', '`a` ', 'view ', 'over ', 'gardens. ', '\n- ']

/** A text in deltas. */
export interface Part {
  readonly kind: string
  readonly deltas: readonly string[]
}

/** What the log is made of: messages, thoughts and tool calls. */
export const PARTS: readonly Part[] = Array.from({ length: 1000 }, (_, p) => ({
  kind: p % 10 === 3 ? 'tool_call' : p % 3 === 0 ? 'thought' : 'message',
  deltas: [`${p}: `, ...Array.from({ length: DELTAS - 1 }, (_, d) => WORDS[(p * 7 + d) % WORDS.length]!)],
}))

/** Writes a log of them, row by row: the writer would join what is new. */
export async function writeLog(
  { store: file }: World,
  sessionId: string,
  parts: readonly Part[],
): Promise<void> {
  const store = openSqlite(file)
  const base = {
    run_id: 'r',
    agent_source: 'agent',
    event_metadata: null,
    created_at: '2026-01-01T00:00:00.000Z',
  }
  const deltas = parts.flatMap((part, p) =>
    part.deltas.map((delta, d) => ({
      event_type: 'delta',
      content_type: part.kind,
      event_data: JSON.stringify(delta),
      part_id: `r/${p}/0`,
      part_done: d === part.deltas.length - 1,
    })),
  )
  const end = {
    event_type: 'run_end',
    content_type: 'complete',
    event_data: '{}',
    part_id: null,
    part_done: false,
  }
  const events = [...deltas, end].map((event, at) => {
    const n = at + 1
    return { ...base, ...event, n, i: 0, first_n: n, first_i: 0 }
  })
  for (let at = 0; at < events.length; at += 5000) {
    const { ok } = await store.append({ sessionId, userId: 'ada' }, events.slice(at, at + 5000))
    assert.ok(ok)
  }
  await store.close()
}

/** All that a part says. */
export function textOf({ deltas }: Part): string {
  return deltas.join('')
}
