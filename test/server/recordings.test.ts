/** The recorded model streams, all of them, through real processes of `feed`. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Store, StoredEvent } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { Processes } from './processes.ts'
import { rowsOf, tempFolder, TIMES, until } from './support.ts'

const FOLDER = new URL('../../../shared/recordings/', import.meta.url)
const NAMES = existsSync(FOLDER) ? readdirSync(FOLDER).filter((name) => name.endsWith('.jsonl')) : []
const skip = NAMES.length === 0 && 'the recorded model streams are not on this machine'
/** Over all recordings at least 20. */
const KILLS_EACH = 3 * TIMES

type Fields = Record<string, unknown>
type Texts = { kind: string; text: string }[]

/** The provider's own texts in order, put together without any adapter. */
function providerTexts(name: string, chunks: readonly Fields[]): Texts {
  if (name.startsWith('openai-responses')) return responsesTexts(chunks)
  const texts = new Map<string, { kind: string; text: string }>()
  const add = (slot: string, kind: string, text: unknown): void => {
    if (typeof text !== 'string' || text === '') return
    const known = texts.get(`${slot} ${kind}`) ?? { kind, text: '' }
    texts.set(`${slot} ${kind}`, { kind, text: known.text + text })
  }
  for (const chunk of chunks) {
    const delta = chunk['delta'] as Fields | undefined
    if (name.startsWith('anthropic') && chunk['type'] === 'content_block_delta') {
      add(String(chunk['index']), 'message', delta?.['text'])
      add(String(chunk['index']), 'thought', delta?.['thinking'])
    }
    for (const choice of (chunk['choices'] ?? []) as { delta: Fields }[]) {
      add('', 'thought', choice.delta['reasoning_content'])
      add('', 'message', choice.delta['content'])
    }
  }
  return [...texts.values()]
}

/** A finished response repeats all that it streamed; one recording holds several. */
function responsesTexts(chunks: readonly Fields[]): Texts {
  const output = chunks
    .filter(({ type }) => type === 'response.completed')
    .flatMap(({ response }) => (response as { output: Fields[] }).output)
  return output.flatMap(({ type, content, summary }) => {
    const kind = type === 'reasoning' ? 'thought' : 'message'
    const pieces = ((type === 'reasoning' ? summary : content) ?? []) as { text: string }[]
    return pieces.map(({ text }) => ({ kind, text }))
  })
}

/** A log as far as it does not depend on how deltas were joined: its texts and its other events, in order of their beginning. */
function readingOf(rows: readonly StoredEvent[]): unknown[] {
  const reading = new Map<string, { kind: string; text: string; done: boolean }>()
  const all: unknown[] = []
  for (const row of rows) {
    const { part_id, content_type: kind, event_data, part_done } = row
    if (part_id === null) {
      all.push([row.run_id, row.event_type, kind, event_data])
      continue
    }
    let part = reading.get(part_id)
    if (!part) {
      part = { kind, text: '', done: false }
      reading.set(part_id, part)
      all.push(part)
    }
    part.text += JSON.parse(event_data) as string
    part.done ||= part_done
  }
  return all
}

const textsOf = (rows: readonly StoredEvent[]): Texts =>
  readingOf(rows)
    .filter((entry): entry is Texts[number] => !Array.isArray(entry))
    .map(({ kind, text }) => ({ kind, text }))

describe('the recorded model streams through feed', { skip, concurrency: 2 }, () => {
  const processes = new Processes()
  const folder = tempFolder()
  const seed = Number(process.env['LOOMI_SEED'] ?? Date.now() % 1_000_000)
  let file = ''
  let store: Store
  before(() => {
    console.log(`# LOOMI_SEED=${seed}`)
    file = folder.path('log.db')
    store = openSqlite(file)
  })
  after(async () => {
    await processes.end()
    await store?.close()
    folder.remove()
  })

  const args = (session: string): string[] => [
    'feed',
    `--session=${session}`,
    '--user=ada',
    `--store=${file}`,
    '--run=r',
    '--speed=max',
  ]
  const feedWhole = async (session: string, input: string): Promise<StoredEvent[]> => {
    const { code, err } = await processes.run(args(session), { input })
    assert.equal(code, 0, err)
    return rowsOf(store, { sessionId: session, userId: 'ada' })
  }

  for (const name of NAMES) {
    const input = readFileSync(new URL(name, FOLDER), 'utf8')
    const lines = input.trimEnd().split('\n')

    it(`${name}: texts and reasoning are the provider’s to the byte, and a second feed adds nothing`, async () => {
      const rows = await feedWhole(name, input)
      const chunks = lines.map((line) => JSON.parse(line) as Fields)
      assert.deepEqual(textsOf(rows), providerTexts(name, chunks))
      assert.ok(
        rows.every((row) => row.event_type !== 'provider_chunk' && row.event_type !== 'loomi_dropped'),
      )
      assert.equal(rows.at(-1)!.content_type, 'complete')
      assert.deepEqual(await feedWhole(name, input), rows)
    })

    it(`${name}: the same as server-sent events`, async () => {
      const rows = await feedWhole(`${name} sse`, lines.map((line) => `data: ${line}\n\n`).join(''))
      const whole = await feedWhole(`${name} lines`, input)
      assert.deepEqual(readingOf(rows), readingOf(whole))
    })

    it(`${name}: killed at ${KILLS_EACH} random points and fed again, the log is the same as in one go`, async () => {
      const whole = await feedWhole(`${name} in one go`, input)
      const random = mulberry32(seed + NAMES.indexOf(name))
      for (let kill = 0; kill < KILLS_EACH; kill++) {
        const session = `${name} killed ${kill}`
        const ref = { sessionId: session, userId: 'ada' }
        const lineCount = 1 + Math.floor(random() * lines.length)
        const feeding = processes.start(args(session))
        feeding.child.stdin!.write(`${lines.slice(0, lineCount).join('\n')}\n`)
        // Some die before their first row, some in the middle of it, some while they wait for more.
        if (random() < 0.8)
          await until(
            async () => (await store.read(ref, 0, 1)).events.length > 0 || feeding.child.exitCode !== null,
            'a row',
            3000,
          ).catch(() => undefined)
        await delay(random() * 40)
        feeding.child.kill('SIGKILL')
        await feeding.ended
        assert.deepEqual(
          readingOf(await feedWhole(session, input)),
          readingOf(whole),
          `seed ${seed}, kill ${kill}`,
        )
      }
    })
  }
})

/** https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function mulberry32(state: number): () => number {
  let a = state
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
