/** What is tried with several servers on one store: by name, each a plan. */
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '../server/support.ts'
import { Cluster } from './cluster.ts'
import { SHARED_STORES, type SharedStore } from './shared-stores.ts'
import { runTrial, type TrialReport } from './trial.ts'

/** Servers of a trial. */
const SERVERS = 3
/** The longest that a log may go without looking, in milliseconds, and a bit for the way. */
const LATEST_MS = 5000 + 100

/** How much is tried. */
export interface Size {
  readonly sessions: number
  readonly chunks: number
  /** Kills of servers. */
  readonly kills: number
  /** Milliseconds that the database is away. */
  readonly downMs: number
  /** The same, for so long that viewers are shown what is not stored. */
  readonly awayMs: number
  /** Milliseconds without wake-ups. */
  readonly silentMs: number
}

type Faults = (cluster: Cluster, shared: SharedStore, size: Size) => Promise<void>

/** The faults, by what happens. */
export const TRIALS: Readonly<Record<string, Faults>> = {
  'servers are killed': async (cluster, _, { kills }) => {
    for (let kill = 0; kill < kills; kill++) {
      await delay(500)
      // Another one takes over before the lease has lapsed, and after.
      await cluster.kill(kill % cluster.size, 300, kill % 2 === 0 ? 100 : 3500)
    }
  },
  'the database is killed': async (_, { restart }, { downMs }) => {
    await delay(1000)
    await restart!(downMs)
  },
  'a server is killed while the database is away': async (cluster, { restart }, { sessions, awayMs }) => {
    const begun = (): number => new Set(cluster.stored.map(({ session }) => session)).size
    await until(() => begun() === sessions, 'each answer to have begun', 30_000)
    await delay(500)
    const back = restart!(awayMs)
    // By then its viewers see what is not stored. They are told that it is gone, and another server feeds it again.
    await delay(awayMs - 1000)
    await Promise.all([back, cluster.kill(0, 300, 3500)])
  },
  'no wake-up comes': async ({ size }, { muffle }, { silentMs }) => {
    await muffle!(size, silentMs)
  },
}

/** The trials that a store can have: a file has no database to kill, and only LISTEN is a channel of its own. */
export function trialsOf(store: string): string[] {
  const trials = Object.keys(TRIALS)
  const [from, to] = { sqlite: [0, 1], supabase: [0, 3], 'supabase with DATABASE_URL': [3] }[store] ?? []
  return trials.slice(from, to)
}

/** Whether a view had something later than it may, where the store was there all the time. */
export function isTooLate(trial: string, { lateMs }: TrialReport): boolean {
  return !trial.includes('the database is') && lateMs.at(-1)! > LATEST_MS
}

/** Runs a trial on a store that is made for it. */
export async function tryOut(
  trial: string,
  name: string,
  size: Size,
): Promise<TrialReport & { readonly kills: number }> {
  const shared = await SHARED_STORES[name]!()
  try {
    const cluster = await Cluster.start(SERVERS, shared.url, shared.env)
    try {
      const report = await runTrial(cluster, shared.store, {
        sessions: size.sessions,
        viewersPerSession: 2,
        chunks: size.chunks,
        everyMs: 20,
        faults: () => TRIALS[trial]!(cluster, shared, size),
      })
      return { ...report, kills: cluster.kills }
    } finally {
      await cluster.close()
    }
  } finally {
    await shared.close()
  }
}
