/**
 * What the recovery client takes and what it shows: the words between the client and whoever renders it.
 *
 * @module
 */
import type { Cursor, LoomiEvent, ResetReason } from '../../server/protocol.ts'

/**
 * What the client is doing, one word for code, CSS (`:state()`), events and docs:
 * `idle` (not asked to connect), `connecting`, `replaying` (rows up to the replay's end are being shown),
 * `live`, `waiting` (for the next attempt), `offline` (the device says so), `complete` (the session was
 * closed), `failed` (nothing more will be tried until somebody acts; see `snapshot.error`).
 */
export type ClientState =
  | 'idle'
  | 'connecting'
  | 'replaying'
  | 'live'
  | 'waiting'
  | 'offline'
  | 'complete'
  | 'failed'

/** Where an event stands: seen before this view opened, missed, or after the catch-up. */
export type Phase = 'restored' | 'replay' | 'live'

/** One bubble: a part (all its deltas so far) or a single event. Immutable; a new object when it grows. */
export interface Item {
  /** Unique and stable in the view: the `part_id`, else the event's key. */
  readonly id: string
  /** Its first event; of a part, `event_data` is the first delta only: use `text`. */
  readonly event: LoomiEvent
  /** All its text so far. */
  readonly text: string
  /** The phase of its first event. */
  readonly phase: Phase
  /** Short for `phase === 'replay'`. */
  readonly isReplay: boolean
  /** The part has ended, by itself or with its run. Single events are done at once. */
  readonly done: boolean
  /** It arrived, or grew, while the document was hidden and has not been seen yet. */
  readonly unseen: boolean
  /** Place in the log of its first event; null while the store has not confirmed any of it. */
  readonly seq: number | null
}

/** What a view shows; a new object only on change, so it can be compared by identity. */
export interface Snapshot {
  readonly state: ClientState
  /** In the order of the log; after them those that the store has not confirmed, in the order in which they came. */
  readonly items: readonly Item[]
  /** Whether the newest run has no `run_end` yet. */
  readonly running: boolean
  /** Events missed, of the current replay or else the last one; 0 before the first. */
  readonly missed: number
  /** How many of `missed` are shown already. */
  readonly caughtUp: number
  /** Failed attempts in a row; 0 while connected. */
  readonly attempt: number
  /** When the next attempt is due, in milliseconds of the clock; null when none is. */
  readonly retryAt: number | null
  /** What this view has taken in; null before the first frame. */
  readonly position: Cursor | null
  /** True while a proxy that holds streams back is got round by polling. */
  readonly polling: boolean
  /** Places where history is gone for good, as `[from, to]` seqs. */
  readonly gaps: readonly (readonly [from: number, to: number])[]
  /** Places where events were shown and then withdrawn, because they could not be saved. */
  readonly unsaved: readonly Unsaved[]
  /** Why the state is `failed`, or what the last attempt ran into; null when all is well. */
  readonly error: ClientError | null
}

/** So many events were withdrawn after the item of that id; null: before the first. */
export interface Unsaved {
  readonly after: string | null
  readonly count: number
}

/** A trouble in words that a page may show. `code` is the server's, or one of the client's own. */
export interface ClientError {
  readonly code: string
  readonly message: string
}

/** One event about to be shown. `text` is the new text only; `item` is the bubble with all of it. */
export interface Shown {
  readonly event: LoomiEvent
  readonly text: string
  readonly item: Item
  readonly phase: Phase
  readonly isReplay: boolean
  /** Its place in the log; null while the store has not confirmed it. It is not shown again when that happens. */
  readonly cursor: Cursor | null
}

/** Something the page should hear of, beside the snapshot. */
export type Notice =
  | { readonly type: 'replay'; readonly phase: 'start' | 'end'; readonly missed: number }
  | { readonly type: 'gap'; readonly from: number; readonly to: number }
  /** The last `count` events could not be saved: what was shown of them is gone. */
  | { readonly type: 'unsaved'; readonly count: number }
  | { readonly type: 'error'; readonly code: string; readonly message: string }

/** What happened to the page around the client. The client has no DOM: whoever owns one tells it. */
export type Signal = 'online' | 'offline' | 'visible' | 'hidden' | 'pageshow' | 'resume' | 'freeze'

/** Time, to be replaced in tests. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  setTimeout(fn: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
}

export interface ClientOptions {
  /** 1 to 128 characters. */
  readonly sessionId: string
  /** Sent as `?user_id=` for servers without `authorize`; with one, the server asks the credential. */
  readonly userId?: string
  /** Where the route is mounted: a path or an absolute URL. Default `/api/loomi`. */
  readonly base?: string
  /** Asked before every attempt; sent as `Authorization: Bearer`. After a 401 it is asked once more with `renew`. */
  readonly getToken?: (renew: boolean) => string | null | undefined | Promise<string | null | undefined>
  /** For `fetch`. Default `same-origin`. */
  readonly credentials?: RequestCredentials
  /** `restore` (default) shows the whole log; `none` starts at `after`, for apps that render their own history. */
  readonly history?: 'restore' | 'none'
  /** With `history: 'none'`: where to start; default the displayed cursor, else the server's decision. */
  readonly after?: Cursor
  /** The device's displayed cursor, asked once before the first attempt (at most 300 ms are waited). */
  readonly getSeen?: () => Promise<Cursor | null>
  /** Milliseconds between two visible groups of a replay. Default 50. */
  readonly replayMs?: number
  /** The missed part is shown within this many milliseconds, however long it is. Default 1200. */
  readonly replayBudgetMs?: number
  /** Asked when a replay starts: true shows it at once (`prefers-reduced-motion`). */
  readonly instant?: () => boolean
  /** Whether the document is visible at the start. Default true. */
  readonly visible?: boolean
  /** Called before an event is shown; returning false keeps it out of `items` (its place is taken in all the same). */
  readonly beforeShow?: (shown: Shown) => boolean | void
  /**
   * Called when an event has been rendered while visible, newest only, in order. `restarts`: the log was replaced, so this
   * counts although what was displayed before was further on.
   */
  readonly onDisplayed?: (cursor: Cursor, restarts: boolean) => void
  readonly onNotice?: (notice: Notice) => void
  /** The log began again or the cursor is not of it. Returning false keeps what is shown and goes on at the new log's start. */
  readonly onReset?: (reason: ResetReason) => boolean | void
  /** One connection for all tabs of this session, by Web Locks and a BroadcastChannel. Default true where both exist. */
  readonly shareTabs?: boolean
  readonly fetch?: typeof fetch
  readonly clock?: Clock
  /** 0 to 1, for the jitter. Default `Math.random`. */
  readonly random?: () => number
}
