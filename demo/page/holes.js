/** The demo's eye on the right page: which events of the log never reached it, and where that shows. */

/** How long an open connection may lag behind before what is late counts as lost. */
const GRACE_MS = 1500

/** Counts what a chat gets of the log, and marks in its text what it did not get. */
export class Holes {
  /** Per event of the log, from 1: whether it arrived. */
  #arrived = new Set()
  #chat
  #last = 0
  #lastAt = performance.now()
  /** The mark after the last text, while something is missing there. */
  #openMark = null

  constructor(chat) {
    this.#chat = chat
  }

  get arrived() {
    return this.#arrived.size
  }

  /** How many events up to the last one known to be decided are missing. */
  get missing() {
    return this.#decided - this.#arrived.size
  }

  #decided = 0

  /** `arrived`, `missing`, or '' while that is open. */
  kindOf(seq) {
    if (this.#arrived.has(seq)) return 'live'
    return seq <= this.#decided ? 'missing' : ''
  }

  /** An event is here, about to be shown. */
  take(seq) {
    this.#openMark?.remove()
    this.#openMark = null
    if (seq > this.#last + 1) this.#chat.mark(markFor(this.#last + 1, seq - 1))
    this.#arrived.add(seq)
    this.#last = Math.max(this.#last, seq)
    this.#decided = Math.max(this.#decided, seq)
    this.#lastAt = performance.now()
  }

  /** The log has grown to `head`; `isOpen` tells whether the chat is connected. */
  look(head, isOpen) {
    const isLate = performance.now() - this.#lastAt > GRACE_MS
    if (head <= this.#last || (isOpen && !isLate)) return
    this.#decided = Math.max(this.#decided, head)
    const mark = markFor(this.#last + 1, this.#decided)
    if (this.#openMark?.textContent === mark.textContent) return
    this.#openMark?.remove()
    this.#openMark = mark
    this.#chat.mark(mark)
  }
}

function markFor(from, to) {
  const count = to - from + 1
  const events = count === 1 ? '1 event' : `${count} events`
  const mark = document.createElement('span')
  mark.className = 'hole'
  mark.textContent = from === 1 ? `${events} came before this page did` : `${events} never arrived`
  return mark
}
