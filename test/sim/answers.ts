/** Answers that simulated agents give: what is emitted, in which rhythm, and how it must read in the log. */
import type { Json } from '../../server/protocol.ts'
import type { Session } from '../../server/session.ts'
import type { StoredEvent } from '../../server/store.ts'
import type { Random } from './random.ts'

/** By whom an answer comes: an agent's own calls, or a provider's stream that is recorded. */
export type Form = 'by hand' | 'text' | 'numbered' | 'unnumbered'

/** One thing that is emitted, so many milliseconds after the one before. */
interface Step {
  readonly waitMs: number
  readonly part: string | null
  readonly text: string
  readonly type: 'thought' | 'message' | 'tool_call'
  readonly done: boolean
}

/** One answer; every process that makes it makes the same one. */
export interface Answer {
  readonly runId: string
  readonly form: Form
  readonly question: string | null
  readonly steps: readonly Step[]
  /** How the log reads when all of it is there. */
  readonly reading: string
}

/** Draws an answer. Its words are found nowhere else in the session. */
export function drawAnswer(random: Random, number: number): Answer {
  const form = random.weighted<Form>({ 'by hand': 6, text: 2, numbered: 2, unnumbered: 2 })
  const runId = `run${number}`
  const pace = random.pick([3, 15, 60, 300])
  const count = random.scale(2, 40)
  const steps: Step[] = []
  let part = 0
  for (let at = 0; at < count; at++) {
    const isTool = form === 'by hand' && random.chance(0.15)
    if (random.chance(0.2)) part++
    const isLast = random.chance(0.2)
    steps.push({
      waitMs: random.chance(0.1) ? random.scale(20, 4000) : random.scale(1, pace + 1),
      part: isTool || (form === 'by hand' && random.chance(0.15)) ? null : `m${part}/0`,
      text: `${number}.${at};`,
      type: isTool ? 'tool_call' : part % 2 === 0 ? 'message' : 'thought',
      done: isLast,
    })
    if (isLast) part++
  }
  const question = random.chance(0.5) ? `question ${number}?` : null
  const reading =
    form === 'by hand'
      ? read(
          steps.map(({ part, text, type }) => ({
            part: part === null ? null : `${runId}/${part}`,
            text,
            type,
          })),
        )
      : steps.map(({ text }) => text).join('')
  return { runId, form, question, steps, reading }
}

/** Emits an answer from a step on, waiting with `sleep`; resolves when the store has all of it, or refused it. */
export async function give(
  answer: Answer,
  session: Session,
  sleep: (ms: number) => Promise<void>,
  random: Random,
): Promise<void> {
  const { form, question, steps } = answer
  // Another process is faster or slower, so it joins other deltas.
  const pace = random.pick([0.2, 1, 1, 2])
  if (question !== null) session.user(question)
  if (form !== 'by hand') return void (await session.record(source(answer, sleep, pace, random)))
  for (const { waitMs, part, text, type, done } of steps) {
    await sleep(Math.round(waitMs * pace))
    if (type === 'tool_call') session.emit({ event_type: 'tool_call', event_data: { text, name: 'look' } })
    else if (part === null) session.emit({ event_type: 'llm_chunk', content_type: type, event_data: text })
    else session[type](text, { part, done })
  }
  await session.end()
}

/** How the rows of a run read; of a recording, its text alone. */
export function readRows(rows: readonly { row: StoredEvent; text: string }[], form: Form): string {
  const own = rows.filter(({ row }) => row.agent_source !== 'loomi')
  if (form !== 'by hand') return own.map(({ text }) => text).join('')
  return read(own.map(({ row, text }) => ({ part: row.part_id, text, type: row.content_type })))
}

function read(events: readonly { part: string | null; text: string; type: string }[]): string {
  let reading = ''
  let before: string | null = null
  for (const { part, text, type } of events) {
    reading += part !== null && part === before ? text : `\n${part ?? ''} ${type} ${text}`
    before = part
  }
  return reading
}

async function* source(
  { form, steps, runId }: Answer,
  sleep: (ms: number) => Promise<void>,
  pace: number,
  random: Random,
): AsyncGenerator {
  if (form === 'text') {
    // The same text in other pieces, as a proxy between would cut it.
    const text = steps.map((step) => step.text).join('')
    for (let at = 0, piece = 0; at < text.length; piece++) {
      const size = random.int(1, 12)
      await sleep(Math.round((steps[piece % steps.length]?.waitMs ?? 1) * pace))
      yield text.slice(at, at + size)
      at += size
    }
    return
  }
  const chunks = form === 'numbered' ? responsesOf(runId, steps) : chatOf(runId, steps)
  for (const [at, chunk] of chunks.entries()) {
    await sleep(Math.round((steps[at % steps.length]?.waitMs ?? 1) * pace))
    yield chunk
  }
}

/** As much of the Responses API's stream as carries text. */
function responsesOf(id: string, steps: readonly Step[]): Json[] {
  const at = { item_id: 'm', output_index: 0, content_index: 0 }
  const chunks: { [name: string]: Json }[] = [
    { type: 'response.created', response: { id, object: 'response', status: 'in_progress', output: [] } },
    ...steps.map(({ text }) => ({ type: 'response.output_text.delta', ...at, delta: text })),
    { type: 'response.completed', response: { id, object: 'response', status: 'completed', output: [] } },
  ]
  return chunks.map((chunk, sequence_number) => ({ ...chunk, sequence_number }))
}

/** As much of Chat Completions' stream as carries text. */
function chatOf(id: string, steps: readonly Step[]): Json[] {
  const chunk = (delta: Json, finish_reason: string | null): Json => ({
    id,
    object: 'chat.completion.chunk',
    created: 0,
    model: 'm',
    choices: [{ index: 0, delta, finish_reason }],
  })
  return [...steps.map(({ text }) => chunk({ content: text }, null)), chunk({}, 'stop')]
}
