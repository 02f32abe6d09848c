/**
 * A process that keeps a Postgres store busy: more calls at a time than the store has connections, and a watcher. Started
 * as `postgres-load.ts URL`; answers every message with its state, and `stop` when the last call is settled, and then ends.
 */
import { fork } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { LoomiError } from '../../server/errors.ts'
import type { Store } from '../../server/store.ts'
import { openPostgres } from '../../server/stores/postgres.ts'
import { newEvent } from './support.ts'

const CALLERS = 15

/** What has become of its calls so far. */
export interface LoadState {
  answered: number
  /** Rejected with `store_unavailable`. */
  unavailable: number
  /** What else they were rejected with. */
  readonly others: string[]
  /** Neither answered nor rejected yet. */
  open: number
  /** The sessions that the watcher was told of. */
  readonly heard: readonly string[]
}

/** The process and how to ask it. */
export interface Load {
  /** With which code it ends, null after a signal. */
  readonly ended: Promise<number | null>
  state(): Promise<LoadState>
  /** Its last state, when all calls are settled. */
  stop(): Promise<LoadState>
  kill(): void
}

/** Starts the process, which loads the store at a URL. */
export function startLoad(url: string): Load {
  const child = fork(fileURLToPath(import.meta.url), [url])
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const dead = ended.then((code) => Promise.reject(new Error(`The process has ended with ${code}.`)))
  dead.catch(() => undefined)
  const ask = async (word: string): Promise<LoadState> => {
    child.send(word)
    const answer = new Promise<LoadState>((resolve) =>
      child.once('message', (state) => resolve(state as LoadState)),
    )
    return Promise.race([answer, dead])
  }
  return { ended, state: () => ask('state'), stop: () => ask('stop'), kill: () => child.kill('SIGKILL') }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run(process.argv[2]!)

async function run(url: string): Promise<void> {
  const heard = new Set<string>()
  const counts = { answered: 0, unavailable: 0, others: [] as string[], open: 0 }
  let isOver = false
  const store = await openPostgres(url)
  store.watch((ids) => ids?.forEach((id) => heard.add(id)))
  const callers = Array.from({ length: CALLERS }, async (_, caller) => {
    while (!isOver) {
      counts.open++
      try {
        await callsOf(store)[caller % 3]!(caller)
        counts.answered++
      } catch (error) {
        if (error instanceof LoomiError && error.code === 'store_unavailable') counts.unavailable++
        else counts.others.push(String(error))
        await delay(20)
      } finally {
        counts.open--
      }
    }
  })
  process.on('message', async (word) => {
    if (word === 'stop') {
      isOver = true
      await Promise.all(callers)
      await store.close()
    }
    process.send!({ ...counts, heard: [...heard] })
    if (word === 'stop') process.disconnect()
  })
}

/** An append, a read of what another one appends, and a look at it. */
function callsOf(store: Store): ((caller: number) => Promise<unknown>)[] {
  const refOf = (caller: number) => ({ sessionId: `load-${caller}`, userId: 'ada' })
  return [
    async (caller) => {
      const { n } = await store.runHigh(refOf(caller), 'run-1')
      return store.append(refOf(caller), [newEvent(n + 1)])
    },
    (caller) => store.read(refOf(caller - 1), 0, 100),
    (caller) => store.heads([refOf(caller - 2)]),
  ]
}
