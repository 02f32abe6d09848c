import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { ClientOptions } from '../../elements/client/index.ts'
import { settle } from '../client/support/fake-clock.ts'
import { ModelServer } from '../client/support/model-server.ts'
import { rig, type Rig } from '../client/support/rig.ts'
import { SEED, TIMES } from './support.ts'

/** Steps of one course. */
const STEPS = 25
const COURSES = 200 * TIMES

/** What the requests of a tab get; null: what the server says. */
type Answer = ((signal: AbortSignal | null | undefined) => Response | Promise<Response>) | null

const ANSWERS: readonly Answer[] = [
  null,
  null,
  () => new Response(null, { status: 503 }),
  () =>
    new Response(': the log does not answer yet\n\n', { headers: { 'content-type': 'text/event-stream' } }),
  (signal) =>
    new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason as Error))
    }),
]

/** A generator of numbers below `bound`; the same for the same seed (Numerical Recipes' congruential one). */
function draws(seed: number): (bound: number) => number {
  let state = Math.imul(seed, 2_654_435_761) >>> 0
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
}

/** One course of events, outages and sleep of two tabs that share a connection; null when both show the log in the end. */
async function course(seed: number): Promise<string | null> {
  const draw = draws(seed)
  const server = new ModelServer()
  let key = 0
  const event = (): { key: string; event_data: string } => ({ key: `r1/${++key}`, event_data: `e${key}` })
  server.append(event(), event())
  server.pieceBytes = () => (draw(4) === 0 ? 1 + draw(400) : Infinity)
  server.cutAfter = () => (draw(6) === 0 ? draw(1500) : Infinity)
  // An app that renders its own history goes on with what its view has, so in its courses no log begins anew.
  const own = seed % 3 === 0
  const open = async (options: Partial<ClientOptions> = {}): Promise<Tab> => {
    const answers: { now: Answer } = { now: null }
    const fetch: typeof globalThis.fetch = async (input, init) =>
      answers.now ? answers.now(init?.signal) : server.fetch(input, init)
    const shared = { sessionId: `two-tabs-${seed}`, shareTabs: true, instant: () => true, fetch }
    const opened = rig({ ...shared, ...options }, server)
    await settle()
    return { ...opened, answers, from: options.after ? server.rows.length : 0 }
  }
  const first = await open()
  if (own && draw(2) === 0) server.showUnconfirmed(event(), event())
  const tabs = [first, await open(own ? { history: 'none', after: server.head } : {})]
  // Mostly the one that follows.
  const tab = (): Tab => tabs[draw(4) === 0 ? 0 : 1]!
  const steps: readonly (() => unknown)[] = [
    () => server.unconfirmed.length === 0 && server.append(event()),
    () => server.showUnconfirmed(event()),
    () => server.showUnconfirmed(event(), event()),
    () => server.confirm(Math.min(1, server.unconfirmed.length)),
    () => server.confirm(),
    () => (tab().answers.now = ANSWERS[draw(ANSWERS.length)]!),
    () => (tab().answers.now = null),
    () => tab().client.signal('visible'),
    () => (draw(3) === 0 ? server.restart() : server.cutAll()),
    () => tab().clock.advance(1000 + draw(12_000)),
    () => tabs[0]!.clock.advance(1000),
    () => draw(4) === 0 && !own && begunAnew(server, draw),
    () => draw(3) === 0 && (server.prunedTo = Math.max(server.prunedTo, draw(server.rows.length))),
    () => draw(3) === 0 && slept(tab()),
  ]
  let wrong: string | null = null
  const look = (when: string): void => {
    for (const [at, one] of tabs.entries()) wrong ??= faultOf(one, `tab ${at + 1} ${when}`)
  }
  for (let step = 0; step < STEPS; step++) {
    await steps[draw(steps.length)]!()
    await settle()
    look(`after step ${step + 1}`)
  }
  server.cutAfter = () => Infinity
  for (const { answers } of tabs) answers.now = null
  for (let k = 0; k < 6; k++) {
    for (const { clock, client } of tabs) {
      await clock.advance(25_000)
      // A beat says where the log ends; the second time it is believed.
      client.noteBeat(server.head)
      await settle()
    }
  }
  look('at the end')
  for (const [at, one] of tabs.entries()) {
    const missing = missingIn(one, server)
    if (missing) wrong ??= `tab ${at + 1} ${missing}`
  }
  for (const { client } of tabs) client.disconnect()
  await settle()
  return wrong
}

/** What a tab does not show of the log and what waits for it, or shows beside that. */
function missingIn(
  { texts, client, from }: Tab,
  { rows, unconfirmed, prunedTo }: ModelServer,
): string | null {
  const all = [...rows, ...unconfirmed].map(({ key }) => key.replace('r1/', 'e'))
  const shown = texts()
  // Polls bring no more than what is stored, and what was pruned some have seen.
  const end = client.snapshot.polling ? rows.length : all.length
  const isDue = (_: string, at: number): boolean => at >= Math.max(from, prunedTo) && at < end
  const shall = all.filter((text, at) => isDue(text, at) || shown.includes(text))
  return shown.join() === shall.join() ? null : `shows ${shown.join()}, not ${shall.join()}`
}

interface Tab extends Rig {
  /** The app renders what is before that itself. */
  readonly from: number
  /** What its requests get now. */
  readonly answers: { now: Answer }
}

function begunAnew(server: ModelServer, draw: (bound: number) => number): void {
  server.epoch += 'x'
  server.rows.length = Math.min(server.rows.length, 1 + draw(3))
  server.prunedTo = 0
  server.cutAll()
}

async function slept({ client }: Rig): Promise<void> {
  client.signal('freeze')
  await settle()
  client.signal('resume')
}

/** What is shown twice, or out of order. */
function faultOf({ texts, client }: Rig, when: string): string | null {
  if (new Set(texts()).size !== texts().length) return `${when} shows something twice: ${texts().join()}`
  const seqs = client.snapshot.items.flatMap(({ seq }) => seq ?? [])
  return seqs.some((seq, i) => i > 0 && seq <= seqs[i - 1]!)
    ? `${when} shows ${seqs.join()} in this order`
    : null
}

it(
  'two tabs show the log and what is not stored, whatever befalls their requests',
  { timeout: 120_000 },
  async () => {
    for (let seed = SEED.seed; seed < SEED.seed + COURSES; seed++)
      assert.equal(await course(seed), null, `seed ${seed}`)
  },
)
