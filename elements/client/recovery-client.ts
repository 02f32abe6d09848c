/**
 * The client: keeps a view of one session whole, whatever happens to the network, the tab or the server.
 *
 * @module
 */
import { type Cursor, DEFAULT_BASE, isId, type ResetReason } from '../../server/protocol.ts'
import { Callbacks } from './callbacks.ts'
import { systemClock } from './clock.ts'
import { compareCursors } from './frames.ts'
import { JumpWatch } from './jump-watch.ts'
import { CONNECTING, type LinkHost, type LinkStatus } from './link.ts'
import { streamHeaders, streamUrl } from './request.ts'
import { Seen } from './seen.ts'
import { Supply } from './supply.ts'
import { canShareTabs } from './tabs.ts'
import { Troubles } from './troubles.ts'
import type { ClientOptions, ClientState, Clock, Notice, Signal, Snapshot } from './types.ts'
import { View } from './view.ts'

/** Milliseconds after which restored rows are shown even though more of them are on their way. */
const HOLD_MS = 1000

const IDLE = { ...CONNECTING, state: 'idle' } as const

/**
 * Takes in a session's stream and shows it as one immutable {@link Snapshot}. Every event is shown once and in order;
 * a broken connection is resumed from the position by itself. It has no DOM: {@link RecoveryClient.signal} tells
 * it what happens to the page.
 *
 * @example
 * ```ts
 * const client = new RecoveryClient({ sessionId: 's-42', userId: 'ada' })
 * client.subscribe(() => render(client.snapshot))
 * client.connect()
 * ```
 */
export class RecoveryClient {
  readonly #options: ClientOptions
  readonly #clock: Clock
  readonly #callbacks: Callbacks
  readonly #view: View
  readonly #seen: Seen
  readonly #troubles: Troubles
  readonly #jumps: JumpWatch
  readonly #subscribers = new Set<() => void>()
  #snapshot: Snapshot
  #supply: Supply | null = null
  /** Of the supply, also after its end; null while nobody asked for one. */
  #status: LinkStatus | null = null
  #visible: boolean
  #offline = false
  #rush = false
  /** The newest event that a beat knew of when we were behind it. */
  #behind: Cursor | null = null
  #hold: unknown = null

  constructor(options: ClientOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#visible = options.visible ?? true
    const callbacks = new Callbacks(options)
    this.#callbacks = callbacks
    this.#seen = new Seen(callbacks.displayed.bind(callbacks))
    this.#troubles = new Troubles((error) => callbacks.notice({ type: 'error', ...error }))
    this.#jumps = new JumpWatch(this.#clock, () => this.signal('resume'))
    const hooks = {
      visible: () => this.#visible,
      opened: () => this.#publish(),
      beforeShow: callbacks.beforeShow.bind(callbacks),
      reset: (reason: ResetReason) => {
        const clears = callbacks.reset(reason)
        this.#seen.restart()
        return clears
      },
      notice: (notice: Notice) => this.#notify(notice),
    }
    this.#view = new View(hooks, options.history !== 'none')
    this.#snapshot = this.#look()
  }

  /** What the view shows now; the same object until something changes. */
  get snapshot(): Snapshot {
    return this.#snapshot
  }

  /** Calls `fn` after each change of the snapshot; returns what ends that. */
  subscribe(fn: () => void): () => void {
    this.#subscribers.add(fn)
    return () => this.#subscribers.delete(fn)
  }

  /** Connects, or tries at once when waiting, or once more when failed. What is shown stays and is continued. */
  connect(): void {
    if (this.#supply) return this.#supply.wake(true)
    if (this.#status?.state === 'complete') return
    const { sessionId } = this.#options
    if (!isId(sessionId)) {
      const error = {
        code: 'session_id_invalid',
        message: 'A session id has 1 to 128 characters and no control characters.',
      }
      return this.#follow({ ...CONNECTING, state: 'failed', error })
    }
    this.#status = CONNECTING
    this.#supply = this.#newSupply()
    this.#jumps.start()
    this.#supply.open()
    this.#publish()
  }

  /** Ends all that the client does. What is shown stays. */
  disconnect(): void {
    this.#supply?.close()
    this.#jumps.stop()
    this.#supply = null
    this.#status = null
    this.#behind = null
    this.#publish()
  }

  /** Shows what is left of the current replay at once. */
  showAll(): void {
    if (this.#view.stage !== 'replaying' || this.#view.missed === this.#view.caughtUp) return
    this.#rush = true
    this.#supply?.hurry()
  }

  /** Tells what happened to the page. */
  signal(signal: Signal): void {
    switch (signal) {
      case 'visible':
        this.#visible = true
        this.#view.items.see()
        this.#publish()
        return this.#supply?.wake(true)
      case 'hidden':
        this.#visible = false
        return this.#supply?.hurry()
      case 'offline':
      case 'online':
        this.#offline = signal === 'offline'
        return this.#supply?.setOffline(this.#offline)
      case 'freeze':
        return this.#supply?.freeze()
      default:
        return this.#supply?.wake(false)
    }
  }

  /** Tells what a beat's answer said is the newest event. Two in a row that we are behind make the client fetch again. */
  noteBeat(latest: Cursor | null): void {
    this.#jumps.look()
    const behind = this.#snapshot.state === 'live' && latest !== null && this.#isBehind(latest)
    // What was new a beat ago must be here by now; what is new since may be on its way.
    // A server that answers can be reached, whatever the device says.
    if (this.#snapshot.state === 'offline') this.#supply?.wake(false)
    const stalled = behind && this.#behind !== null && this.#isBehind(this.#behind)
    this.#behind = behind && !stalled ? latest : null
    if (stalled) this.#supply?.refetch()
  }

  #isBehind(cursor: Cursor): boolean {
    const { position } = this.#view
    return position === null || (compareCursors(position, cursor) ?? 0) < 0
  }

  #newSupply(): Supply {
    const {
      base = DEFAULT_BASE,
      sessionId,
      userId,
      shareTabs = true,
      replayMs = 50,
      replayBudgetMs = 1200,
    } = this.#options
    // Tabs that do not name their user may have credentials of two.
    const shares = shareTabs && userId !== undefined && canShareTabs()
    const supply: Supply = new Supply(
      this.#view,
      {
        prepare: (once, renew) => this.#prepare(once, renew),
        renews: this.#options.getToken !== undefined,
        taken: () => this.#taken(),
        status: (status) => this.#supply === supply && this.#follow(status),
      },
      {
        // JSON keeps the three apart: ids may hold any separator.
        shareAs: shares ? JSON.stringify(['loomi', base, userId, sessionId]) : null,
        offline: this.#offline,
        credentials: this.#options.credentials ?? 'same-origin',
        // Looked up late: a page may replace its fetch after us.
        fetch: (input, init) => (this.#options.fetch ?? globalThis.fetch)(input, init),
        clock: this.#clock,
        random: this.#options.random ?? Math.random,
        pacing: {
          replayMs,
          budgetMs: replayBudgetMs,
          instant: () => this.#callbacks.call('instant', () => this.#options.instant?.()) ?? false,
          hurry: () => this.#rush || !this.#visible,
        },
      },
    )
    return supply
  }

  async #prepare(once: boolean, renew: boolean): ReturnType<LinkHost['prepare']> {
    const { base = DEFAULT_BASE, sessionId, userId, history, after, getToken, getSeen } = this.#options
    if (getSeen) {
      await this.#seen.ask(
        () => this.#callbacks.call('getSeen', getSeen) ?? Promise.resolve(null),
        this.#clock,
      )
    }
    const seen = this.#seen.newest
    const { position, items } = this.#view
    const unconfirmed = items.unconfirmed.size > 0
    const place = { position, after: history === 'none' ? (after ?? seen) : '0', seen, unconfirmed }
    const headers = await streamHeaders(getToken, renew, once ? null : place.position, this.#clock)
    return { url: streamUrl(base, sessionId, userId, place, once), headers }
  }

  #follow(status: LinkStatus): void {
    this.#status = status
    const { state } = status
    if (state === 'complete' || state === 'failed') {
      this.#supply = null
      this.#jumps.stop()
    }
    this.#publish()
    this.#troubles.follow(status)
  }

  /** Restored rows come in one piece, unless that would keep them back for long. */
  #taken(): void {
    if (!this.#view.restoring) this.#publish()
    else this.#hold ??= this.#clock.setTimeout(() => this.#publish(), HOLD_MS)
  }

  #notify(notice: Notice): void {
    this.#publish()
    this.#callbacks.notice(notice)
    if (notice.type === 'replay' && notice.phase === 'end') this.#rush = false
  }

  #publish(): void {
    if (this.#hold !== null) this.#clock.clearTimeout(this.#hold)
    this.#hold = null
    const next = this.#look()
    if (!isSame(next, this.#snapshot)) {
      this.#snapshot = next
      for (const fn of this.#subscribers) this.#callbacks.call('A subscriber', fn)
    }
    if (this.#visible && this.#view.shown !== null) this.#seen.show(this.#view.shown)
  }

  #look(): Snapshot {
    const { items, missed, caughtUp, position, gaps, unsaved } = this.#view
    const { attempt, retryAt, polling, error } = this.#status ?? IDLE
    const state = this.#state()
    return {
      state,
      items: items.list,
      running: items.running,
      missed,
      caughtUp,
      attempt,
      retryAt,
      position,
      polling,
      gaps,
      unsaved,
      error,
    }
  }

  #state(): ClientState {
    const state = this.#status?.state ?? 'idle'
    if (state !== 'open') return state
    if (this.#view.stage !== 'closed') return this.#view.stage
    return this.#offline ? 'offline' : 'connecting'
  }
}

function isSame(left: Snapshot, right: Snapshot): boolean {
  return (Object.keys(left) as (keyof Snapshot)[]).every((name) => left[name] === right[name])
}
