/**
 * Where the producers of the documentation append: two databases, each with a server that shows its sessions on pages.
 */
import { mkdirSync } from 'node:fs'
import { newDatabase } from '../databases/postgres-log.ts'
import { type PostgresServer, startPostgres } from '../databases/postgres.ts'
import { SupabaseRig } from '../databases/supabase.ts'
import { PYTHON } from './needs.ts'
import { answers } from './page.ts'
import { freePort, type Program, type Project } from './project.ts'

const APP = `import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createLoomi } from 'loomi-recovery/server'
const loomi = createLoomi({ store: process.env.STORE })
const app = new Hono().route('/api/loomi', loomi.routes)
app.get('/:session', (c) => c.html('<!doctype html><title>Rooms</title><body><loomi-recovery user-id="ada" session-id="' +
  c.req.param('session') + '"></loomi-recovery><script src="/api/loomi/loomi-recovery.js"></script>'))
serve({ fetch: app.fetch, port: Number(process.env.PORT) })
`

/** A database and a server on it. */
export interface Place {
  readonly url: string
  /** What a producer needs to know. */
  readonly env: Readonly<Record<string, string>>
  /** Starts a Python program of the project's folder, with this place's `loomi.py` beside it. */
  python(name: string, program: string): Program
}

/** Both places; see the module. */
export class Places {
  readonly postgres: PostgresServer
  readonly rig: SupabaseRig
  readonly byName: Readonly<Record<PlaceName, Place>>

  private constructor(postgres: PostgresServer, rig: SupabaseRig, byName: Record<PlaceName, Place>) {
    this.postgres = postgres
    this.rig = rig
    this.byName = byName
  }

  /** `modules`: each place's `loomi.py`. */
  static async make(project: Project, modules: Readonly<Record<PlaceName, string>>): Promise<Places> {
    const postgres = await startPostgres()
    try {
      // Before there are Supabase's roles, which belong to the whole server: a plain one has none.
      const url = await newDatabase(postgres)
      const rig = await SupabaseRig.start({ postgres })
      project.write('app.ts', APP)
      return new Places(postgres, rig, {
        supabase: await serve(project, 'supabase', 'supabase:', rig.env, modules),
        postgres: await serve(project, 'postgres', url, { DATABASE_URL: url }, modules),
      })
    } catch (error) {
      await postgres.remove()
      throw error
    }
  }

  /** Runs SQL in the plain database as its superuser. */
  sql(sql: string): Promise<string> {
    const database = new URL(this.byName.postgres.env['DATABASE_URL']!).pathname.slice(1)
    return this.postgres.psql({ sql }, { database })
  }

  async remove(): Promise<void> {
    await this.rig.remove()
    await this.postgres.remove()
  }
}

async function serve(
  project: Project,
  name: PlaceName,
  store: string,
  env: Readonly<Record<string, string>>,
  modules: Readonly<Record<PlaceName, string>>,
): Promise<Place> {
  const PORT = `${await freePort()}`
  project.start('node app.ts', { ...env, PORT, STORE: store })
  mkdirSync(project.path(name))
  project.write(`${name}/loomi.py`, modules[name])
  await answers(`http://localhost:${PORT}/none`)
  return {
    url: `http://localhost:${PORT}`,
    env,
    python(file, program) {
      project.write(`${name}/${file}.py`, program)
      return project.start(`${PYTHON} -B ${name}/${file}.py`, env)
    },
  }
}

export type PlaceName = 'supabase' | 'postgres'
