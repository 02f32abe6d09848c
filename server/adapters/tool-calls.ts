/**
 * Tool calls whose input comes in pieces: each becomes one event when its input is whole.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import { toolCall } from './shapes.ts'
import { type Fields, parsed, stringOf } from './values.ts'

/** What a chunk tells of a call. */
export interface CallNews {
  readonly id?: unknown
  readonly name?: unknown
  /** The next piece of its input. */
  readonly text?: unknown
  /** Its input, if no piece of it comes. */
  readonly input?: unknown
  /** Its input is text, even if it looks like JSON. */
  readonly isText?: boolean
  /** What else the event is to say. */
  readonly more?: Fields
}

interface Call {
  id: string
  name: string
  text: string
  input: unknown
  isText: boolean
  more: Fields
}

/** The calls that are being written, one in each slot. */
export class ToolCalls {
  readonly #open = new Map<string, Call>()

  /** Begins or goes on with the call in a slot. An id or a name that comes later counts. */
  add(slot: string, { id, name, text, input, isText = false, more = {} }: CallNews): void {
    const call = this.#open.get(slot) ?? { id: '', name: '', text: '', input: {}, isText, more }
    this.#open.set(slot, call)
    call.id = stringOf(id) || call.id
    call.name = stringOf(name) || call.name
    call.text += stringOf(text)
    call.input = input ?? call.input
    call.isText ||= isText
  }

  /** What is known of the call in a slot. */
  at(slot: string): { readonly id: string; readonly name: string; readonly text: string } | undefined {
    return this.#open.get(slot)
  }

  /** Lets go of a call that was told whole by other means. */
  drop(slot: string): void {
    this.#open.delete(slot)
  }

  /** The call in a slot, whose input is whole, as far as the provider knows: one that grew too long ends in the middle of it. */
  end(slot: string): Draft[] {
    return this.#take(slot, ({ id, name, text, input, isText, more }) => {
      if (isText) return toolCall(id, name, text, more)
      if (text === '') return toolCall(id, name, input, more)
      const value = parsed(text)
      return toolCall(id, name, value, value === text ? { ...more, incomplete: true } : more)
    })
  }

  /** The calls of all slots that begin so. */
  endAll(prefix: string): Draft[] {
    return [...this.#open.keys()].filter((slot) => slot.startsWith(prefix)).flatMap((slot) => this.end(slot))
  }

  /** The call in a slot that was cut off, its input as text. */
  cut(slot: string): Draft[] {
    return this.#take(slot, ({ id, name, text, more }) =>
      toolCall(id, name, text, { ...more, incomplete: true }),
    )
  }

  /** The calls that the stream's end cut off. */
  cutAll(): Draft[] {
    return [...this.#open.keys()].flatMap((slot) => this.cut(slot))
  }

  #take(slot: string, draftOf: (call: Call) => Draft): Draft[] {
    const call = this.#open.get(slot)
    this.#open.delete(slot)
    return call ? [draftOf(call)] : []
  }
}
