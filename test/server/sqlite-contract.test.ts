import { openSqlite } from '../../server/stores/sqlite.ts'
import { type ContractSubject, storeContract } from './store-contract.ts'
import { pruneContract } from './store-contract-prune.ts'
import { runsContract } from './store-contract-runs.ts'
import { tempFolder } from './support.ts'

const inMemory = async (): Promise<ContractSubject> => ({ store: openSqlite(':memory:') })

const inFile = async (): Promise<ContractSubject> => {
  const { path, remove } = tempFolder()
  const file = path('log.db')
  return { store: openSqlite(file), reopen: async () => openSqlite(file), remove }
}

for (const contract of [storeContract, runsContract, pruneContract]) {
  contract('SQLite in memory', { shared: false }, inMemory)
  contract('SQLite in a file', { shared: true }, inFile)
}
