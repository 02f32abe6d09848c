import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { LoomiError } from '../../server/errors.ts'
import type { SessionRef, Store } from '../../server/store.ts'
import { openStore } from '../../server/stores/open.ts'
import { openSupabase } from '../../server/stores/supabase.ts'
import { withoutPostgres } from '../databases/postgres.ts'
import { SupabaseRig } from '../databases/supabase.ts'
import { setEnvironment } from './environment.ts'
import { failure } from './supabase-failure.ts'
import { newEvent, newEvents } from './support.ts'

describe('the Supabase store', { skip: withoutPostgres() }, () => {
  let rig: SupabaseRig
  let store: Store
  let count = 0
  before(async () => {
    rig = await SupabaseRig.start()
    store = await openSupabase({ env: rig.env })
  })
  after(async () => {
    await store.close()
    await rig.remove()
  })
  const fresh = (): SessionRef => ({ sessionId: `s ${++count}`, userId: 'ada' })
  const fails = (work: () => Promise<unknown>): Promise<LoomiError> => failure(work, rig.keys.secret)

  it('is what `supabase:` opens, with the process’s environment', async () => {
    const restore = setEnvironment(rig.env)
    try {
      const opened = await openStore('supabase:')
      assert.deepEqual(await opened.heads([fresh()]), [null])
      await opened.close()
    } finally {
      restore()
    }
  })

  it('takes the service_role key of old as well', async () => {
    const { SUPABASE_URL } = rig.env
    const opened = await openSupabase({
      env: { SUPABASE_URL, SUPABASE_SERVICE_ROLE_KEY: rig.keys.legacyServiceRole },
    })
    assert.deepEqual(await opened.heads([fresh()]), [null])
    await opened.close()
  })

  it('asks for the heads of more sessions than an answer may have rows, in one call', async () => {
    const ref = fresh()
    await store.append(ref, [newEvent(1)])
    const before = rig.requests.length
    const heads = await store.heads([...Array.from({ length: 2500 }, fresh), ref])
    assert.deepEqual([heads.length, heads.at(-1)?.head, heads[0]], [2501, 1, null])
    assert.deepEqual(rig.requests.slice(before), ['POST rpc/loomi_heads'])
  })

  it('reads as many rows as it is asked for', async () => {
    const ref = fresh()
    await store.append(ref, newEvents(1, 1200))
    assert.equal((await store.read(ref, 0, 1100)).events.length, 1100)
  })

  it('refuses a key of another project, or none', async () => {
    const { SUPABASE_URL } = rig.env
    const other = 'sb_secret_of_another_project'
    const error = await failure(
      () => openSupabase({ env: { SUPABASE_URL, SUPABASE_SECRET_KEY: other } }),
      other,
    )
    assert.equal(error.code, 'store_misconfigured')
    assert.match(error.message, /401 Invalid API key.*SUPABASE_SECRET_KEY/s)
  })

  it('refuses a database without the migrations, and says which command to run', async () => {
    const bare = await SupabaseRig.start({ migrate: false, postgres: rig.postgres })
    try {
      const error = await failure(() => openSupabase({ env: bare.env }), bare.keys.secret)
      assert.equal(error.code, 'store_misconfigured')
      assert.match(error.message, /PGRST202.*supabase db push/s)
      await bare.migrate()
      await bare.psql("update loomi_migrations set version = '20200101000000'")
      const behind = await failure(() => openSupabase({ env: bare.env }), bare.keys.secret)
      assert.equal(behind.code, 'store_misconfigured')
      assert.match(behind.message, /20200101000000.*supabase db push/s)
    } finally {
      await bare.remove()
    }
  })

  it('names the grant that is missing', async () => {
    await rig.psql('revoke insert on loomi_stream_events from service_role')
    const error = await fails(() => store.append(fresh(), [newEvent(1)]))
    await rig.psql('grant insert on loomi_stream_events to service_role')
    assert.equal(error.code, 'store_misconfigured')
    assert.match(
      error.message,
      /403 42501 permission denied for table loomi_stream_events.*supabase db push/s,
    )
  })

  it('says that the database takes no changes', async () => {
    await rig.psql('alter role authenticator set default_transaction_read_only = on')
    await rig.stopServer()
    await rig.startServer()
    const error = await fails(() => store.append(fresh(), [newEvent(1)]))
    assert.equal(error.code, 'store_misconfigured')
    assert.match(error.message, /405 25006 .*disk is full/s)
    await rig.psql('alter role authenticator reset default_transaction_read_only')
    await rig.stopServer()
    await rig.startServer()
    assert.equal((await store.append(fresh(), [newEvent(1)])).ok, true)
  })

  it('refuses for good what Postgres can never store, and says why', async () => {
    const error = await fails(() => store.append(fresh(), [newEvent(1, { created_at: 'yesterday-ish' })]))
    assert.equal(error.code, 'store_refused')
    assert.match(error.message, /22007/)
  })

  it('is unavailable while the project is down, and goes on by itself', async () => {
    const ref = fresh()
    await store.append(ref, [newEvent(1)])
    await rig.stopServer()
    for (const work of [() => store.append(ref, [newEvent(2)]), () => store.read(ref, 0, 10)]) {
      const error = await fails(work)
      assert.equal(error.code, 'store_unavailable')
      assert.match(error.message, /can’t be reached \(ECONNREFUSED\).*SUPABASE_URL/s)
    }
    await rig.startServer()
    assert.equal((await store.append(ref, [newEvent(2)])).ok, true)
  })

  it('is unavailable while the database is down behind a project that answers', async () => {
    const ref = fresh()
    await store.append(ref, [newEvent(1)])
    await rig.postgres.stop()
    const error = await fails(() => store.append(ref, [newEvent(2)]))
    await rig.postgres.start()
    assert.equal(error.code, 'store_unavailable')
    assert.match(error.message, /503 PGRST000/)
    const { events } = await store.read(ref, 0, 10)
    assert.equal(events.length, 1)
  })

  it('refuses a URL with a password in it, and says nothing of it', async () => {
    const { SUPABASE_SECRET_KEY } = rig.env
    const error = await failure(
      () =>
        openSupabase({ env: { SUPABASE_URL: 'http://ada:hidden-word@127.0.0.1:9', SUPABASE_SECRET_KEY } }),
      'hidden-word',
    )
    assert.equal(error.code, 'store_misconfigured')
    assert.match(error.message, /SUPABASE_URL has a user or a password in it/)
  })

  it('keeps the key out of everything that it says, also when the key itself is at fault', async () => {
    const { SUPABASE_URL } = rig.env
    const lapsed = rig.keys.sign({ role: 'service_role', exp: 1 })
    const error = await failure(
      () => openSupabase({ env: { SUPABASE_URL, SUPABASE_SECRET_KEY: lapsed } }),
      lapsed,
    )
    assert.equal(error.code, 'store_misconfigured')
  })
})
