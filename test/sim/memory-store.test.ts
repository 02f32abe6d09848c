/** The simulation's store keeps every promise that a real one does; otherwise it would prove nothing. */
import { type ContractSubject, storeContract } from '../server/store-contract.ts'
import { MemoryLog } from './memory-log.ts'
import { MemoryStore } from './memory-store.ts'
import { Random } from './random.ts'

const open = async (): Promise<ContractSubject> => {
  const random = new Random(1, 'epochs')
  let ahead = 0
  const shared = {
    log: new MemoryLog({ newEpoch: () => random.word(8), now: () => Date.now() + ahead }),
    stores: new Set<MemoryStore>(),
  }
  return {
    store: new MemoryStore(shared),
    reopen: async () => new MemoryStore(shared),
    advance: (ms) => (ahead += ms),
  }
}

storeContract('the simulation’s memory', { shared: true }, open)
