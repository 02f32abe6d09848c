/**
 * Who vouches for the events that are not stored: the server process that shows them, and where in the log its stream began.
 *
 * @module
 */
import type { Items } from './items.ts'

/** Says of a view's unconfirmed events which may still be stored. */
export class Voucher {
  readonly #items: Items
  #boot: string | null = null
  #beganAt = 0
  /** Up to this seq rows were pruned before they were read, while events were shown that were not stored. */
  #doubtTo = 0

  constructor(items: Items) {
    this.#items = items
  }

  /** The process; null while nobody said which. */
  get boot(): string | null {
    return this.#boot
  }

  /** Its stream began before rows that are pruned: it shows events of which it does not know yet whether they are among them. */
  get isInDoubt(): boolean {
    return this.#beganAt < this.#doubtTo
  }

  /** A stream of a process says that it begins after `seq`. */
  meet(boot: string, seq: number): void {
    if (this.#boot === null) for (const event of this.#items.unconfirmed) event.boot ??= boot
    this.#boot = boot
    this.#beganAt = seq
  }

  /** Which process it is that shows what comes next is not known. */
  lose(): void {
    this.#boot = null
  }

  /** Rows up to `to` are gone, unread. True when events are shown that may be among them. */
  doubt(to: number): boolean {
    const { unconfirmed } = this.#items
    for (const event of unconfirmed) event.isInDoubt = true
    if (unconfirmed.size > 0) this.#doubtTo = to
    return unconfirmed.size > 0
  }

  /**
   * A catch-up is over: what its process does not vouch for is withdrawn. How many events were of another process and so
   * could not be saved; of those that were in doubt the gap has told, and what is still to be stored comes once more.
   */
  settle(): number {
    const known = this.#boot
    if (known === null || this.#items.unconfirmed.size === 0) return 0
    if (!this.isInDoubt) this.#items.withdraw(({ boot, isInDoubt }) => isInDoubt && boot === known)
    return this.#items.withdraw(({ boot }) => boot !== known)
  }

  /** Another log begins. */
  restart(): void {
    this.#beganAt = this.#doubtTo = 0
  }
}
