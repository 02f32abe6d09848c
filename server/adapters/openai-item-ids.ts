/**
 * Which item an event of the Responses API is about. Some gateways give an item another id in every event, others give
 * one place in the answer to several items, so neither id nor place is enough.
 *
 * @module
 */
import { type Fields, partWord, stringOf } from './values.ts'

/** The ids of one stream's items, as they were announced or first seen. */
export class ItemIds {
  readonly #announced = new Set<string>()
  readonly #atPlace = new Map<string, string>()
  /** The ids that came in this answer, and in those before it. */
  readonly #given = new Set<string>()
  readonly #earlier = new Set<string>()
  #answer = 'response'
  #ended = 0

  /** No item was seen in this answer. */
  get isEmpty(): boolean {
    return this.#given.size === 0
  }

  /** The answer's own id, as part of a name. */
  get answer(): string {
    return this.#answer
  }

  /** Another answer begins. */
  begin(answer: unknown): void {
    this.endAnswer()
    this.#answer = partWord(answer, 'response')
  }

  /** The answer ends. An id that comes again is another item's: some gateways begin anew with each answer. */
  endAnswer(): void {
    for (const id of this.#given) this.#earlier.add(id)
    this.#given.clear()
    this.#atPlace.clear()
    this.#ended++
  }

  /** An item begins. */
  announce(type: string, given: unknown, { output_index: place }: Fields): string {
    const id = this.#named(given, place)
    this.#announced.add(id)
    this.#atPlace.set(placeOf(type, id, place), id)
    return id
  }

  /** Whether the item began in this reading. */
  knows(id: string): boolean {
    return this.#announced.has(id)
  }

  /** The item of a type that an event with this id and `output_index` is about. */
  of(type: string, given: unknown, { output_index: place }: Fields): string {
    const id = this.#named(given, place)
    const there = placeOf(type, id, place)
    if (this.#announced.has(id)) return id
    const first = this.#atPlace.get(there) ?? id
    this.#atPlace.set(there, first)
    return first
  }

  /** As {@link of}, for the item's last event: the place is free for another. */
  end(type: string, given: unknown, at: Fields): string {
    const id = this.of(type, given, at)
    this.#atPlace.delete(placeOf(type, this.#named(given, at['output_index']), at['output_index']))
    return id
  }

  #named(id: unknown, place: unknown): string {
    const given = stringOf(id) || `${this.#answer}.${typeof place === 'number' ? place : 0}`
    this.#given.add(given)
    return this.#earlier.has(given) ? `${given}~${this.#ended}` : given
  }
}

function placeOf(type: string, id: string, place: unknown): string {
  return typeof place === 'number' ? `${type} ${place}` : `${type} of ${id}`
}
