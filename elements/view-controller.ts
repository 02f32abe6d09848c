/**
 * When there is a view: as long as the element is in a page, wants to be connected and says of what.
 *
 * @module
 */
import type { ReactiveController, ReactiveControllerHost } from 'lit'
import type { Snapshot } from './client/index.ts'
import { forgetDevice } from '../sw/index.ts'
import { SessionView, type SessionHooks, type SessionSettings } from './session-view.ts'

/** What the controller asks its element. */
export interface ViewOwner extends SessionHooks {
  /** What to show; null as long as the element does not say. */
  readonly settings: () => SessionSettings | null
  readonly paused: () => boolean
}

/** Opens, starts, stops and replaces the view of an element. */
export class ViewController implements ReactiveController {
  readonly #host: ReactiveControllerHost & HTMLElement
  readonly #owner: ViewOwner
  #view: SessionView | null = null
  #key = ''
  #wanted = true

  constructor(host: ReactiveControllerHost & HTMLElement, owner: ViewOwner) {
    this.#host = host
    this.#owner = owner
    host.addController(this)
  }

  get snapshot(): Snapshot {
    return this.#view?.snapshot ?? IDLE
  }

  /** Wants to be connected; a view that waits tries again at once. */
  connect(): void {
    this.#wanted = true
    if (this.#view && this.#isDue()) this.#view.retry()
    this.#host.requestUpdate()
  }

  disconnect(): void {
    this.#wanted = false
    this.#view?.stop()
  }

  showAll(): void {
    this.#view?.showAll()
  }

  /** Disconnects, empties the transcript and drops what the view's heartbeat keeps on the device. */
  async forget(): Promise<void> {
    const view = this.#view
    const { userId = null } = this.#owner.settings() ?? {}
    this.#wanted = false
    this.#replace(null)
    // What the heartbeat still has on its way must not come after.
    await view?.forget()
    if (userId !== null) await forgetDevice(userId)
  }

  hostConnected(): void {
    this.#host.requestUpdate()
  }

  hostDisconnected(): void {
    // A move within the document is a removal and an insertion: only what comes after both counts.
    queueMicrotask(() => {
      if (!this.#host.isConnected) this.#view?.stop()
    })
  }

  hostUpdate(): void {
    const settings = this.#owner.settings()
    const key = JSON.stringify(settings && [settings.base, settings.userId, settings.sessionId])
    if (this.#view && key !== this.#key) this.#replace(null)
    if (!this.#isDue() || !settings) {
      this.#view?.stop()
      return
    }
    if (!this.#view) {
      this.#key = key
      this.#replace(new SessionView(settings, this.#owner))
    }
    this.#view!.start()
  }

  #isDue(): boolean {
    return this.#wanted && this.#host.isConnected && !this.#owner.paused()
  }

  #replace(view: SessionView | null): void {
    this.#view?.close()
    this.#view = view
    this.#owner.changed()
  }
}

const IDLE: Snapshot = {
  state: 'idle',
  items: [],
  running: false,
  missed: 0,
  caughtUp: 0,
  attempt: 0,
  retryAt: null,
  position: null,
  polling: false,
  gaps: [],
  unsaved: [],
  error: null,
}
