/**
 * Tool calls whose input comes in pieces: each becomes one event when its input is whole.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import { toolCall } from './shapes.ts'
import { parsed, stringOf } from './values.ts'

interface Call {
  id: string
  name: string
  text: string
}

/** The calls that are being written, one in each slot. */
export class ToolCalls {
  readonly #open = new Map<string, Call>()

  /** Begins or goes on with the call in a slot. An id or a name that comes later counts. */
  add(slot: string, { id, name, text }: { id?: unknown; name?: unknown; text?: unknown }): void {
    const call = this.#open.get(slot) ?? { id: '', name: '', text: '' }
    this.#open.set(slot, call)
    if (stringOf(id) !== '') call.id = stringOf(id)
    if (stringOf(name) !== '') call.name = stringOf(name)
    call.text += stringOf(text)
  }

  /** What is known of the call in a slot. */
  at(slot: string): Readonly<Call> | undefined {
    return this.#open.get(slot)
  }

  /** Lets go of a call that was told whole by other means. */
  drop(slot: string): void {
    this.#open.delete(slot)
  }

  /** The call in a slot, whose input is whole. */
  end(slot: string, more = {}): Draft[] {
    const call = this.#open.get(slot)
    this.#open.delete(slot)
    return call ? [toolCall(call.id, call.name, parsed(call.text), more)] : []
  }

  /** The calls of all slots that begin so. */
  endAll(prefix = ''): Draft[] {
    return [...this.#open.keys()].filter((slot) => slot.startsWith(prefix)).flatMap((slot) => this.end(slot))
  }

  /** The calls that the stream's end cut off, their input as text. */
  cutAll(): Draft[] {
    const cut = [...this.#open.values()].map(({ id, name, text }) =>
      toolCall(id, name, text, { incomplete: true }),
    )
    this.#open.clear()
    return cut
  }
}
