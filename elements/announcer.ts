/**
 * One polite live region for the whole page, shared by all elements, so that a screen reader hears calm
 * sentences instead of a stream of tokens.
 *
 * @module
 */
import type { Clock } from './client/index.ts'
import { systemClock } from './client/clock.ts'

/** What comes within this time is said in one go. */
const SETTLE_MS = 400

/** Longer announcements are cut: the transcript itself can be read at leisure. */
const MAX_CHARACTERS = 600

const REGION = 'data-loomi-announcer'

/** Says sentences through a hidden region at the end of the body. */
export class Announcer {
  readonly #document: Document
  readonly #clock: Clock
  #pending: string[] = []

  constructor(document: Document, clock: Clock = systemClock) {
    this.#document = document
    this.#clock = clock
  }

  /** Puts the region in place: screen readers only heed changes of a region that they know already. */
  prepare(): HTMLElement {
    const existing = this.#document.querySelector<HTMLElement>(`[${REGION}]`)
    if (existing) return existing
    const region = this.#document.createElement('div')
    region.setAttribute(REGION, '')
    region.setAttribute('role', 'status')
    region.setAttribute('aria-live', 'polite')
    Object.assign(region.style, HIDDEN)
    this.#document.body.append(region)
    return region
  }

  /** Says `sentence` soon, together with whatever else comes meanwhile. */
  say(sentence: string): void {
    if (sentence === '') return
    if (this.#pending.length === 0) this.#clock.setTimeout(() => this.#flush(), SETTLE_MS)
    this.#pending.push(sentence)
  }

  #flush(): void {
    const all = this.#pending.join(' ')
    this.#pending = []
    const text = all.length > MAX_CHARACTERS ? `${all.slice(0, MAX_CHARACTERS).toWellFormed()}…` : all
    // A new node each time: the same words said twice would be no change.
    this.prepare().replaceChildren(this.#document.createTextNode(text))
  }
}

let shared: Announcer | null = null

/** The page's announcer. */
export function pageAnnouncer(): Announcer {
  return (shared ??= new Announcer(document))
}

const HIDDEN = {
  position: 'absolute',
  width: '1px',
  height: '1px',
  margin: '-1px',
  overflow: 'hidden',
  clipPath: 'inset(50%)',
  whiteSpace: 'nowrap',
} as const
