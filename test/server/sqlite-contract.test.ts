import { openSqlite } from '../../server/stores/sqlite.ts'
import { type ContractSubject, storeContract } from './store-contract.ts'
import { tempFolder } from './support.ts'

/** A clock that is an hour behind everybody else's, and can be moved. */
function ownClock(): { now: () => number; advance: (ms: number) => void } {
  let ahead = -3_600_000
  return { now: () => Date.now() + ahead, advance: (ms) => (ahead += ms) }
}

const inMemory = async (): Promise<ContractSubject> => {
  const { now, advance } = ownClock()
  return { store: openSqlite(':memory:', now), advance }
}

const inFile = async (): Promise<ContractSubject> => {
  const { path, remove } = tempFolder()
  const file = path('log.db')
  return { store: openSqlite(file), reopen: async () => openSqlite(file), remove }
}

storeContract('SQLite in memory', { shared: false }, inMemory)
storeContract('SQLite in a file', { shared: true, hasOwnClock: true }, inFile)
