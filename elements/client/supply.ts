/**
 * Where a view's frames come from: its own stream, or the tab that leads. Changes over without losing any.
 *
 * @module
 */
import type { Cursor } from '../../server/protocol.ts'
import { chain, eventOf, parseFrame, type RawFrame, rawProvisional, type Received } from './frames.ts'
import { Inbox } from './inbox.ts'
import { CONNECTING, Link, type LinkHost, type LinkOptions, type LinkStatus } from './link.ts'
import { type TabMessage, Tabs } from './tabs.ts'
import type { Verdict, View } from './view.ts'

/** After these the leader tells anew what is not stored: what it told before is of other rows, or another log. */
const ANEW = new Set<string>(['gap', 'reset'])

/** Whom a supply serves. */
export interface SupplyHost {
  readonly prepare: LinkHost['prepare']
  readonly renews: boolean
  /** Frames were taken in. */
  readonly taken: () => void
  /** The status changed. `complete` and `failed` are the last of a supply. */
  readonly status: (status: LinkStatus) => void
}

/** What a supply is made with. `shareAs` is the same in all tabs that share a connection; null shares none. */
export interface SupplyOptions extends Omit<LinkOptions, 'mode' | 'offline'> {
  readonly shareAs: string | null
  readonly offline: boolean
}

/** One supply, from {@link Supply.open} to {@link Supply.close}. */
export class Supply {
  readonly #view: View
  readonly #host: SupplyHost
  readonly #options: SupplyOptions
  readonly #inbox: Inbox = new Inbox(() => this.#tabs?.ask(false))
  #offline: boolean
  #frozen = false
  #tabs: Tabs | null = null
  #follows = false
  #link: Link | null = null
  #status: LinkStatus = CONNECTING
  /** A tab asked what is not stored while this one could not say. */
  #owesTail = false
  /** The leader was asked what is not stored since the last attempt began. */
  #hasAsked = false
  /** Where the frames that were passed on have got to, in the stream that is under way. */
  #passedOn: Cursor | null = null
  /** How the leader's stream is, as far as it told. */
  #leader: LinkStatus | null = null

  constructor(view: View, host: SupplyHost, options: SupplyOptions) {
    this.#view = view
    this.#host = host
    this.#options = options
    this.#offline = options.offline
  }

  /** Of this tab's requests; while they serve, of the leader's stream if that is interrupted. */
  get status(): LinkStatus {
    const leader = this.#follows && this.#status.state === 'open' ? this.#leader : null
    if (leader?.state === 'waiting' || leader?.state === 'offline') return leader
    return { ...this.#status, polling: this.#status.polling || (leader?.polling ?? false) }
  }

  open(): void {
    const { shareAs, clock } = this.#options
    if (shareAs === null) return this.#start('stream')
    const tabs: Tabs = new Tabs(
      shareAs,
      {
        lead: () => this.#tabs === tabs && this.#start('stream'),
        follow: () => this.#tabs === tabs && this.#start('follow'),
        message: (message) => this.#tabs === tabs && this.#hear(message),
      },
      clock,
    )
    this.#tabs = tabs
    tabs.join()
  }

  /** Stops everything; nothing that is under way reaches the view. */
  close(): void {
    this.#link?.stop()
    this.#link = null
    this.#tabs?.leave()
    this.#tabs = null
    this.#inbox.clear()
  }

  /** A connection is wanted and may be possible; `act`: somebody looks at the page. */
  wake(act: boolean): void {
    if (this.#frozen) {
      this.#frozen = false
      this.open()
    } else if (this.#follows) this.#recheck(act)
    else this.#link?.wake(act)
  }

  /** Something is missing that the stream should have brought. */
  refetch(): void {
    if (this.#follows) this.#recheck(true)
    else this.#link?.refetch()
  }

  setOffline(offline: boolean): void {
    this.#offline = offline
    this.#link?.setOffline(offline)
  }

  /**
   * The page is put to sleep: a frozen tab must neither lead nor hold one of the few connections that a browser has to
   * a host. What it misses is fetched when it wakes.
   */
  freeze(): void {
    if (this.#frozen) return
    this.#frozen = true
    this.close()
    this.#change({ ...CONNECTING, state: 'waiting' })
  }

  /** Ends the pause between two groups of a replay. */
  hurry(): void {
    this.#link?.hurry()
  }

  #recheck(look: boolean): void {
    this.#tabs?.ask(look)
    this.#link?.refetch()
  }

  #start(mode: LinkOptions['mode']): void {
    this.#link?.stop()
    this.#inbox.clear()
    this.#owesTail = false
    this.#leader = null
    this.#follows = mode === 'follow'
    if (this.#follows) this.#view.loseTouch()
    const mine = (): boolean => this.#link === link
    const link: Link = new Link(
      {
        prepare: this.#host.prepare,
        renews: this.#host.renews,
        begin: (quiet) => {
          if (!mine()) return
          if (this.#follows) this.#inbox.beginCatchUp()
          this.#passedOn = null
          this.#hasAsked = false
          this.#view.begin(quiet)
        },
        heard: (frames, quiet) => mine() && mode === 'stream' && this.#passOn(frames, quiet),
        receive: (batch, signal) => this.#receive(batch, () => mine() && !signal.aborted),
        settled: () => (mine() ? this.#drain(true) : 'go'),
        position: () => this.#view.position,
        live: () => this.#view.stage === 'live',
        status: (status) => mine() && this.#change(status),
      },
      { ...this.#options, mode, offline: this.#offline },
    )
    this.#link = link
    if (this.#follows) this.#tabs?.ask(false)
    void link.run()
  }

  #receive(batch: readonly Received[], isOn: () => boolean): Verdict {
    let verdict: Verdict = 'go'
    for (const received of batch) {
      // The app may have let go of us from within a callback.
      if (verdict !== 'go' || !isOn()) break
      const { epoch } = this.#view
      verdict = this.#view.take(received, !this.#follows)
      const isOther = epoch !== null && this.#view.epoch !== epoch
      if (this.#follows && (isOther || ANEW.has(received.frame.type))) this.#askAnew()
    }
    this.#askInDoubt(verdict)
    if (this.#owesTail && isOn()) this.#tellTail()
    this.#host.taken()
    return verdict
  }

  #passOn(heard: readonly RawFrame[], quiet: boolean): void {
    // Of what is stored another tab, which began later, may not know that.
    const frames = heard.filter((raw) => raw.id !== null || !this.#isStored(parseFrame(raw)))
    this.#tabs?.send({ type: 'frames', frames: chain(frames, this.#passedOn), quiet })
    this.#passedOn = frames.findLast(({ id }) => id !== null)?.id ?? this.#passedOn
  }

  #isStored({ frame }: Received): boolean {
    return frame.type === 'event' && this.#view.items.isStored(eventOf(frame))
  }

  /** What the leader told before may have been stored since, in rows that are gone: it tells anew what still is not. */
  #askAnew(): void {
    this.#inbox.dropUnstored()
    this.#tabs?.ask(false)
  }

  /** What of the unstored is not known to be still to come, the leader tells; a server doesn't. */
  #askInDoubt(verdict: Verdict): void {
    // Its answer may lead to the same hole.
    if (this.#hasAsked || verdict !== 'hole' || !this.#follows || this.#view.items.unconfirmed.size === 0)
      return
    this.#hasAsked = true
    this.#tabs?.ask(false)
  }

  #hear(message: TabMessage): void {
    if (message.type === 'hello') {
      if (this.#follows || !this.#link) return
      this.#tabs?.send({ type: 'status', status: this.#status })
      this.#tellTail()
      if (message.look) this.#link.wake(true)
    } else if (!this.#follows) return
    else if (message.type === 'status') {
      this.#leader = message.status
      this.#host.status(this.status)
    } else if (message.type === 'frames') {
      this.#inbox.add(message.frames, message.quiet)
      this.#catchUp()
    }
  }

  /** What is not stored no server tells a follower. In a catch-up it hears the server's own words. */
  #tellTail(): void {
    const opening = this.#view.asOpening()
    this.#owesTail = opening === null
    if (!opening) return
    const frames = [opening, ...[...this.#view.items.unconfirmed].map(({ event }) => rawProvisional(event))]
    this.#tabs?.send({ type: 'frames', frames: chain(frames, opening.id), quiet: true })
  }

  /** Goes on with what the leader brings, also while this tab's own requests fail: then a hole waits for the next of them. */
  #catchUp(): void {
    const link = this.#link
    const isOpen = this.#status.state === 'open'
    if (!link || link.busy || !(isOpen || this.#view.hasBeenLive)) return
    let verdict: Verdict
    let kept: number
    do {
      kept = this.#inbox.size
      verdict = this.#drain()
    } while (verdict === 'hole' && !isOpen && this.#inbox.size < kept)
    if (verdict === 'hole' && isOpen) link.refetch()
    if (verdict === 'complete') this.#change({ ...CONNECTING, state: 'complete' })
  }

  #drain(isSettled = false): Verdict {
    if (!this.#follows) return 'go'
    const verdict = this.#inbox.drain(this.#view, isSettled)
    this.#askInDoubt(verdict)
    this.#host.taken()
    return verdict
  }

  #change(status: LinkStatus): void {
    this.#status = status
    if (!this.#follows) this.#tabs?.send({ type: 'status', status })
    if (status.state === 'complete' || status.state === 'failed') this.close()
    this.#host.status(this.status)
    if (this.#follows && (status.state === 'waiting' || status.state === 'offline')) this.#catchUp()
  }
}
