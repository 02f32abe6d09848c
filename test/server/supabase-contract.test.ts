import { after, before, describe } from 'node:test'
import { openSupabase } from '../../server/stores/supabase.ts'
import { type PostgresServer, startPostgres, withoutPostgres } from '../databases/postgres.ts'
import { SupabaseRig } from '../databases/supabase.ts'
import { type ContractSubject, storeContract } from './store-contract.ts'

describe('Supabase, by supabase-js', { skip: withoutPostgres() }, () => {
  let postgres: PostgresServer
  before(async () => (postgres = await startPostgres()))
  after(() => postgres.remove())

  const open = async (): Promise<ContractSubject> => {
    const rig = await SupabaseRig.start({ postgres })
    const { env } = rig
    const reopen = (): ReturnType<typeof openSupabase> => openSupabase({ env })
    return { store: await reopen(), reopen, remove: () => rig.remove() }
  }
  storeContract('supabase', { shared: true, hasOwnClock: true }, open)
})
