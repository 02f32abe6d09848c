/** A view in this process: a `RecoveryClient` over real sockets that notes everything it was given to show. */
import {
  type Clock,
  type Notice,
  RecoveryClient,
  type Shown,
  type Snapshot,
} from '../../elements/client/index.ts'
import { USER } from './script.ts'

/** Where one request goes. */
export interface Way {
  /** `http://host:port`. */
  readonly origin: string
  readonly headers?: { readonly [name: string]: string }
}

/** What a viewer is made with. */
export interface ViewerOptions {
  readonly session: string
  /** Asked before each request; the first is number 1. */
  readonly way: (nth: number) => Way
  readonly clock: Clock
  /** Default true, as the client asks for it. */
  readonly merged?: boolean
}

/** Milliseconds within which everything must have come about. */
const PATIENCE_MS = 30_000

/** A clock on which waits between attempts take next to no time, while the watchdogs bark as late as always. */
export function hurriedClock(waitMs = 1): Clock {
  return {
    now: () => Date.now(),
    setTimeout: (fn, ms) => setTimeout(fn, ms <= 5000 ? Math.min(ms, waitMs) : ms),
    clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
  }
}

/** One view; see the module. */
export class Viewer {
  readonly shown: Shown[] = []
  readonly notices: Notice[] = []
  /** How many events were withdrawn, each time after how many of `shown`. */
  readonly withdrawals: { readonly at: number; readonly count: number }[] = []
  readonly client: RecoveryClient
  /** The URLs asked for, oldest first. */
  readonly requests: string[] = []

  constructor({ session, way, clock, merged = true }: ViewerOptions) {
    this.client = new RecoveryClient({
      sessionId: session,
      userId: USER,
      base: 'http://wire.invalid/api/loomi',
      fetch: (input, init) => {
        const asked = new URL(input instanceof Request ? input.url : input)
        const { origin, headers = {} } = way(this.requests.length + 1)
        if (!merged) asked.searchParams.set('merge', '0')
        const url = `${origin}${asked.pathname}${asked.search}`
        this.requests.push(url)
        return fetch(url, { ...init, headers: { ...(init?.headers as Record<string, string>), ...headers } })
      },
      clock,
      random: () => 0,
      shareTabs: false,
      instant: () => true,
      beforeShow: (shown) => void this.shown.push(shown),
      onNotice: (notice) => {
        this.notices.push(notice)
        if (notice.type === 'unsaved') this.withdrawals.push({ at: this.shown.length, count: notice.count })
      },
    })
  }

  get snapshot(): Snapshot {
    return this.client.snapshot
  }

  /** Waits until the view shows what is wanted; says what it shows instead when that never happens. */
  until(wanted: (snapshot: Snapshot) => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        stop()
        clearTimeout(late)
      }
      const look = (): void => {
        if (!wanted(this.snapshot)) return
        done()
        resolve()
      }
      const late = setTimeout(() => {
        done()
        const { state, position, attempt, polling, error } = this.snapshot
        const now = JSON.stringify({
          state,
          position,
          attempt,
          polling,
          error,
          requests: this.requests.length,
        })
        reject(new Error(`Waited in vain until ${what}; the view stands at ${now}.`))
      }, PATIENCE_MS)
      const stop = this.client.subscribe(look)
      look()
    })
  }

  /** Whatever a view of a whole log should never hear of, in words. */
  get complaints(): string[] {
    const { gaps, error } = this.snapshot
    const told = this.notices.filter(({ type }) => type !== 'replay').map((notice) => JSON.stringify(notice))
    if (gaps.length > 0) told.push(`gaps ${JSON.stringify(gaps)}`)
    if (error) told.push(`error ${error.code}`)
    return told
  }
}
