/** The stores that several servers may share, each with what can be done to it. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Store } from '../../server/store.ts'
import { openStore } from '../../server/stores/open.ts'
import { openSupabase } from '../../server/stores/supabase.ts'
import { newDatabase } from '../databases/postgres-log.ts'
import { startPostgres } from '../databases/postgres.ts'
import { type Relay, startRelay } from '../databases/relay.ts'
import { SupabaseRig } from '../databases/supabase.ts'
import { tempFolder, until } from '../server/support.ts'

/** A store and how to reach it. */
export interface SharedStore {
  readonly url: string
  /** What a server needs beside the URL. */
  readonly env: Readonly<Record<string, string>>
  /** Past all servers. */
  readonly store: Store
  /** Kills the database with all its processes and starts it again after a while; null where there is none. */
  readonly restart: ((downMs: number) => Promise<void>) | null
  /** Lets no wake-up through for so long, once all servers listen; the database stays. Null where there is no channel for them. */
  readonly muffle: ((servers: number, ms: number) => Promise<void>) | null
  close(): Promise<void>
}

/** All of them, by name. */
export const SHARED_STORES: Readonly<Record<string, () => Promise<SharedStore>>> = {
  sqlite,
  postgres,
  supabase,
  'supabase with DATABASE_URL': () => supabase({ listens: true }),
}

async function sqlite(): Promise<SharedStore> {
  const folder = tempFolder()
  const url = folder.path('log.db')
  const store = await openStore(url)
  return {
    url,
    env: {},
    store,
    restart: null,
    muffle: null,
    async close() {
      await store.close()
      folder.remove()
    },
  }
}

async function postgres(): Promise<SharedStore> {
  const server = await startPostgres({ durable: true })
  const direct = await newDatabase(server)
  const relay = await startRelay(server.port)
  const store = await openStore(direct)
  return {
    url: direct.replace(`:${server.port}/`, `:${relay.port}/`),
    env: {},
    store,
    async restart(downMs) {
      await server.stop('kill')
      await delay(downMs)
      await server.start()
    },
    muffle: (servers, ms) => muffle(relay, servers, ms),
    async close() {
      await store.close()
      await relay.close()
      await server.remove()
    },
  }
}

async function supabase({ listens = false } = {}): Promise<SharedStore> {
  const server = await startPostgres({ durable: true })
  const rig = await SupabaseRig.start({ postgres: server })
  const relay = listens ? await startRelay(server.port) : null
  const store = await openSupabase({ env: rig.env })
  return {
    url: 'supabase:',
    env: relay
      ? { ...rig.env, DATABASE_URL: rig.ownerUrl.replace(`:${server.port}/`, `:${relay.port}/`) }
      : rig.env,
    store,
    async restart(downMs) {
      await server.stop('kill')
      await delay(downMs)
      await server.start()
    },
    muffle: relay && ((servers, ms) => muffle(relay, servers, ms)),
    async close() {
      await store.close()
      await relay?.close()
      await rig.remove()
      await server.remove()
    },
  }
}

/** Those who listen hear nothing more, and nobody can begin to. */
async function muffle(relay: Relay, servers: number, ms: number): Promise<void> {
  let since = Date.now()
  await until(() => {
    if (relay.count('listen') !== servers) since = Date.now()
    // Who only tries whether it would hear is gone sooner, and a word to itself has come back.
    return Date.now() - since > 1000
  }, 'every server to listen')
  relay.refuse('listen')
  relay.cut('listen')
  await delay(ms)
  relay.refuse(null)
}
