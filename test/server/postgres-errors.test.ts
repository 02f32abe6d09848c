import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { LoomiError, type LoomiErrorCode } from '../../server/errors.ts'
import type { Store } from '../../server/store.ts'
import { postgresError } from '../../server/stores/postgres-errors.ts'
import { migratePostgres } from '../../server/stores/postgres-migrate.ts'
import { openPostgres } from '../../server/stores/postgres.ts'
import { sortSqlState } from '../../server/stores/sql-errors.ts'
import { emptyDatabase, newDatabase } from '../databases/postgres-log.ts'
import { type PostgresServer, startPostgres, withoutPostgres } from '../databases/postgres.ts'
import { newEvent, REF, rowsOf, tempFolder, until } from './support.ts'

const SECRETS = /own|%E2%80%99/

describe('what is wrong with a Postgres', { skip: withoutPostgres() }, () => {
  let server: PostgresServer
  let url: string
  let name: string
  before(async () => {
    server = await startPostgres()
    url = await newDatabase(server)
    name = new URL(url).pathname.slice(1)
  })
  after(() => server?.remove())

  /** The error of what rejects, which must hold no password. */
  async function errorOf(work: Promise<unknown>): Promise<LoomiError> {
    const error: unknown = await work.then(
      () => null,
      (error: unknown) => error,
    )
    assert.ok(error instanceof LoomiError, String(error))
    assert.doesNotMatch(`${error.message} ${String(error.cause)}`, SECRETS)
    return error
  }
  const opening = (at: string): Promise<LoomiError> => errorOf(openPostgres(at))
  const asRoot = (sql: string, database = name): Promise<string> => server.psql({ sql }, { database })

  const cases: readonly [string, () => string, LoomiErrorCode, RegExp][] = [
    [
      'a wrong port',
      () => url.replace(`:${server.port}/`, ':1/'),
      'store_unavailable',
      /ECONNREFUSED.*is the URL right/,
    ],
    [
      'a wrong host',
      () => url.replace('127.0.0.1', 'no-host.invalid'),
      'store_unavailable',
      /no-host\.invalid/,
    ],
    [
      'a wrong password',
      () => server.url({ user: 'app', password: 'not his own', database: name }),
      'store_misconfigured',
      /28P01.*right user and password/,
    ],
    [
      'no password',
      () => `postgres://app@127.0.0.1:${server.port}/${name}`,
      'store_misconfigured',
      /password/,
    ],
    [
      'an unknown user',
      () => server.url({ user: 'nobody', password: 'own', database: name }),
      'store_misconfigured',
      /right user/,
    ],
    [
      'an unknown database',
      () => server.url({ user: 'app', password: 'app’s own', database: 'nothing' }),
      'store_misconfigured',
      /createdb/,
    ],
    [
      'encryption that the server has none of',
      () => `${url}?sslmode=require`,
      'store_misconfigured',
      /not support SSL.*sslmode.*disable/,
    ],
    ['what is no URL', () => 'postgres://app:own@:x/', 'bad_option', /percent-encoded/],
  ]
  for (const [what, at, code, message] of cases)
    it(`is told of ${what}`, async () => {
      const error = await opening(at())
      assert.equal(error.code, code)
      assert.match(error.message, message)
    })

  it('is told of missing tables, with the command that makes them', async () => {
    const empty = await emptyDatabase(server)
    const error = await opening(empty)
    assert.equal(error.code, 'store_misconfigured')
    const store = `postgres://app@127.0.0.1:${server.port}${new URL(empty).pathname}`
    assert.ok(error.message.includes(`Run: npx loomi-recovery migrate --store ${store}`), error.message)
  })

  it('is told of a database that is behind, and of one that is ahead', async () => {
    const other = await newDatabase(server)
    const database = new URL(other).pathname.slice(1)
    await asRoot(`update loomi_migrations set version = '20250101000000'`, database)
    assert.match((await opening(other)).message, /up to 20250101000000 only.*loomi-recovery migrate/)
    await asRoot(`update loomi_migrations set version = '29990101000000'`, database)
    const error = await opening(other)
    assert.deepEqual([error.code, /Update the package/.test(error.message)], ['store_misconfigured', true])
  })

  it('is told of missing grants', async () => {
    await asRoot(`create role stranger login password 'stranger’s own'`)
    const error = await opening(server.url({ user: 'stranger', password: 'stranger’s own', database: name }))
    assert.equal(error.code, 'store_misconfigured')
    assert.match(error.message, /permission denied.*grant/)
  })

  describe('while it is used', () => {
    let store: Store
    before(async () => (store = await openPostgres(url)))
    after(() => store?.close())

    it('is told of a database that takes no changes, which can still be read', async () => {
      await store.append(REF, [newEvent(1)])
      await asRoot(`alter role app set default_transaction_read_only = on`)
      const other = await openPostgres(url)
      const error = await errorOf(other.append(REF, [newEvent(2)]))
      assert.equal(error.code, 'store_misconfigured')
      assert.match(error.message, /primary/)
      assert.equal((await rowsOf(other)).length, 1)
      await other.close()
      await asRoot(`alter role app reset default_transaction_read_only`)
    })

    it('refuses for good what it can never take, and goes on', async () => {
      const broken = newEvent(2, { event_data: '{' })
      assert.equal((await errorOf(store.append(REF, [broken]))).code, 'store_refused')
      assert.ok((await store.append(REF, [newEvent(2)])).ok)
    })

    it('is to be tried again when a statement takes too long', async () => {
      const impatient = await openPostgres(`${url}?statement_timeout=500`)
      const locked = server.psql(
        { sql: `begin; select loomi_lock('s-42'); select pg_sleep(1); commit` },
        { database: name },
      )
      const held = `select count(*) from pg_locks where locktype = 'advisory'`
      await until(async () => (await asRoot(held)).trim() !== '0', 'the lock')
      const error = await errorOf(impatient.append(REF, [newEvent(3)]))
      assert.equal(error.code, 'store_unavailable')
      await locked
      assert.ok((await impatient.append(REF, [newEvent(3)])).ok)
      await impatient.close()
    })
  })

  it('is no limit of a role’s to who waits for another to migrate', async () => {
    const other = await newDatabase(server)
    const database = new URL(other).pathname.slice(1)
    await asRoot(`alter role app in database ${database} set statement_timeout = '100ms'`)
    const locked = server.psql(
      { sql: 'begin; select pg_advisory_xact_lock(607841); select pg_sleep(0.5); commit' },
      { database },
    )
    const held = `select count(*) from pg_locks where locktype = 'advisory' and granted`
    await until(async () => (await asRoot(held)).trim() !== '0', 'the lock')
    assert.deepEqual(await migratePostgres(other), [])
    await locked
  })

  for (const word of ['/kX9own', 'a/kX9own', '12/kX9own', '#own', '?own'])
    it(`is told without the password of a URL in which it is not encoded: ${word}`, async () => {
      const error = await opening(`postgres://ada:${word}@db.invalid/loomi`)
      assert.equal(error.code, 'bad_option')
      assert.match(error.message, /percent-encoded/)
    })

  it('is told of a certificate that is not there', async () => {
    const error = await opening(`${url}?sslmode=verify-full&sslrootcert=/nowhere/ca.pem`)
    assert.equal(error.code, 'store_misconfigured')
    assert.match(error.message, /file that the store’s URL names can’t be read/)
  })

  it('is no death of the process when a certificate goes away while it listens', async () => {
    const folder = tempFolder()
    const pem = folder.path('ca.pem')
    writeFileSync(pem, '')
    const store = await openPostgres(`${url}?sslmode=disable&sslrootcert=${pem}`)
    let told = 0
    store.watch(() => told++)
    const wake = (): Promise<string> => asRoot(`select pg_notify('loomi', '["any"]')`)
    await until(async () => (await wake(), told > 0), 'a wake-up')
    folder.remove()
    await asRoot(`select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()`)
    await assert.rejects(store.read(REF, 0, 1))
    mkdirSync(dirname(pem))
    writeFileSync(pem, '')
    told = 0
    await until(async () => (await wake(), told > 0), 'a wake-up again')
    await store.close()
    folder.remove()
  })

  it('is mended as it says: a member of the owner may do everything', async () => {
    await asRoot(`create role worker login password 'worker’s own'; grant app to worker`)
    const store = await openPostgres(server.url({ user: 'worker', password: 'worker’s own', database: name }))
    assert.ok((await store.append({ ...REF, sessionId: 'of-a-member' }, [newEvent(1)])).ok)
    await store.close()
  })

  for (const [code, message, kind, remedy] of [
    ['08P01', 'FATAL: password authentication failed', 'store_misconfigured', /right user and password/],
    ['08P01', 'server login failed: FATAL role "app" does not exist', 'store_misconfigured', /right user/],
    ['08P01', 'FATAL: database "log" does not exist', 'store_misconfigured', /createdb/],
    ['08P01', 'unsupported startup parameter: options', 'store_misconfigured', /ignore_startup_parameters/],
    ['08P01', 'no more connections allowed (max_client_conn)', 'store_unavailable', /fewer processes/],
    ['08P01', 'query_wait_timeout', 'store_unavailable', /query_wait_timeout \(08P01\)\.$/],
    ['XX000', 'Tenant or user not found', 'store_misconfigured', /postgres\.PROJECT/],
    ['XX000', '(ENOTFOUND) tenant/user postgres.abc not found', 'store_misconfigured', /postgres\.PROJECT/],
    ['XX000', '(ENOIDENTIFIER) no tenant identifier provided', 'store_misconfigured', /postgres\.PROJECT/],
    ['XX000', 'Authentication error, reason: "Wrong password"', 'store_misconfigured', /right user/],
    ['XX000', 'SSL connection is required', 'store_misconfigured', /sslmode/],
    ['XX000', 'MaxClientsInSessionMode: max clients reached', 'store_unavailable', /pool size/],
    ['XX000', '(EMAXCONN) max client connections reached, limit: 200', 'store_unavailable', /pool size/],
    ['XX000', 'cache lookup failed for relation 1', 'store_failed', /XX000/],
  ] as const)
    it(`is told by a pooler that answers “${message}”`, () => {
      const error = postgresError({ severity: 'FATAL', code, message }, name)
      assert.equal(error.code, kind)
      assert.match(error.message, remedy)
      assert.equal(/createdb/.test(error.message), message.includes('database "'))
    })

  it('is told that the database wants encryption, and not another password', () => {
    const message = 'no pg_hba.conf entry for host "10.0.0.1", user "app", database "log", no encryption'
    const error = postgresError({ severity: 'FATAL', code: '28000', message }, name)
    assert.equal(error.code, 'store_misconfigured')
    assert.match(error.message, /sslmode/)
    assert.doesNotMatch(error.message, /password/)
  })

  it('is told apart from what is wrong with the way to it', () => {
    const broken = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
    assert.equal(postgresError(broken, name).code, 'store_unavailable')
  })

  it('is sorted by Postgres’s codes', () => {
    const sorted: Record<string, LoomiErrorCode> = {
      '08006': 'store_unavailable',
      '22P05': 'store_refused',
      '23505': 'store_refused',
      '25006': 'store_misconfigured',
      '28P01': 'store_misconfigured',
      '3D000': 'store_misconfigured',
      '40001': 'store_busy',
      '40P01': 'store_busy',
      '42501': 'store_misconfigured',
      '42883': 'store_misconfigured',
      '42P01': 'store_misconfigured',
      '53100': 'store_unavailable',
      '53300': 'store_unavailable',
      '54000': 'store_refused',
      '57014': 'store_unavailable',
      '57P01': 'store_unavailable',
      XX000: 'store_failed',
    }
    for (const [state, code] of Object.entries(sorted)) assert.equal(sortSqlState(state), code, state)
  })
})
