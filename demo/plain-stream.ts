/**
 * The stream as people write it: what happens while somebody listens, and nothing else. No ids, no history.
 *
 * @module
 */
import type { Context } from 'hono'
import { streamSSE } from 'hono/streaming'
import type { Loomi } from '../server/loomi.ts'
import { parseCursor } from '../server/protocol.ts'
import { VISITOR } from './messages.ts'

const POLL_MS = 60

/** Streams the events of a session from now on. `seq` is in them only for the demo, which counts what was lost. */
export function plainStream(c: Context, loomi: Loomi, sessionId: string): Response {
  const session = loomi.session({ sessionId, userId: VISITOR })
  return streamSSE(c, async (stream) => {
    let after = await session.cursor()
    while (!stream.aborted) {
      for await (const { cursor, content_type, part_id, event_data } of session.read({ after })) {
        after = cursor
        const seq = parseCursor(cursor)?.seq
        await stream.writeSSE({ data: JSON.stringify({ seq, content_type, part_id, event_data }) })
      }
      await stream.sleep(POLL_MS)
    }
  })
}
