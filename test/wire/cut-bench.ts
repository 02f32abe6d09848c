/** Cuts views off after a number of bytes, in one of several courses of events, and judges what they showed in the end. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import type { SessionRef, Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { tempFolder } from '../server/support.ts'
import { each } from './each.ts'
import { COUNT_ONLY, cutAfter, type CuttingProxy, startCuttingProxy } from './cutting-proxy.ts'
import { longAnswer, RUN_END, toEvents, USER } from './script.ts'
import { addTo, noVerdict, Truth, type Verdict } from './truth.ts'
import { hurriedClock, Viewer } from './viewer.ts'

/** What goes on while a view is cut off. */
export interface Course {
  readonly name: string
  /** The log is whole (`no`), or it grows: by the server's process (`here`) or by another (`elsewhere`). */
  readonly grows: 'no' | 'here' | 'elsewhere'
  readonly merged: boolean
  /** In a run of every offset only one of so many is taken. Where each row wakes each view, all would take most of an hour. */
  readonly stride: number
}

/** All of them. */
export const COURSES: readonly Course[] = [
  { name: 'replay', grows: 'no', merged: false, stride: 1 },
  { name: 'replay, merged', grows: 'no', merged: true, stride: 1 },
  { name: 'live, fed by the server', grows: 'here', merged: false, stride: 7 },
  { name: 'live, fed by another process', grows: 'elsewhere', merged: false, stride: 1 },
  { name: 'live, fed by another process, merged', grows: 'elsewhere', merged: true, stride: 1 },
]

/** What came of cuts. */
export interface CutReport extends Verdict {
  /** Connections that were really cut. */
  cuts: number
}

/** Views at the same time of one log. */
const VIEWS = { no: 48, here: 250, elsewhere: 300 }

/** Logs that grow at the same time: while one waits for its next rows, the views of the other get theirs. */
const LOGS = 2

/** Milliseconds between two groups of a log that grows. */
const EVERY_MS = 3

/** So many groups leave another process in one append. */
const GROUPS_AT_ONCE = 8

const SERVER = fileURLToPath(new URL('log-server.ts', import.meta.url))

/** A server, its store and a proxy before it; see the module. */
export class CutBench {
  readonly #folder = tempFolder()
  readonly #store: Store = openSqlite(this.#folder.path('log.db'))
  readonly #server: ChildProcess = fork(SERVER, [this.#folder.path('log.db')])
  #origin = ''
  #proxy!: CuttingProxy
  #sessions = 0

  static async start(): Promise<CutBench> {
    const bench = new CutBench()
    const { port } = await bench.#told((message): message is { port: number } => 'port' in message)
    bench.#origin = `http://127.0.0.1:${port}`
    bench.#proxy = await startCuttingProxy(port)
    return bench
  }

  /** How many bytes the stream of a course has, the response's head and its chunking included. */
  async measure(course: Course): Promise<number> {
    const ref = await this.#newSession(course)
    const viewer = this.#viewer(ref, course, COUNT_ONLY)
    viewer.client.connect()
    if (course.grows !== 'no') {
      await viewer.until(({ state }) => state === 'live', 'it is live')
      await this.#grow(ref, course)
    }
    const { end } = await Truth.of(this.#store, ref)
    await viewer.until(({ position }) => position === end, 'it has everything')
    viewer.client.disconnect()
    return this.#proxy.counted
  }

  /** Cuts one view after each number of bytes. `progress` hears how many are done. */
  async run(
    course: Course,
    offsets: readonly number[],
    progress: (done: number) => void = () => undefined,
  ): Promise<CutReport> {
    const before = this.#proxy.cuts
    const sum = noVerdict()
    let done = 0
    const note = (verdict: Verdict, count: number): void => {
      addTo(sum, verdict)
      done += count
      progress(done)
    }
    const size = VIEWS[course.grows]
    if (course.grows === 'no') {
      const ref = await this.#newSession(course)
      const truth = await Truth.of(this.#store, ref)
      await each(size, offsets, async (offset) => note(await this.#replay(ref, course, offset, truth), 1))
    } else {
      const batches = Array.from({ length: Math.ceil(offsets.length / size) }, (_, i) =>
        offsets.slice(i * size, (i + 1) * size),
      )
      await each(LOGS, batches, async (batch) => note(await this.#live(course, batch), batch.length))
    }
    return { cuts: this.#proxy.cuts - before, ...sum }
  }

  async close(): Promise<void> {
    this.#server.kill('SIGKILL')
    await this.#proxy.close()
    await this.#store.close()
    this.#folder.remove()
  }

  async #replay(ref: SessionRef, course: Course, offset: number, truth: Truth): Promise<Verdict> {
    const viewer = this.#viewer(ref, course, cutAfter(offset, 'end'))
    viewer.client.connect()
    // Also a view that had everything before the cut has to come back.
    const isBack = (): boolean => viewer.requests.length > 1
    return this.#judge(viewer, offset, truth, ({ state, position }) => {
      return isBack() && state === 'live' && position === truth.end
    })
  }

  async #live(course: Course, offsets: readonly number[]): Promise<Verdict> {
    const ref = await this.#newSession(course)
    const sum = noVerdict()
    const views = offsets.map((offset) => ({
      offset,
      viewer: this.#viewer(ref, course, cutAfter(offset, 'reset')),
    }))
    for (const { viewer } of views) viewer.client.connect()
    await Promise.all(views.map(({ viewer }) => viewer.until(({ state }) => state === 'live', 'it is live')))
    await this.#grow(ref, course)
    const truth = await Truth.of(this.#store, ref)
    const judged = views.map(async ({ viewer, offset }) => {
      addTo(sum, await this.#judge(viewer, offset, truth, ({ state }) => state === 'complete'))
    })
    await Promise.all(judged)
    return sum
  }

  async #judge(
    viewer: Viewer,
    offset: number,
    truth: Truth,
    isDone: Parameters<Viewer['until']>[0],
  ): Promise<Verdict> {
    const wrong: string[] = []
    await viewer.until(isDone, 'it has everything').catch((error: Error) => wrong.push(error.message))
    const { items } = viewer.snapshot
    wrong.push(...viewer.complaints)
    viewer.client.disconnect()
    const verdict = truth.judge(viewer.shown, items)
    return {
      ...verdict,
      wrong: [...verdict.wrong, ...wrong].map((why) => `cut after ${offset} bytes: ${why}`),
    }
  }

  #viewer({ sessionId }: SessionRef, { merged }: Course, cut: string): Viewer {
    const ways = {
      first: { origin: this.#proxy.origin, headers: { 'x-cut': cut } },
      later: { origin: this.#origin },
    }
    const way = (nth: number): (typeof ways)['first' | 'later'] => (nth === 1 ? ways.first : ways.later)
    return new Viewer({ session: sessionId, way, clock: hurriedClock(), merged })
  }

  async #newSession({ grows }: Course): Promise<SessionRef> {
    const ref = { sessionId: `s${++this.#sessions}`, userId: USER }
    if (grows === 'no') await this.#appendAll(ref, 1000, 0)
    return ref
  }

  /** Lets the log grow to its whole length and closes the session. */
  async #grow(ref: SessionRef, { grows }: Course): Promise<void> {
    if (grows === 'here') {
      const fed = this.#told(
        (message): message is { fed: string } => 'fed' in message && message.fed === ref.sessionId,
      )
      this.#server.send({ session: ref.sessionId, everyMs: EVERY_MS })
      await fed
      return
    }
    await this.#appendAll(ref, GROUPS_AT_ONCE, EVERY_MS * GROUPS_AT_ONCE)
    const end = { event_type: 'session_complete', agent_source: 'loomi' }
    await this.#store.append(ref, toEvents([end], 'close', 1))
  }

  async #appendAll(ref: SessionRef, groupsAtOnce: number, everyMs: number): Promise<void> {
    const groups = [...longAnswer(), [RUN_END]]
    for (let n = 1; groups.length > 0;) {
      const drafts = groups.splice(0, groupsAtOnce).flat()
      await this.#store.append(ref, toEvents(drafts, 'r', n))
      n += drafts.length
      if (everyMs > 0) await delay(everyMs)
    }
  }

  #told<T extends object>(isIt: (message: object) => message is T): Promise<T> {
    return new Promise((resolve, reject) => {
      const hear = (message: object): void => {
        if (!isIt(message)) return
        this.#server.off('message', hear).off('exit', ended)
        resolve(message)
      }
      const ended = (): void => reject(new Error('The server ended.'))
      this.#server.on('message', hear).on('exit', ended)
    })
  }
}
