/** How each part of the store contract has its store: made before its first test, closed and taken away after its last. */
import { after, before } from 'node:test'
import type { Store } from '../../server/store.ts'
import type { ContractSubject } from './store-contract.ts'

/** To be called inside a suite; `hold` gets the store, and what it was made with, before the first test. */
export function useSubject(
  open: () => Promise<ContractSubject>,
  hold: (store: Store, subject: ContractSubject) => void,
): void {
  let subject: ContractSubject
  before(async () => {
    subject = await open()
    hold(subject.store, subject)
  })
  after(async () => {
    await subject.store.close()
    await subject.remove?.()
  })
}
