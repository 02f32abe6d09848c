/** The promises of server/store.ts in sentences, part by part; every store passes them. */
import type { Store } from '../../server/store.ts'
import { largeContract } from './store-contract-large.ts'
import { logContract } from './store-contract-log.ts'
import { pruneContract } from './store-contract-prune.ts'
import { runsContract } from './store-contract-runs.ts'
import { textContract } from './store-contract-text.ts'
import { usersContract } from './store-contract-users.ts'

/** A store to be tested. */
export interface ContractSubject {
  readonly store: Store
  /** Another connection to the same log, as another process would have it. */
  readonly reopen?: () => Promise<Store>
  /** Moves the store's own clock on; without it what needs the clock waits for short times to pass, or is left out. */
  readonly advance?: (ms: number) => void
  /** Takes away what the store needed. */
  readonly remove?: () => void | Promise<void>
}

/**
 * One part. `shared`: other connections reach the same log, by `reopen`. `hasOwnClock`: there is no `advance`. Makes its own
 * store with `open`.
 */
export type Contract = (
  name: string,
  about: { readonly shared: boolean; readonly hasOwnClock?: boolean },
  open: () => Promise<ContractSubject>,
) => void

/** The whole contract, run against the stores that `open` makes: one for each part. */
export const storeContract: Contract = (name, about, open) => {
  for (const part of [logContract, textContract, usersContract, runsContract, pruneContract, largeContract])
    part(name, about, open)
}
