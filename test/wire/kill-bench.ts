/** Kills a process at one of its own writes, starts it again, and judges what is stored and what a viewer has shown. */
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { stampChunk } from '../../server/drafts.ts'
import { tempFolder } from '../server/support.ts'
import { KeptProcess, type Role } from './kept-process.ts'
import { RUN_END, shortAnswer, USER } from './script.ts'
import { each } from './each.ts'
import { addTo, noVerdict, Truth, type Verdict } from './truth.ts'
import { hurriedClock, Viewer } from './viewer.ts'

/** The processes that are killed. A server alone stores next to nothing, a producer alone has no viewer to write to. */
export const ROLES: readonly Role[] = ['server', 'producer', 'both']

/** A moment in a process's life. */
export interface Point {
  readonly role: Role
  readonly kind: 'store' | 'socket'
  /** The first call of its kind is 1. */
  readonly call: number
  readonly when: 'before' | 'after'
  /** What is called, for people. */
  readonly label: string
}

/** What came of one kill. */
export interface KillReport extends Verdict {
  /** False: the process was done before it got there. */
  readonly killed: boolean
}

const REF = { sessionId: 's', userId: USER }

/** How many writes a life has depends a little on how they fall together. */
const MOST_LIVES = 10

/** Milliseconds between a viewer's attempts while nobody serves. */
const RETRY_MS = 20

/** All points of a role's life, found by letting it live one to its end. */
export async function findPoints(role: Role): Promise<Point[]> {
  const folder = tempFolder()
  const file = folder.path('points')
  await live(role, folder.path('log.db'), { LOOMI_POINTS_FILE: file })
  const calls = { store: 0, socket: 0 }
  const labels = readFileSync(file, 'utf8').trimEnd().split('\n')
  folder.remove()
  return labels.flatMap((line) => {
    const kind = line.startsWith('store ') ? 'store' : 'socket'
    const call = ++calls[kind]
    return (['before', 'after'] as const).map((when) => ({ role, kind, call, when, label: line }))
  })
}

/** Kills at a point; what was acknowledged must be there, once, and the viewer must show exactly the log. */
export async function killAt(point: Point): Promise<KillReport> {
  const folder = tempFolder()
  const { role, kind, call, when, label } = point
  try {
    const report = await live(role, folder.path('log.db'), { LOOMI_KILL_AT: `${kind}:${call}:${when}` })
    return {
      ...report,
      wrong: report.wrong.map((why) => `${role}, ${when} ${kind} call ${call} (${label}): ${why}`),
    }
  } finally {
    folder.remove()
  }
}

/** Kills at each point, two at a time, and sums up; in a life that is done before it gets there the next one is tried. */
export async function killAll(points: readonly Point[]): Promise<Verdict & { kills: number }> {
  const sum = { ...noVerdict(), kills: 0 }
  await each(2, points, async (point) => {
    for (let isKilled = false, lives = 1; !isKilled && lives <= MOST_LIVES; lives++) {
      const report = await killAt(point)
      addTo(sum, report)
      isKilled = report.killed
      if (isKilled) sum.kills++
    }
  })
  return sum
}

async function live(role: Role, path: string, env: Readonly<Record<string, string>>): Promise<KillReport> {
  const wrong: string[] = []
  const victim: KeptProcess = new KeptProcess({
    role,
    path,
    env,
    onKilled: () => {
      // While another process writes, a copy of its files proves nothing.
      if (role !== 'server') wrong.push(...faultsOf(path, [...victim.stored, ...shownTo(viewer)]))
    },
  })
  const [server, producer] = [
    role === 'producer' ? new KeptProcess({ role: 'server', path }) : victim,
    role === 'server' ? new KeptProcess({ role: 'producer', path }) : victim,
  ]
  const viewer = new Viewer({
    session: 's',
    way: () => ({ origin: server.origin }),
    clock: hurriedClock(RETRY_MS),
  })
  let verdict = noVerdict()
  try {
    viewer.client.connect()
    await viewer.until(({ state }) => state === 'live', 'it is live')
    producer.begin()
    const end = await producer.done
    await viewer.until(({ state, position }) => state === 'live' && position === end, `it is at ${end}`)
  } catch (error) {
    wrong.push((error as Error).message)
  }
  const { items } = viewer.snapshot
  viewer.client.disconnect()
  await Promise.all([server.end(), producer.end()])
  const store = openSqlite(path)
  try {
    const truth = await Truth.of(store, REF)
    verdict = truth.judge(viewer.shown, items)
    compareWithScript(truth, verdict)
    verdict.lost += producer.stored.filter((cursor) => !truth.has(cursor)).length
  } catch (error) {
    wrong.push((error as Error).message)
  } finally {
    await store.close()
  }
  // A viewer whose server dies is told of nothing but that; whatever else it hears is wrong.
  wrong.push(...viewer.complaints, ...integrityOf(path))
  return { ...verdict, wrong: [...verdict.wrong, ...wrong], killed: victim.wasKilled }
}

function shownTo({ shown }: Viewer): string[] {
  return shown.flatMap(({ cursor }) => cursor ?? [])
}

/** What the files of a dead process lack of what was acknowledged. They are copied, so that the next one finds them as they were. */
function faultsOf(path: string, acknowledged: readonly string[]): string[] {
  const copy = `${path}.dead`
  for (const end of ['', '-wal']) if (existsSync(path + end)) copyFileSync(path + end, copy + end)
  if (!existsSync(copy)) return []
  const faults = integrityOf(copy)
  const db = new DatabaseSync(copy)
  try {
    const newest = Math.max(0, ...acknowledged.map((cursor) => Number(cursor.split('-')[1])))
    const rows =
      newest === 0 ? 0 : Number(db.prepare('select count(*) c from loomi_stream_events').get()!['c'])
    if (rows < newest) faults.push(`${newest} rows were acknowledged, ${rows} are there after the kill`)
  } finally {
    db.close()
  }
  return faults
}

function integrityOf(path: string): string[] {
  const db = new DatabaseSync(path)
  try {
    const answers = db
      .prepare('pragma integrity_check')
      .all()
      .map((row) => String(row['integrity_check']))
    return answers.filter((answer) => answer !== 'ok')
  } finally {
    db.close()
  }
}

/** Counts what the log has twice of the script or lacks of it, however its rows are joined. */
function compareWithScript(truth: Truth, verdict: Verdict): void {
  const wanted = new Map(script().bubbles.map((bubble) => [bubble.id, bubble]))
  for (const { id, text, done } of truth.bubbles) {
    const bubble = wanted.get(id)
    if (!bubble || text.length > bubble.text.length) verdict.duplicated++
    else if (text.length < bubble.text.length) verdict.lost++
    else if (text !== bubble.text || done !== bubble.done)
      verdict.wrong.push(`${id} has the text ${JSON.stringify(text)}`)
    wanted.delete(id)
  }
  verdict.lost += wanted.size
  const order = (bubbles: Truth['bubbles']): string => bubbles.map(({ id }) => id).join(' ')
  if (order(truth.bubbles) !== order(script().bubbles))
    verdict.wrong.push(`the log has ${order(truth.bubbles)}`)
}

/** The log that a producer makes which nobody kills. */
function script(): Truth {
  const stamp = { i: 0, createdAt: '2026-11-23T00:00:00.000Z' }
  const question = {
    event_type: 'user_message',
    content_type: 'user',
    agent_source: 'user',
    event_data: 'Which rooms?',
  }
  const asked = stampChunk([question], { ...stamp, runId: 'answer.user', n: 1, firstN: 1 })
  const drafts = shortAnswer().flat()
  const said = drafts.flatMap((draft, i) =>
    stampChunk([draft], { ...stamp, runId: 'answer', n: i + 1, firstN: i + 1 }),
  )
  // The end has no chunk of its own, so it stands behind the last one's event.
  const ended = stampChunk([RUN_END], {
    ...stamp,
    i: 1,
    runId: 'answer',
    n: drafts.length,
    firstN: drafts.length,
  })
  return new Truth(
    'script',
    [...asked, ...said, ...ended].map(({ first_n: _, first_i: __, text: ___, ...row }, i) => ({
      ...row,
      seq: i + 1,
    })),
  )
}
