/**
 * Lines out of text that comes in pieces of any size, none of them longer than a limit.
 *
 * @module
 */

/** A line without its end. When `isWhole` is false, it is a piece of one that is longer than the limit. */
export interface Line {
  readonly text: string
  readonly isWhole: boolean
}

/** Collects one stream's lines. */
export class Lines {
  readonly #maxChars: number
  readonly #end: RegExp
  /** Joined only when the line ends: to join at each piece would cost the square of a long line. */
  #pieces: string[] = []
  #chars = 0
  #isCut = false
  #endedByCr = false

  /** `atCr`: a lone CR ends a line too, as in server-sent events; in JSON it is a blank. */
  constructor(maxChars: number, atCr: boolean) {
    this.#maxChars = maxChars
    this.#end = atCr ? /[\r\n]/g : /\n/g
  }

  /** Nothing of the next line has come. */
  get isAtStart(): boolean {
    return this.#chars === 0 && !this.#isCut
  }

  /** The lines that end in this piece of text. */
  push(text: string): Line[] {
    const lines: Line[] = []
    for (let at = 0; at < text.length;) {
      // CR and LF may have come apart.
      if (this.#endedByCr && text[at] === '\n') at++
      this.#endedByCr = false
      this.#end.lastIndex = at
      const end = this.#end.exec(text)?.index
      this.#take(text.slice(at, end), lines)
      if (end === undefined) break
      this.#close(lines)
      this.#endedByCr = text[end] === '\r'
      at = end + 1
    }
    return lines
  }

  /** What is left when no more comes. */
  end(): Line[] {
    const lines: Line[] = []
    if (this.#chars > 0) this.#close(lines)
    return lines
  }

  #take(text: string, lines: Line[]): void {
    let rest = text
    while (this.#chars + rest.length > this.#maxChars) {
      const room = this.#maxChars - this.#chars
      this.#pieces.push(rest.slice(0, room))
      rest = rest.slice(room)
      this.#isCut = true
      lines.push(this.#line())
    }
    if (rest === '') return
    this.#pieces.push(rest)
    this.#chars += rest.length
  }

  #close(lines: Line[]): void {
    if (!this.#isCut || this.#chars > 0) lines.push(this.#line())
    this.#isCut = false
  }

  #line(): Line {
    const text = this.#pieces.join('')
    this.#pieces = []
    this.#chars = 0
    return { text, isWhole: !this.#isCut }
  }
}
