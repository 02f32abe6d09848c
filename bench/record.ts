/**
 * What recording costs the first reader of a stream: how long after the source yielded a chunk the reader has it, through
 * `record()` and `tee()` and without them (the floor), in the same run, while the chunks go into the embedded store.
 *
 *     npm run bench:record
 *
 * Chunks come every 2 ms, as from a fast model, and in one burst. Prints medians and the 99th percentile.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createLoomi, type Session } from '../dist/server/index.js'

const CHUNKS = 2000
const ROUNDS = 5
const encoder = new TextEncoder()

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content: string } }[]
}

/** When each chunk left its source. */
const left = new WeakMap<object, number>()

async function* chunks(gapMs: number): AsyncGenerator<Chunk> {
  for (let i = 0; i < CHUNKS; i++) {
    if (gapMs > 0) await delay(gapMs)
    const chunk: Chunk = { choices: [{ delta: { content: `word ${i} ` } }] }
    left.set(chunk, performance.now())
    yield chunk
  }
}

function response(gapMs: number): Response {
  const source = chunks(gapMs)
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await source.next()
      if (done) return controller.close()
      const bytes = encoder.encode(`data: ${JSON.stringify(value)}\n\n`)
      left.set(bytes, performance.now())
      controller.enqueue(bytes)
    },
  })
  return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } })
}

/** Reads to the end; milliseconds that each chunk took to get here. */
async function latencies(source: AsyncIterable<object>): Promise<number[]> {
  const times: number[] = []
  for await (const chunk of source) times.push(performance.now() - left.get(chunk)!)
  return times
}

type Way = (session: Session, gapMs: number) => AsyncIterable<object>
const WAYS: Record<string, { readonly floor: Way; readonly ours: Way }> = {
  record: { floor: (_, gapMs) => chunks(gapMs), ours: (session, gapMs) => session.record(chunks(gapMs)) },
  tee: {
    floor: (_, gapMs) => response(gapMs).body as unknown as AsyncIterable<object>,
    ours: (session, gapMs) => session.tee(response(gapMs)).body as unknown as AsyncIterable<object>,
  },
}

const folder = await mkdtemp(join(tmpdir(), 'loomi-bench-'))
const loomi = createLoomi({ store: join(folder, 'log.db') })
for (const [way, { floor, ours }] of Object.entries(WAYS)) {
  for (const gapMs of [2, 0]) {
    const times: { ours: number[]; floor: number[] } = { ours: [], floor: [] }
    for (let round = 0; round < ROUNDS; round++) {
      const session = loomi.session({ sessionId: `${way}-${gapMs}-${round}`, userId: 'u' })
      times.floor.push(...(await latencies(floor(session, gapMs))))
      times.ours.push(...(await latencies(ours(session, gapMs))))
    }
    const pace = gapMs > 0 ? `a chunk every ${gapMs} ms` : 'all chunks at once'
    const [a, b] = [quantile(times.ours, 0.5), quantile(times.floor, 0.5)]
    const [c, d] = [quantile(times.ours, 0.99), quantile(times.floor, 0.99)]
    console.log(
      `${way}, ${pace}: median ${a.toFixed(3)} ms (floor ${b.toFixed(3)}, added ${(a - b).toFixed(3)}), ` +
        `99th percentile ${c.toFixed(2)} ms (floor ${d.toFixed(2)})`,
    )
  }
}
await loomi.close()
await rm(folder, { recursive: true, force: true })

function quantile(values: readonly number[], q: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * q)]!
}
