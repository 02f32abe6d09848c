/**
 * What the tables of docs/producers.md say of `loomi_append`: its arguments, an event's fields, and each refusal.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Client } from 'pg'
import { withoutPostgres } from '../databases/postgres.ts'
import type { DocPage } from './blocks.ts'
import { lacking } from './needs.ts'
import type { Places } from './producers-place.ts'

type Event = Readonly<Record<string, unknown>>

const EVENT: Event = { event_type: 'message', event_data: 'Hello' }
const LARGE = 'x'.repeat(1 << 20)

/** What brings each error about: the events, and the arguments where they are at fault. */
const ERRORS: Readonly<Record<string, { readonly events?: Event; readonly args?: Record<string, unknown> }>> =
  {
    PGRST202: { args: { p_text: 'Hello' } },
    '23502': { events: { event_type: 'message' } },
    '23514': { events: { ...EVENT, event_data: LARGE } },
    '22P02': { events: { ...EVENT, event_data_json: '{' } },
    '22P05': { events: { ...EVENT, event_data: 'a\0b' } },
  }

/** The tests, in the suite that calls it. `places` is asked for when they run. */
export function tables(page: DocPage, places: () => Places): void {
  const skip = lacking(withoutPostgres())

  it('name the arguments that there are', { skip }, async () => {
    const named = page.table('argument').flatMap(([cell]) => cell!.match(/\w+/g)!)
    const sql = "select array_to_string(proargnames, ' ') from pg_proc where proname = 'loomi_append'"
    const [known] = (await places().sql(sql)).trim().split(' p_notify')
    assert.deepEqual(named, known!.split(' '))
  })

  it('name fields that are kept as they are given', { skip }, async () => {
    const named = page.table('field of an event').flatMap(([cell]) => cell!.match(/\w+/g)!)
    const event = {
      ...EVENT,
      content_type: 'c',
      agent_source: 'planner',
      run_id: 'fields',
      n: 7,
      part_id: 'fields/m/0',
      part_done: true,
      event_metadata: { a: [1] },
      created_at: '2026-11-24T20:00:00.000Z',
    }
    const asText = ['event_data_json', 'event_metadata_json']
    assert.deepEqual(named.filter((name) => !asText.includes(name)).toSorted(), Object.keys(event).toSorted())
    const { body } = await append('s-fields', [event, { event_type: 'x', event_data_json: '{"a": 1.0}' }])
    const [row, other] = (body as { added: Record<string, unknown>[] }).added
    const [data, metadata] = [JSON.stringify(EVENT['event_data']), JSON.stringify(event.event_metadata)]
    assert.deepEqual(row, { ...event, seq: 1, i: 0, event_data: data, event_metadata: metadata })
    assert.equal(other!['event_data'], '{"a": 1.0}')
  })

  it('tell each answer that is a refusal', { skip }, async () => {
    const codes = page.table('code').map(([code]) => code!)
    await append('s-codes', [
      { ...EVENT, run_id: 'a', n: 1 },
      { ...EVENT, run_id: 'b', n: 2 },
    ])
    const told = [await append('s-codes', [EVENT], { p_user_id: 'bob' })]
    const joined = { ...EVENT, run_id: 'b', n: 4, first_n: 1 }
    const overlap = await append('s-codes', [joined])
    await places().rig.psql(`select loomi_stop('s-codes')`)
    const stopped = await append('s-codes', [{ ...EVENT, run_id: 'a', n: 2 }])
    await append('s-codes', [{ event_type: 'session_complete', event_data: null, run_id: 'c' }])
    told.push(await append('s-codes', [{ ...EVENT, run_id: 'd' }]), stopped, overlap)
    assert.deepEqual(
      told.map(({ status, body }) => ({ status, ok: body['ok'], code: body['code'] })),
      codes.map((code) => ({ status: 200, ok: false, code })),
    )
    assert.deepEqual(overlap.body['high'], { n: 2, i: 0 })
  })

  it('tell each error of PostgREST with its status', { skip }, async () => {
    const rows = new Map(
      page
        .table('error')
        .flatMap(([cells, status]) =>
          [...cells!.matchAll(/\w{5,}/g)].map(([code]): [string, string] => [code, status!]),
        ),
    )
    for (const [code, { events = EVENT, args = {} }] of Object.entries(ERRORS)) {
      const { status, body } = await append('s-errors', [events], args)
      assert.deepEqual([body['code'], `${status}`], [code, rows.get(code)], JSON.stringify(body))
    }
    const { rig } = places()
    const asBrowser = await append('s-errors', [EVENT], {}, rig.keys.publishable)
    await rig.psql('revoke execute on function loomi_append from service_role')
    const withoutGrant = await append('s-errors', [EVENT])
    await rig.psql('grant execute on function loomi_append to service_role')
    for (const { body } of [asBrowser, withoutGrant]) assert.equal(body['code'], '42501')
    assert.equal(rows.get('42501'), `${asBrowser.status}, ${withoutGrant.status}`)
  })

  it('tell the same errors of Postgres', { skip }, async () => {
    const db = new Client(places().byName.postgres.env['DATABASE_URL'])
    await db.connect()
    const codeOf = async (event: Event): Promise<string> => {
      const call = db.query('select loomi_append($1, $2, $3::text::json)', [
        's-e',
        'ada',
        JSON.stringify(event),
      ])
      return call.then(
        () => 'none',
        (error: { code: string }) => error.code,
      )
    }
    // There U+0000 is kept.
    for (const code of ['23502', '23514', '22P02']) assert.equal(await codeOf(ERRORS[code]!.events!), code)
    assert.equal(await codeOf(ERRORS['22P05']!.events!), 'none')
    await db.end()
  })

  /** Calls the function through PostgREST. */
  async function append(
    session: string,
    events: readonly Event[],
    args: Record<string, unknown> = {},
    key: string = places().rig.keys.secret,
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const body = { p_session_id: session, p_user_id: 'ada', p_events: events, ...args }
    const response = await fetch(`${places().rig.env.SUPABASE_URL}/rest/v1/rpc/loomi_append`, {
      method: 'POST',
      headers: { apikey: key, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
}
