/** The clean-up that the database does by itself, by a real pg_cron. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { SessionRef, Store } from '../../server/store.ts'
import { openPostgres } from '../../server/stores/postgres.ts'
import { newDatabase } from '../databases/postgres-log.ts'
import { type PostgresServer, startPostgres, withoutExtension } from '../databases/postgres.ts'
import { newEvents, rowsOf, until } from './support.ts'

/** What `newDatabase` calls the first one. */
const DATABASE = 'log_1'
const SETTINGS = [
  'shared_preload_libraries=pg_cron',
  `cron.database_name=${DATABASE}`,
  // Otherwise it logs in over the network, for which it needs a password file.
  'cron.use_background_workers=on',
]
const FULL = Boolean(process.env['LOOMI_TEST_FULL'])

describe('the clean-up by pg_cron', { skip: withoutExtension('pg_cron', 'cron') }, () => {
  let server: PostgresServer
  let url: string
  let store: Store
  before(async () => {
    server = await startPostgres({ settings: SETTINGS })
    url = await newDatabase(server)
    assert.equal(new URL(url).pathname, `/${DATABASE}`)
    store = await openPostgres(url)
  })
  after(async () => {
    await store?.close()
    await server?.remove()
  })

  const asRoot = async (sql: string): Promise<string> =>
    (await server.psql({ sql }, { database: DATABASE })).trim()
  const asOwner = async (sql: string): Promise<string> => {
    const { username, password } = new URL(url)
    const login = { user: username, password: decodeURIComponent(password), database: DATABASE }
    return (await server.psql({ sql }, login)).trim()
  }
  const seqs = async (ref: SessionRef): Promise<number[]> => (await rowsOf(store, ref)).map(({ seq }) => seq)

  /** A session of ten events, of which the first six are 31 days old. */
  async function aged(sessionId: string): Promise<SessionRef> {
    const ref = { sessionId, userId: 'ada' }
    await store.append(ref, newEvents(1, 10))
    await asRoot(`update loomi_stream_events set stored_at = stored_at - interval '31 days'
      where session_id = '${sessionId}' and seq <= 6`)
    return ref
  }

  it('is refused without the extension, with what to do', async () => {
    await assert.rejects(
      asOwner(`select loomi_schedule_cleanup('30 days')`),
      /pg_cron is not there[^]*create extension/,
    )
  })

  it('is one job of the owner’s, however often it is asked for; the last word counts', async () => {
    await asRoot(`create extension pg_cron; grant usage on schema cron to ${new URL(url).username}`)
    const [first, again] = [
      await asOwner(`select loomi_schedule_cleanup('7 days', 5, '0 3 * * *')`),
      await asOwner(`select loomi_schedule_cleanup('30 days')`),
    ]
    assert.equal(again, first)
    assert.equal(
      await asRoot('select schedule, database, username, active, command from cron.job'),
      `* * * * *|${DATABASE}|app|t|select public.loomi_cleanup('30 days', NULL)`,
    )
  })

  it('takes the old rows when pg_cron runs it, and no others', async () => {
    const ref = await aged('s-reboot')
    // What pg_cron runs as soon as it is there, so that nobody has to wait for the next minute.
    const job = await newJob(`'@reboot'`)
    await server.stop()
    await server.start()
    await succeeded(job)
    assert.deepEqual(await seqs(ref), [7, 8, 9, 10])
  })

  // Otherwise the next minute is not waited for.
  if (FULL)
    it('comes with the next minute', async () => {
      const ref = await aged('s-minute')
      await succeeded(await newJob(`'* * * * *'`), 70_000)
      assert.deepEqual(await seqs(ref), [7, 8, 9, 10])
    })

  /** A job in place of the one that is there, which may have run already; its id. */
  async function newJob(schedule: string): Promise<string> {
    await asOwner(`select cron.unschedule('loomi_cleanup')`)
    return asOwner(`select loomi_schedule_cleanup('30 days', null, ${schedule})`)
  }

  async function succeeded(job: string, ms?: number): Promise<void> {
    const runs = `select status, username, command, return_message from cron.job_run_details where jobid = ${job}`
    let said = ''
    const isOver = async (): Promise<boolean> => /^(succeeded|failed)/.test((said = await asRoot(runs)))
    await until(isOver, 'the job’s run', ms)
    assert.match(said, /^succeeded\|app\|select public.loomi_cleanup\('30 days', NULL\)/)
  }
})
