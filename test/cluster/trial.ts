/** Answers in many sessions of a cluster, viewers of each, faults meanwhile, and the judgement of what was shown in the end. */
import { setTimeout as delay } from 'node:timers/promises'
import { parseCursor } from '../../server/protocol.ts'
import type { Store } from '../../server/store.ts'
import { each } from '../wire/each.ts'
import { USER } from '../wire/script.ts'
import { noVerdict, Truth, type Verdict } from '../wire/truth.ts'
import { hurriedClock, Viewer } from '../wire/viewer.ts'
import { textsOf } from './answer.ts'
import type { Answer, Cluster } from './cluster.ts'
import { judge } from './judge.ts'

/** What is tried. */
export interface Plan {
  readonly sessions: number
  readonly viewersPerSession: number
  readonly chunks: number
  readonly everyMs: number
  /** What is done to it all; the answers go on meanwhile. */
  readonly faults: (cluster: Cluster) => Promise<void>
}

/** What came of it. */
export interface TrialReport extends Verdict {
  readonly events: number
  readonly views: number
  /** Events that views withdrew with a word, since a process died before they were stored. */
  readonly withdrawn: number
  /** Milliseconds from when a producer was told that an event is stored to when a view of another server had it, sorted. */
  readonly lateMs: readonly number[]
}

/** Milliseconds within which all answers must be over, and all views up to date. */
const PATIENCE_MS = 240_000

/** Runs a plan. `store` reads the log in the end, past all servers. */
export async function runTrial(cluster: Cluster, store: Store, plan: Plan): Promise<TrialReport> {
  const answers = Array.from({ length: plan.sessions }, (_, i): Answer => {
    return { session: `s${i + 1}`, run: `r${i + 1}`, chunks: plan.chunks, everyMs: plan.everyMs }
  })
  const watched = answers.map((answer, i) => {
    const views = Array.from({ length: plan.viewersPerSession }, (_, v) => watch(cluster, answer, i + v + 1))
    return { answer, views, done: cluster.feed(answer, i) }
  })
  const faults = plan.faults(cluster)
  const sum = { ...noVerdict(), events: 0, views: 0, withdrawn: 0 }
  const late: number[] = []
  await each(plan.sessions, watched, async ({ answer, views, done }) => {
    await within(done, `the answer in ${answer.session} is over`, sum.wrong)
    await faults
    const ref = { sessionId: answer.session, userId: USER }
    const truth = await Truth.of(store, ref)
    sum.events += truth.rows.length
    compareTexts(truth, answer, sum)
    for (const { cursor } of cluster.stored.filter(({ session }) => session === answer.session))
      if (!truth.has(cursor)) sum.lost++
    for (const { viewer, arrivals } of views) {
      sum.views++
      await within(
        viewer.until(
          ({ state, position }) => state === 'live' && position === truth.end,
          'it has everything',
        ),
        `a view of ${answer.session} has everything`,
        sum.wrong,
      )
      judge(viewer, truth, sum)
      sum.withdrawn += viewer.withdrawals.reduce((all, { count }) => all + count, 0)
      for (const { session, cursor, at } of cluster.stored)
        if (session === answer.session) late.push(latenessOf(arrivals, cursor, at))
      viewer.client.disconnect()
    }
  })
  return { ...sum, lateMs: late.toSorted((one, other) => one - other) }
}

interface Arrival {
  readonly seq: number
  readonly at: number
}

function watch(
  cluster: Cluster,
  { session }: Answer,
  first: number,
): { viewer: Viewer; arrivals: Arrival[] } {
  const viewer = new Viewer({
    session,
    way: (nth) => ({ origin: cluster.origin(first + nth) }),
    clock: hurriedClock(20),
  })
  const arrivals: Arrival[] = []
  viewer.client.subscribe(() => {
    const seq = parseCursor(viewer.snapshot.position ?? '0')?.seq ?? 0
    if (seq > (arrivals.at(-1)?.seq ?? 0)) arrivals.push({ seq, at: Date.now() })
  })
  viewer.client.connect()
  return { viewer, arrivals }
}

/** How long after it was stored a view had it; 0 when it was there before the producer heard. */
function latenessOf(arrivals: readonly Arrival[], cursor: string, at: number): number {
  const seq = parseCursor(cursor)!.seq
  return Math.max(0, (arrivals.find((arrival) => arrival.seq >= seq)?.at ?? Infinity) - at)
}

/** The log has every part of the answer, to the letter. */
function compareTexts(truth: Truth, { run, chunks }: Answer, sum: Verdict): void {
  const said = truth.bubbles.filter(({ text }) => text.startsWith(`${run}.`)).map(({ text }) => text)
  const shall = textsOf(run, chunks)
  for (const [i, text] of shall.entries()) {
    if ((said[i] ?? '').length < text.length) sum.lost++
    else if (said[i]!.length > text.length) sum.duplicated++
    else if (said[i] !== text) sum.wrong.push(`${run} has the text ${JSON.stringify(said[i])}`)
  }
}

async function within(done: Promise<unknown>, what: string, wrong: string[]): Promise<void> {
  const enough = new AbortController()
  const late = delay(PATIENCE_MS, undefined, { signal: enough.signal }).then(
    () => Promise.reject(new Error(`Waited in vain until ${what}.`)),
    () => undefined,
  )
  try {
    await Promise.race([done, late])
  } catch (error) {
    wrong.push((error as Error).message)
  } finally {
    enough.abort()
  }
}
