/** The simulation's store keeps every promise that a real one does; otherwise it would prove nothing. */
import { type ContractSubject, storeContract } from '../server/store-contract.ts'
import { pruneContract } from '../server/store-contract-prune.ts'
import { runsContract } from '../server/store-contract-runs.ts'
import { MemoryLog } from './memory-log.ts'
import { MemoryStore } from './memory-store.ts'
import { Random } from './random.ts'

const open = async (): Promise<ContractSubject> => {
  const random = new Random(1, 'epochs')
  const shared = {
    log: new MemoryLog({ newEpoch: () => random.word(8), now: Date.now }),
    stores: new Set<MemoryStore>(),
  }
  return { store: new MemoryStore(shared), reopen: async () => new MemoryStore(shared) }
}

for (const contract of [storeContract, runsContract, pruneContract])
  contract('the simulation’s memory', { shared: true }, open)
