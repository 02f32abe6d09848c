/**
 * The tag: turns snapshots into templates, and what happens into DOM events.
 *
 * @module
 */
import { html, LitElement, type CSSResultGroup, type PropertyValues, type TemplateResult } from 'lit'
import { property } from 'lit/decorators.js'
import { DEFAULT_BASE, type LoomiEvent, type ResetReason } from '../server/protocol.ts'
import { forgetDevice } from '../sw/index.ts'
import { pageAnnouncer } from './announcer.ts'
import type { Item, Notice, Shown, Snapshot } from './client/index.ts'
import { LoomiErrorEvent, LoomiGapEvent, LoomiReplayEvent } from './events.ts'
import { LoomiResetEvent, LoomiShowEvent, LoomiStateEvent, LoomiUnsavedEvent } from './events.ts'
import { followEnd } from './follow-end.ts'
import { IndicatorController } from './indicator.ts'
import { indicatorTemplate, labelOf, type Corner } from './indicator-view.ts'
import { indicatorStyles } from './indicator.styles.ts'
import { kindOf } from './kinds.ts'
import { Portions } from './portions.ts'
import { Projection, type Renderers } from './projection.ts'
import { settledMessages } from './settled-messages.ts'
import { markState } from './state-word.ts'
import { ENGLISH, type Strings } from './strings.ts'
import { transcriptTemplate } from './transcript.ts'
import { transcriptStyles } from './transcript.styles.ts'
import type { GetToken, SessionSettings } from './session-view.ts'
import { ViewController } from './view-controller.ts'

/**
 * `<loomi-recovery session-id="s-42" user-id="ada">`: the transcript of one session, complete and live. It connects by itself,
 * comes back by itself, and shows an indicator exactly when something was missed.
 *
 * Attributes about the connection other than `session-id`, `user-id`, `base`, `token` and `paused` are read when
 * a view opens.
 *
 * @tag loomi-recovery
 *
 * @slot thought - `<template>` for thoughts, cloned for each; elements with `data-bind` get its texts.
 * @slot message - `<template>` for messages.
 * @slot user - `<template>` for what the user said.
 * @slot tool - `<template>` for tool calls and their results.
 * @slot event - `<template>` for all other events. An exact `content_type` is a slot as well, and wins.
 * @slot indicator - Content of the indicator.
 * @slot empty - Shown while there is no item.
 *
 * @csspart log - The transcript.
 * @csspart item - Each item, with its kind as a second part: `thought`, `message`, `user`, `tool`,
 *   `source`, `event`, `error`, `dropped`, `run_end`.
 * @csspart notice - A notice in the transcript; the second part is `gap`, `unsaved` or `reset`.
 * @csspart pending - The dots before an answer's next words.
 * @csspart indicator - The pill in the corner.
 * @csspart indicator-label - Its words.
 * @csspart indicator-button - Its button.
 * @csspart indicator-progress - Its progress, the arc of a circle.
 *
 * @cssprop [--loomi-gap=1em] - Between two items.
 * @cssprop [--loomi-measure=70ch] - Longest line.
 * @cssprop [--loomi-radius=1.15em] - Corners of the user's bubble.
 * @cssprop --loomi-bubble - Ground of the user's bubble.
 * @cssprop --loomi-muted - Colour of what is less important.
 * @cssprop --loomi-line - Colour of rules and borders.
 * @cssprop --loomi-accent - Colour of progress and buttons.
 * @cssprop [--loomi-indicator-inset=16px] - From the indicator to the window's edges.
 * @cssprop [--loomi-indicator-z-index=1000]
 * @cssprop --loomi-indicator-background
 * @cssprop --loomi-indicator-color
 * @cssprop --loomi-indicator-font
 * @cssprop [--loomi-indicator-radius=18px]
 *
 * @cssstate idle - And one for each other state: `connecting`, `replaying`, `live`, `waiting`, `offline`, `complete`, `failed`.
 *
 * @fires {LoomiShowEvent} loomi-event - Before an event is shown; cancelable.
 * @fires {LoomiStateEvent} loomi-state - After the state has changed.
 * @fires {LoomiReplayEvent} loomi-replay - When the replay of missed events starts and ends.
 * @fires {LoomiGapEvent} loomi-gap - When a part of the history turns out to be gone.
 * @fires {LoomiUnsavedEvent} loomi-unsaved - When events that were shown turn out not to be saved, and are taken back.
 * @fires {LoomiResetEvent} loomi-reset - When the log has begun again; cancelable.
 * @fires {LoomiErrorEvent} loomi-error - When something is wrong; says how to mend it.
 */
export class LoomiRecovery extends LitElement {
  static override styles: CSSResultGroup = [transcriptStyles, indicatorStyles]

  /** Where the route is mounted for elements without `base`. The script file sets its own folder. */
  static defaultBase: string = DEFAULT_BASE

  /** Registers this class, unless the name is taken already. */
  static define(tag = 'loomi-recovery', registry: CustomElementRegistry = customElements): void {
    if (!registry.get(tag)) registry.define(tag, this)
  }

  /** The session to show, 1 to 128 characters. Another one empties the transcript and connects anew. */
  @property({ attribute: 'session-id' }) sessionId: string | null = null
  /** Who looks at it, 1 to 128 characters. Without it there is no heartbeat. */
  @property({ attribute: 'user-id' }) userId: string | null = null
  /** Where the route is mounted: a path or an address. Default the script's folder, else `/api/loomi`. */
  @property() base: string | null = null
  /** The credential, sent as `Authorization: Bearer`. */
  @property() token: string | null = null
  /** For `fetch`: `same-origin` (default), `include` or `omit`. */
  @property() credentials: RequestCredentials | null = null
  /** `restore` (default) shows the whole log; `none` starts at `after`. */
  @property() history: 'restore' | 'none' | null = null
  /** With `history="none"`: the cursor to start after. Default what this device has displayed. */
  @property({ attribute: 'after' }) startAfter: string | null = null
  /** Milliseconds between two heartbeats. Default 5000. */
  @property({ attribute: 'heartbeat-ms', type: Number }) heartbeatMs: number | null = null
  /** Milliseconds between two events of a replay. Default 50. */
  @property({ attribute: 'replay-ms', type: Number }) replayMs: number | null = null
  /** Milliseconds within which all missed events are shown. Default 1200. */
  @property({ attribute: 'replay-budget-ms', type: Number }) replayBudgetMs: number | null = null
  /** The indicator's corner. Default `top-right`; `none` hides it. */
  @property() indicator: Corner | null = null
  /** Not connected while set. */
  @property({ type: Boolean }) paused = false
  /** Fetches the credential, instead of `token`. Asked before each attempt, and with `renew` after a 401. */
  @property({ attribute: false }) getToken: GetToken | null = null
  /** How to draw items, by `content_type` or kind. Applies to items that come after it was set. */
  @property({ attribute: false }) renderers: Renderers | null = null
  /** Words to use instead of the element's own. */
  @property({ attribute: false }) strings: Partial<Strings> | null = null
  /** @internal For tests. */
  @property({ attribute: false }) fetch: typeof fetch | null = null

  readonly #internals: ElementInternals | null = this.attachInternals?.() ?? null
  readonly #projection = new Projection(this)
  readonly #portions = new Portions()
  readonly #indicator = new IndicatorController(this)
  readonly #view = new ViewController(this, {
    settings: () => this.#settings(),
    paused: () => this.paused,
    changed: () => this.#changed(),
    rendered: () => this.updateComplete,
    beforeShow: (shown) => this.#admit(shown),
    notice: (notice) => this.#notice(notice),
    reset: (reason) => this.#reset(reason),
  })
  #snapshot: Snapshot = this.#view.snapshot
  /** Those of the snapshot that are rendered so far. */
  #items: readonly Item[] = []
  #words: Strings = ENGLISH
  #resets: readonly (string | null)[] = []
  #isShown = false
  #announced = ''

  constructor() {
    super()
    markState(this.#internals, null, this.#snapshot.state)
  }

  /** @internal What is shown now. */
  get snapshot(): Snapshot {
    return this.#view.snapshot
  }

  /** Connects after `disconnect()`; when it is waiting or has failed, tries again at once. */
  connect(): void {
    this.#view.connect()
  }

  /** Lets the connection and the heartbeat go until `connect()`. What is shown stays. */
  disconnect(): void {
    this.#view.disconnect()
  }

  /** Shows the rest of a replay at once. */
  showAll(): void {
    this.#view.showAll()
  }

  /** For signing out: disconnects, empties the transcript and drops what this device keeps about the user. */
  async forget(): Promise<void> {
    const { userId } = this
    await this.#view.forget()
    if (userId) await forgetDevice(userId)
  }

  /**
   * Called with each new text of a thought; `part` has all of it so far. Override it, in a subclass or on the
   * element, to show thoughts elsewhere: the transcript then leaves them out, unless you call this one.
   */
  displayThought(_content: string, _isReplay: boolean, _part: Item): void {
    this.#isShown = true
  }

  /** As {@link displayThought}, for messages. */
  displayConciergeMessage(_content: string, _isReplay: boolean, _part: Item): void {
    this.#isShown = true
  }

  /** As {@link displayThought}, for every event that is neither thought nor message. */
  displayEvent(_event: LoomiEvent, _isReplay: boolean, _part: Item): void {
    this.#isShown = true
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('strings')) this.#words = { ...ENGLISH, ...this.strings }
    const hasNewCredential = changed.has('token') || changed.has('getToken')
    if (hasNewCredential && this.#snapshot.state === 'failed') this.#view.connect()
  }

  protected override scheduleUpdate(): void | Promise<unknown> {
    return this.#portions.schedule(() => super.scheduleUpdate())
  }

  protected override async getUpdateComplete(): Promise<boolean> {
    const isComplete = await super.getUpdateComplete()
    await this.#portions.whole
    return isComplete
  }

  protected override update(changed: PropertyValues<this>): void {
    followEnd(this, () => {
      this.#items = this.#portions.next(this.#snapshot.items)
      this.#projection.update(this.#items, this.renderers ?? {})
      super.update(changed)
    })
  }

  protected override render(): TemplateResult {
    const { indication } = this.#indicator
    return html`${indicatorTemplate(indication, this.indicator ?? 'top-right', this.#words, {
      showAll: () => this.showAll(),
      connect: () => this.connect(),
    })}${transcriptTemplate({
      snapshot: this.#snapshot,
      items: this.#items,
      isSudden: (item) => this.#portions.isOfCrowd(item),
      strings: this.#words,
      slotOf: (item) => this.#projection.slotOf(item),
      resets: this.#resets,
    })}`
  }

  protected override firstUpdated(): void {
    pageAnnouncer().prepare()
  }

  protected override updated(): void {
    const isWhole = this.#portions.rendered(this.#items, this.#snapshot.items)
    if (!isWhole) this.#goOn()
    const { indication } = this.#indicator
    const isReplay = indication.kind === 'catching-up' || indication.kind === 'caught-up'
    const sentence = isReplay ? '' : labelOf(indication, this.#words)
    if (sentence !== this.#announced) pageAnnouncer().say(sentence)
    this.#announced = sentence
  }

  #goOn(): void {
    // Laid out by portions too, or the next frame would have to do it all.
    this.getBoundingClientRect()
    queueMicrotask(() => this.requestUpdate())
  }

  #settings(): SessionSettings | null {
    if (!this.sessionId) return null
    return {
      sessionId: this.sessionId,
      userId: this.userId || null,
      base: this.base || (this.constructor as typeof LoomiRecovery).defaultBase,
      credentials: this.credentials ?? 'same-origin',
      history: this.history === 'none' ? 'none' : 'restore',
      after: this.startAfter || null,
      heartbeatMs: positive(this.heartbeatMs),
      replayMs: positive(this.replayMs),
      replayBudgetMs: positive(this.replayBudgetMs),
      getToken: (renew) => (this.getToken ? this.getToken(renew) : this.token),
      fetch: this.fetch,
    }
  }

  #changed(): void {
    const before = this.#snapshot
    const after = this.#view.snapshot
    this.#snapshot = after
    this.#indicator.follow(after)
    for (const text of settledMessages(before, after)) pageAnnouncer().say(text)
    if (after.items.length === 0 && after.state === 'idle') this.#resets = []
    if (after.state !== before.state) {
      markState(this.#internals, before.state, after.state)
      this.dispatchEvent(new LoomiStateEvent(after.state, before.state))
    }
    this.requestUpdate()
  }

  #admit(shown: Shown): boolean {
    if (!this.dispatchEvent(new LoomiShowEvent(shown))) return false
    const { event, text, isReplay, item } = shown
    const kind = kindOf(event)
    this.#isShown = false
    if (kind === 'thought') this.displayThought(text, isReplay, item)
    else if (kind === 'message') this.displayConciergeMessage(text, isReplay, item)
    else this.displayEvent(event, isReplay, item)
    return this.#isShown
  }

  #notice(notice: Notice): void {
    if (notice.type === 'error') {
      this.dispatchEvent(new LoomiErrorEvent(notice.code, notice.message))
    } else if (notice.type === 'gap') {
      this.dispatchEvent(new LoomiGapEvent(notice.from, notice.to))
    } else if (notice.type === 'unsaved') {
      pageAnnouncer().say(this.#words.unsaved(notice.count))
      this.dispatchEvent(new LoomiUnsavedEvent(notice.count))
    } else {
      const { missed, phase } = notice
      if (phase === 'end' && missed > 0) pageAnnouncer().say(this.#words.caughtUpWith(missed))
      if (phase === 'end') this.#indicator.replayEnded(missed)
      this.dispatchEvent(new LoomiReplayEvent(missed, phase))
    }
  }

  #reset(reason: ResetReason): boolean {
    const isTaken = this.dispatchEvent(new LoomiResetEvent(reason))
    const isCleared = isTaken && this.history !== 'none'
    // What is not in the log yet goes with the old one.
    const last = this.#view.snapshot.items.findLast(({ seq }) => seq !== null)?.id ?? null
    this.#resets = isCleared ? [null] : [...this.#resets, last]
    return isTaken
  }
}

/** Attributes come from people: what is not a number of milliseconds counts as not set. */
function positive(ms: number | null): number | null {
  return ms !== null && Number.isFinite(ms) && ms >= 0 ? ms : null
}

declare global {
  interface HTMLElementTagNameMap {
    'loomi-recovery': LoomiRecovery
  }
}
