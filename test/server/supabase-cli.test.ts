import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { withoutPostgres } from '../databases/postgres.ts'
import { SupabaseRig } from '../databases/supabase.ts'
import { SupabaseProject, withoutSupabaseCli } from '../databases/supabase-cli.ts'

describe('Supabase’s command line', { skip: withoutPostgres() || withoutSupabaseCli() }, () => {
  let rig: SupabaseRig
  let project: SupabaseProject
  before(async () => {
    project = await SupabaseProject.make()
    rig = await SupabaseRig.start({ migrate: false })
  })
  after(async () => {
    project.remove()
    await rig.remove()
  })
  const push = (): ReturnType<SupabaseProject['run']> => project.run(['db', 'push', '--yes'], rig.ownerUrl)
  const advise = (): ReturnType<SupabaseProject['run']> =>
    project.run(['db', 'advisors', '--level', 'warn', '--fail-on', 'warn'], rig.ownerUrl)

  it('applies the migrations to a new project, as its owner, and once', async () => {
    const first = await push()
    assert.equal(first.code, 0, first.out)
    assert.match(first.out, /Applying migration \d+_loomi_recovery\.sql/)
    const again = await push()
    assert.match(again.out, /up to date/)
    assert.match(await rig.psql('select name from loomi_migrations'), /loomi_recovery/)
  })

  it('has no advice on security or performance', async () => {
    const { code, out } = await advise()
    assert.equal(code, 0, out)
    assert.match(out, /No issues found/)
  })

  it('has much to say on what the migrations avoid', async () => {
    await rig.psql(`create table planted (id text);
      grant select on planted to anon, authenticated;
      create table slow (id text);
      alter table slow enable row level security;
      create policy own on slow to authenticated using (id = auth.uid()::text);
      grant select on slow to authenticated;
      create function loose() returns int language sql as 'select 1'`)
    const { code, out } = await advise()
    assert.notEqual(code, 0)
    for (const name of ['rls_disabled_in_public', 'auth_rls_initplan', 'function_search_path_mutable'])
      assert.match(out, new RegExp(name))
  })
})
