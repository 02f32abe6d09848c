/**
 * Intake: the way of a provider's chunks into a run, each under its number.
 *
 * The number of a chunk is the provider's own where it has one, so that a stream which is read again, from wherever, adds
 * only what is new; otherwise chunks are counted.
 *
 * @module
 */
import type { ChunkReader, Outcome } from './adapters/adapter.ts'
import type { Run } from './run.ts'

const PIECE_CHARS = 32 * 1024

/** Takes one stream's chunks into a run; see the module. */
export class Intake {
  readonly #run: Run
  readonly #isNameless: boolean
  readonly #reader: ChunkReader
  /** Added to the provider's numbers: they begin anew with each answer, the run's do not. */
  #base = 0
  #answer: string | null = null
  /** The last number that was out of turn. */
  #jump: number | null = null
  #isNumbered = false

  /** `isNameless`: the provider's id of the answer may name the run. */
  constructor(run: Run, isNameless: boolean, reader: ChunkReader) {
    this.#run = run
    this.#isNameless = isNameless
    this.#reader = reader
  }

  /** Takes a chunk; a very long text in pieces, each under the numbers of its own characters. */
  take(chunk: unknown): void {
    if (typeof chunk !== 'string' || chunk.length <= PIECE_CHARS) return this.#takeOne(chunk)
    for (let at = 0; at < chunk.length; at += PIECE_CHARS) this.#takeOne(chunk.slice(at, at + PIECE_CHARS))
  }

  #takeOne(chunk: unknown): void {
    const run = this.#run
    const sequence = this.#reader.sequence?.(chunk) ?? null
    if (sequence !== null) this.#follow(this.#reader.answerId?.(chunk) ?? null)
    const before = run.place.n
    if (sequence === null) {
      const drafts = this.#reader.read(chunk)
      // Between numbered chunks it must not take the number of the next one.
      if (this.#isNumbered) run.add(drafts)
      else run.record(drafts, before + 1)
      return
    }
    const n = this.#base + sequence + 1
    // The provider, or the SDK that reconnected to it, sends again what was taken already.
    if (n <= before) return
    const drafts = this.#reader.read(chunk)
    if (typeof chunk === 'string') run.record(drafts, n, before + 1)
    else if (this.#isInTurn(n, before)) run.record(drafts, n)
    else run.add(drafts)
    this.#isNumbered = true
  }

  /** A single number far ahead may be a mistake, and would make repeats of all that follows; two in a row are none. */
  #isInTurn(n: number, before: number): boolean {
    const isNext = !this.#isNumbered || n === before + 1 || n - 1 === this.#jump
    this.#jump = isNext ? null : n
    return isNext
  }

  /** Takes what the end of the stream makes; how the provider said that the answer ended, null when well. */
  finish(): Outcome | null {
    this.#run.add(this.#reader.finish())
    return this.#reader.outcome?.() ?? null
  }

  /** Ends the texts that are open. What else the adapter holds back is told whole when the stream is taken up again. */
  breakOff(): void {
    this.#run.add(this.#reader.finish().filter(({ part_done }) => part_done === true))
  }

  /** Several numbered answers may come in one stream, as an agent makes them. */
  #follow(answer: string | null): void {
    if (answer === null || answer === this.#answer) return
    if (this.#answer === null && this.#isNameless) this.#run.rename(answer)
    else if (this.#answer !== null) this.#base = this.#run.place.n
    this.#answer = answer
  }
}
