import { after } from 'node:test'
import { openPostgres } from '../../server/stores/postgres.ts'
import { newDatabase, type Kind } from '../databases/postgres-log.ts'
import { type PostgresServer, startPostgres, withoutPostgres } from '../databases/postgres.ts'
import { type ContractSubject, storeContract } from './store-contract.ts'

let server: PostgresServer | null = null
after(() => server?.remove())

function subject(kind: Kind): () => Promise<ContractSubject> {
  return async () => {
    const url = await newDatabase(server!, kind)
    return { store: await openPostgres(url), reopen: () => openPostgres(url) }
  }
}

if (!withoutPostgres()) {
  server = await startPostgres()
  storeContract(
    'a plain Postgres, as the owner of the tables',
    { shared: true, hasOwnClock: true },
    subject('plain'),
  )
  storeContract(
    'a Postgres with Supabase’s roles, as service_role',
    { shared: true, hasOwnClock: true },
    subject('supabase'),
  )
}
