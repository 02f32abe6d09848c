import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { openSupabase } from '../../server/stores/supabase.ts'
import { withoutPostgres } from '../databases/postgres.ts'
import { SupabaseRig } from '../databases/supabase.ts'
import { newEvent, REF, until } from './support.ts'

describe('the wake-ups of a Supabase store', { skip: withoutPostgres() }, () => {
  let rig: SupabaseRig
  before(async () => (rig = await SupabaseRig.start()))
  after(() => rig.remove())

  /** What the wake-up is told that follows an append of another server. */
  async function wakeUp(databaseUrl: string | null): Promise<ReadonlySet<string> | undefined> {
    const { env } = rig
    const store = await openSupabase({ env: databaseUrl ? { ...env, DATABASE_URL: databaseUrl } : env })
    const other = await openSupabase({ env })
    const told: (ReadonlySet<string> | undefined)[] = []
    const stop = store.watch((ids) => told.push(ids))
    try {
      // Who begins to listen looks as well; so does, for a moment, who can't know yet that it hears.
      const isListening = databaseUrl === rig.ownerUrl
      if (isListening) await until(() => told.length > 0, 'the first wake-up')
      const before = told.length
      await other.append(REF, [newEvent(1, { run_id: `run for ${databaseUrl}` })])
      await until(() => told.slice(before).some((ids) => !isListening || ids), 'a wake-up')
      return told.at(-1)
    } finally {
      stop()
      await Promise.all([store.close(), other.close()])
    }
  }

  it('come by asking, and are about any session', async () => {
    assert.equal(await wakeUp(null), undefined)
  })

  it('come at once, and tell which session, where the database can be listened to', async () => {
    assert.deepEqual(await wakeUp(rig.ownerUrl), new Set([REF.sessionId]))
  })

  it('come by asking, and with a warning, when DATABASE_URL says that it is a transaction pooler', async () => {
    const warned = once(process, 'warning') as Promise<[Error & { code: string }]>
    assert.equal(await wakeUp(`${rig.ownerUrl}?pgbouncer=true`), undefined)
    const [warning] = await warned
    assert.equal(warning.code, 'LOOMI_NO_LISTEN')
    // Not what is said of wake-ups that listen.
    assert.match(warning.message, /DATABASE_URL.*transaction pooler/)
  })

  it('come by asking, and with a warning, when DATABASE_URL is another database', async () => {
    await rig.psql('create database another owner project_owner')
    const warned = once(process, 'warning') as Promise<[Error & { code: string }]>
    assert.equal(await wakeUp(rig.ownerUrl.replace(/\w+$/, 'another')), undefined)
    const [warning] = await warned
    assert.equal(warning.code, 'LOOMI_NO_LISTEN')
    assert.match(warning.message, /another database/)
    assert.equal(warning.message.includes('project@'), false)
  })
})
