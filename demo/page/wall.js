/** A wall of tiles, one for each event of the log: laid as it arrives, column by column. */

const ROWS = 5
/** Width of a tile with its joint, in pixels; the style sheet's `--tile` and `--joint`. */
const PITCH = 8

/** Draws the newest events of the log into `element`; all walls of a page show the same columns when equally wide. */
export class Wall {
  #element
  #kindOf
  #head = 0
  #isDue = false

  /** `kindOf(seq)` names the kind of a tile; '' leaves its place empty. */
  constructor(element, kindOf) {
    this.#element = element
    this.#kindOf = kindOf
    new ResizeObserver(() => this.#fill()).observe(element)
  }

  /** Draws with the next frame; the log ends at `head`. */
  draw(head) {
    this.#head = head
    if (this.#isDue) return
    this.#isDue = true
    requestAnimationFrame(() => {
      this.#isDue = false
      this.#draw()
    })
  }

  #fill() {
    const places = Math.max(1, Math.floor((this.#element.clientWidth + 2) / PITCH)) * ROWS
    while (this.#element.childElementCount > places) this.#element.lastElementChild.remove()
    while (this.#element.childElementCount < places) this.#element.append(document.createElement('i'))
    this.#draw()
  }

  #draw() {
    const tiles = this.#element.children
    const beyond = Math.max(0, this.#head - tiles.length)
    const first = Math.ceil(beyond / ROWS) * ROWS + 1
    for (let i = 0; i < tiles.length; i++) {
      const seq = first + i
      const kind = seq <= this.#head ? this.#kindOf(seq) : ''
      if ((tiles[i].dataset.kind ?? '') !== kind) tiles[i].dataset.kind = kind
    }
  }
}
