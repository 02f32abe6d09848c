import { openSqlite } from '../../server/stores/sqlite.ts'
import { storeContract } from './store-contract.ts'
import { tempFolder } from './support.ts'

storeContract('SQLite in memory', { shared: false }, async () => ({ store: openSqlite(':memory:') }))

storeContract('SQLite in a file', { shared: true }, async () => {
  const { path, remove } = tempFolder()
  const file = path('log.db')
  return { store: openSqlite(file), reopen: async () => openSqlite(file), remove }
})
