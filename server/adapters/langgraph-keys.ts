/**
 * Under which key each message of a graph is told: its id, or what else tells that two reports are of one message.
 *
 * @module
 */
import type { Message } from './langchain-message.ts'

/** The keys of one stream's messages. */
export class Keys {
  readonly #byId = new Map<string, string>()
  readonly #byRun = new Map<string, string>()
  /** What came whole and without an id. A graph gives it one, under which its parent graph repeats it. */
  readonly #nameless = new Map<string, string>()
  #count = 0

  /** Of a piece of a message. Without an id it belongs to whom it comes from. */
  ofPiece({ id }: Message, speaker = 'message'): string {
    return id === '' ? `${speaker} ${this.#count}` : this.#ofId(id)
  }

  /** Of a message that came whole. */
  ofWhole(message: Message): string {
    const { id, texts, calls } = message
    const content = JSON.stringify([texts, calls])
    if (id === '') {
      const key = `message ${++this.#count}`
      this.#nameless.set(content, key)
      return key
    }
    const told = this.#nameless.get(content)
    if (told !== undefined && !this.#byId.has(id)) {
      this.#nameless.delete(content)
      this.#byId.set(id, told)
    }
    return this.#ofId(id)
  }

  /** Of what a run of a model says: one message, though only some of its chunks may have the id. */
  ofRun(run: string, id: string): string {
    const key = this.#byRun.get(run) ?? (id || `run-${run}`)
    this.#byRun.set(run, key)
    if (id !== '') this.#byId.set(id, key)
    return key
  }

  #ofId(id: string): string {
    const key = this.#byId.get(id) ?? id
    this.#byId.set(id, key)
    return key
  }
}
