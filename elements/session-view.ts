/**
 * One view of one session: the client, the heartbeat beside it and the page's signals to both.
 *
 * @module
 */
import { startHeartbeat, type Heartbeat } from '../sw/index.ts'
import { RecoveryClient, type ClientOptions, type Notice, type Shown, type Snapshot } from './client/index.ts'
import type { Cursor, HeartbeatAnswer, ResetReason } from '../server/protocol.ts'
import { listenToPage, tabState } from './page-signals.ts'

/** Fetches a credential; `renew` after the server has refused the last one. */
export type GetToken = (renew: boolean) => string | null | undefined | Promise<string | null | undefined>

/** What a view is opened with; null stands for the default. Changes after that need a new view. */
export interface SessionSettings {
  readonly sessionId: string
  readonly userId: string | null
  readonly base: string
  readonly credentials: RequestCredentials
  readonly history: 'restore' | 'none'
  readonly after: string | null
  readonly heartbeatMs: number | null
  readonly replayMs: number | null
  readonly replayBudgetMs: number | null
  readonly getToken: GetToken
  readonly fetch: typeof fetch | null
}

/** Whom the view tells. */
export interface SessionHooks {
  /** The snapshot is another one. */
  readonly changed: () => void
  /** Resolves when the snapshot is on the page. */
  readonly rendered: () => Promise<unknown>
  /** An event is about to be shown; false keeps it out. */
  readonly beforeShow: (shown: Shown) => boolean
  readonly notice: (notice: Notice) => void
  /** The log began again; false keeps what is shown. */
  readonly reset: (reason: ResetReason) => boolean
}

/** An open view. Started and stopped any number of times, it goes on from where it was. */
export class SessionView {
  readonly #settings: SessionSettings
  readonly #hooks: SessionHooks
  readonly #client: RecoveryClient
  readonly #unsubscribe: () => void
  #heartbeat: Heartbeat | null = null
  #running: AbortController | null = null

  constructor(settings: SessionSettings, hooks: SessionHooks) {
    this.#settings = settings
    this.#hooks = hooks
    const { sessionId, userId, after, replayMs, replayBudgetMs, fetch } = settings
    const options: ClientOptions = {
      sessionId,
      base: settings.base,
      credentials: settings.credentials,
      history: settings.history,
      getToken: settings.getToken,
      ...(userId !== null && { userId }),
      ...(after !== null && { after }),
      ...(replayMs !== null && { replayMs }),
      ...(replayBudgetMs !== null && { replayBudgetMs }),
      ...(fetch !== null && { fetch }),
      visible: tabState() === 'visible',
      instant: () => matchMedia('(prefers-reduced-motion: reduce)').matches,
      getSeen: async () => (await this.#heartbeat?.getDisplayed()) ?? null,
      beforeShow: hooks.beforeShow,
      onDisplayed: (cursor, restarts) => this.#displayed(cursor, restarts),
      onNotice: hooks.notice,
      onReset: hooks.reset,
    }
    this.#client = new RecoveryClient(options)
    this.#unsubscribe = this.#client.subscribe(() => {
      // Who is refused the stream is no viewer of it, and the server need not hear so every five seconds.
      if (this.snapshot.state === 'failed') this.#heartbeat?.stop()
      hooks.changed()
    })
  }

  get snapshot(): Snapshot {
    return this.#client.snapshot
  }

  /** Connects, unless it is started already. */
  start(): void {
    if (this.#running) return
    this.#running = new AbortController()
    this.#heartbeat = this.#beat()
    listenToPage(
      {
        signal: (signal) => this.#client.signal(signal),
        tab: (state) => this.#heartbeat?.setState(state),
      },
      this.#running.signal,
    )
    this.#client.connect()
  }

  /** Lets the connection, the heartbeat and all listeners go; keeps what is shown. */
  stop(): void {
    if (!this.#running) return
    this.#running.abort()
    this.#running = null
    this.#client.disconnect()
    this.#heartbeat?.stop()
  }

  /** Stops for good: nothing is told any more. */
  close(): void {
    this.#unsubscribe()
    this.stop()
  }

  /** Tries again at once, if it is not connected. */
  retry(): void {
    if (!this.#running) return this.start()
    if (this.snapshot.state === 'failed') this.#heartbeat = this.#beat()
    this.#client.connect()
  }

  showAll(): void {
    this.#client.showAll()
  }

  /** Drops what this device keeps about the user, and what is on its way there. */
  async forget(): Promise<void> {
    await this.#heartbeat?.forget()
  }

  #displayed(cursor: Cursor, restarts: boolean): void {
    const heartbeat = this.#heartbeat
    // A rendering that fails is told by its element; then nothing was displayed.
    this.#hooks.rendered().then(
      () => heartbeat?.displayed(cursor, restarts),
      () => {},
    )
  }

  #answered({ latest_event_id }: HeartbeatAnswer): void {
    if (this.snapshot.state !== 'complete') return this.#client.noteBeat(latest_event_id)
    // Nothing will come any more: one last beat tells what was displayed.
    this.#heartbeat?.setState('paused')
    this.#heartbeat?.stop()
  }

  #beat(): Heartbeat | null {
    const { userId, sessionId, base, credentials, heartbeatMs, getToken } = this.#settings
    if (userId === null) {
      this.#hooks.notice({ type: 'error', ...USER_ID_MISSING })
      return null
    }
    return startHeartbeat({
      userId,
      sessionId,
      base,
      credentials,
      getToken,
      ...(heartbeatMs !== null && { heartbeatMs }),
      onBeat: (answer) => this.#answered(answer),
      onError: ({ code, message }) => this.#hooks.notice({ type: 'error', code, message }),
    })
  }
}

const USER_ID_MISSING = {
  code: 'user_id_missing',
  message:
    'Set the attribute user-id: without it there is no heartbeat, and nobody knows what this user has seen.',
}
