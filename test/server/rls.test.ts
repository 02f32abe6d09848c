/** Who may do what with each table and each function: as anon, as two signed-in users and as service_role, all of it. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { SupabaseClient } from '@supabase/supabase-js'
import { type PostgresServer, startPostgres, withoutPostgres } from '../databases/postgres.ts'
import { SupabaseRig } from '../databases/supabase.ts'
import {
  CALLS,
  type Cells,
  NOBODY,
  NOT_EVEN_THE_SERVER,
  type Role,
  ROLES,
  ROWS,
  SELECT,
  USERS,
  WRITE,
} from './rls-cells.ts'
import { newEvent } from './support.ts'

let postgres: Promise<PostgresServer> | null = null
const server = (): Promise<PostgresServer> => (postgres ??= startPostgres())
after(async () => (await postgres)?.remove())

for (const automaticGrants of [false, true])
  describe(
    `grants and row-level security, in a project ${automaticGrants ? 'that grants everything by itself' : 'of today'}`,
    { skip: withoutPostgres() },
    () => {
      let rig: SupabaseRig
      let clients: Readonly<Record<Role, SupabaseClient>>
      before(async () => {
        rig = await SupabaseRig.start({ automaticGrants, postgres: await server() })
        const { publishable, secret } = rig.keys
        clients = {
          anon: rig.client(publishable),
          A: rig.client(publishable, rig.keys.user(USERS.A)),
          B: rig.client(publishable, rig.keys.user(USERS.B)),
          service_role: rig.client(secret),
        }
        await seed(clients.service_role)
      })
      after(() => rig.remove())

      it('has a row of the matrix for every table and every function that there is', async () => {
        const names = async (sql: string): Promise<string[]> =>
          (await rig.psql(sql)).trim().split('\n').toSorted()
        const tables = await names(
          "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r','p','v','m','f','S')",
        )
        assert.deepEqual(tables, Object.keys(SELECT).toSorted())
        assert.deepEqual(tables, Object.keys(ROWS).toSorted())
        const functions = await names(
          "select proname from pg_proc where pronamespace = 'public'::regnamespace",
        )
        assert.deepEqual(functions, Object.keys(CALLS).toSorted())
      })

      it('shows each user their own rows and nobody else any', async () => {
        await matrix('select', SELECT, async (role, table) => {
          const { data, error } = await clients[role].from(table).select()
          return error ? outcome(error) : whose(data)
        })
      })

      for (const change of ['insert', 'update', 'delete'] as const)
        it(`lets nobody but the server ${change}`, async () => {
          const expected = Object.fromEntries(
            Object.keys(ROWS).map((table) => [table, NOT_EVEN_THE_SERVER.has(table) ? NOBODY : WRITE]),
          )
          await matrix(change, expected, async (role, name) => {
            const { row, key } = ROWS[name]!
            const table = clients[role].from(name)
            const { error } = await (change === 'insert'
              ? table.insert(row(`new by ${role}`))
              : change === 'update'
                ? table.update({ [key]: `new by ${role}` }).eq(key, `new by ${role}`)
                : table.delete().eq(key, `new by ${role}`))
            return outcome(error)
          })
        })

      it('lets nobody but the server call a function', async () => {
        const expected = Object.fromEntries(
          Object.keys(CALLS).map((name) => [name, NOT_EVEN_THE_SERVER.has(name) ? NOBODY : WRITE]),
        )
        await matrix('call', expected, async (role, name) => {
          const { error } = await clients[role].rpc(name, CALLS[name])
          return outcome(error)
        })
      })

      it('gives nobody what a request can’t ask for either: truncate, references, triggers, columns', async () => {
        const rows =
          await rig.psql(`select r, c.relname, p from pg_class c, unnest('{anon,authenticated,service_role}'::text[]) r,
              unnest('{TRUNCATE,REFERENCES,TRIGGER}'::text[]) p
            where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and has_table_privilege(r, c.oid, p)
            union all select r, c.relname, p from pg_class c, unnest('{anon,authenticated}'::text[]) r,
              unnest('{INSERT,UPDATE,REFERENCES}'::text[]) p
            where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and has_any_column_privilege(r, c.oid, p)`)
        assert.equal(rows, '')
      })

      it('has row-level security enabled and forced in every table', async () => {
        const rows =
          await rig.psql(`select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
            and not (relrowsecurity and relforcerowsecurity)`)
        assert.equal(rows, '')
      })

      it('has functions that run with the caller’s rights and look up nothing by the caller’s path', async () => {
        const rows = await rig.psql(`select proname from pg_proc where pronamespace = 'public'::regnamespace
            and (prosecdef or not coalesce(proconfig @> array['search_path=""'], false))`)
        assert.equal(rows, '')
      })

      it('takes the rows from the former owner when a session is transferred', async () => {
        const { service_role: server, A, B } = clients
        const ref = { p_session_id: 'moves', p_user_id: USERS.A }
        await done(server.rpc('loomi_append', { ...ref, p_events: [newEvent(1)] }))
        const seen = async (client: SupabaseClient): Promise<number[]> =>
          Promise.all(
            ['loomi_sessions', 'loomi_stream_events', 'loomi_runs'].map(async (table) => {
              const { data } = await client.from(table).select().eq('session_id', 'moves')
              return data!.length
            }),
          )
        assert.deepEqual(
          [await seen(A), await seen(B)],
          [
            [1, 1, 1],
            [0, 0, 0],
          ],
        )
        await done(server.rpc('loomi_transfer', { p_session_id: 'moves', p_from: USERS.A, p_to: USERS.B }))
        assert.deepEqual(
          [await seen(A), await seen(B)],
          [
            [0, 0, 0],
            [1, 1, 1],
          ],
        )
      })

      it('shows nothing to a token that names no user', async () => {
        const token = rig.keys.sign({ role: 'authenticated', user_metadata: { sub: USERS.A } })
        const { data } = await rig.client(rig.keys.publishable, token).from('loomi_sessions').select()
        assert.deepEqual(data, [])
      })
    },
  )

/** Tries every cell, and fails with the whole table when one is not as it should be. */
async function matrix(
  what: string,
  expected: Readonly<Record<string, Cells>>,
  attempt: (role: Role, name: string) => Promise<string>,
): Promise<void> {
  const actual: Record<string, string[]> = {}
  for (const name of Object.keys(expected)) {
    actual[name] = []
    for (const role of ROLES) actual[name].push(await attempt(role, name))
  }
  assert.equal(printed(what, actual), printed(what, expected))
}

function printed(what: string, rows: Readonly<Record<string, readonly string[]>>): string {
  const line = ([name, ...cells]: readonly string[]): string =>
    [name!.padEnd(24), ...cells.map((cell) => cell.padEnd(13))].join('').trimEnd()
  return [[what, ...ROLES], ...Object.entries(rows).map(([name, cells]) => [name, ...cells])]
    .map(line)
    .join('\n')
}

function outcome(error: { readonly code: string; readonly message: string } | null): string {
  if (!error) return 'done'
  return error.code === '42501' ? 'denied' : `${error.code} ${error.message}`
}

/** Of whom there are rows. */
function whose(rows: readonly Record<string, unknown>[]): string {
  const found = rows.map((row) => {
    if ('version' in row) return 'the server'
    return String(row['session_id']).replace('of ', '')
  })
  const all = [...new Set(found)].toSorted().join(' ')
  return all === 'A B' || all === 'the server' ? 'all' : all || 'none'
}

async function seed(server: SupabaseClient): Promise<void> {
  for (const [name, id] of Object.entries(USERS)) {
    const ref = { p_session_id: `of ${name}`, p_user_id: id }
    await done(server.rpc('loomi_append', { ...ref, p_events: [newEvent(1)] }))
    const beat = { sessionId: `of ${name}`, userId: id, lastBeatAt: 1_795_000_000_000, headSeq: 1 }
    await done(
      server.from('loomi_former_owners').insert({ session_id: `of ${name}`, user_id: `before ${name}` }),
    )
    await done(
      server.rpc('loomi_touch', { p_rows: [{ ...beat, pendingSeq: null, epoch: null, displayed: null }] }),
    )
  }
}

async function done(
  answer: PromiseLike<{ readonly error: { readonly message: string } | null }>,
): Promise<void> {
  const { error } = await answer
  if (error) throw new Error(error.message)
}
