/**
 * The session writers of a process: one for all handles of a session, so that their events keep the order in which they
 * were emitted. A writer lives as long as a handle of its session, or as long as something of it waits.
 *
 * @module
 */
import { SessionWriter, type WriterDeps } from './session-writer.ts'
import { nameOf, type SessionChoice, type SessionRef } from './store.ts'

/** The writers; see the module. */
export class Writers {
  readonly #deps: WriterDeps
  readonly #known = new Map<string, WeakRef<SessionWriter>>()
  readonly #gone = new FinalizationRegistry<string>((name) => {
    // By now another one may have the name.
    if (this.#known.get(name)?.deref() === undefined) this.#known.delete(name)
  })

  constructor(deps: WriterDeps) {
    this.#deps = deps
  }

  /** The writer of a session for one of its handles. Asked for with each use: after a transfer it may be another one. */
  handle(ref: SessionRef): { readonly writer: SessionWriter } {
    const find = (): SessionWriter => this.#of(ref)
    // Held here, or it would not live as long as the handle.
    let writer = find()
    return {
      get writer() {
        writer = find()
        return writer
      },
    }
  }

  /** The writer of a session; null without one. */
  find(ref: SessionRef): SessionWriter | null {
    return this.#known.get(nameOf(ref))?.deref() ?? null
  }

  #of(ref: SessionRef): SessionWriter {
    const known = this.find(ref)
    if (known) return known
    const writer = new SessionWriter(ref, this.#deps)
    this.#keep(nameOf(ref), writer)
    return writer
  }

  /** Resolves when all that was emitted so far is stored or refused; of certain sessions, or of all. */
  async flush(choice?: SessionChoice): Promise<void> {
    await Promise.all(this.#chosen(choice).map(({ writer }) => writer.flush()))
  }

  /** The sessions of a choice that have a writer. */
  sessions(choice?: SessionChoice): SessionRef[] {
    return this.#chosen(choice).map(({ writer }) => writer.ref)
  }

  /** A session was given to another user. Its writer goes on as that one's, for the handles of both. */
  give(sessionId: string, from: string, to: string): void {
    const chosen = this.#chosen({ sessionId })
    const theirs = chosen.filter(({ writer }) => writer.ref.userId === from).map(({ writer }) => writer)
    for (const writer of theirs) writer.give(to)
    // What waits for the store already stays where it is, and what comes later goes behind it.
    const kept = chosen.find(({ writer }) => !writer.idle)?.writer ?? theirs[0]
    if (!kept) return
    for (const name of new Set([...chosen.map(({ name }) => name), nameOf({ sessionId, userId: to })]))
      if (this.#known.get(name)?.deref()?.idle ?? true) this.#keep(name, kept)
  }

  /** Lets those go that are idle: what they know of their sessions is true no more. */
  forget(refs: readonly SessionRef[]): void {
    const names = new Set(refs.map(nameOf))
    for (const { name, writer } of this.#chosen())
      if (names.has(nameOf(writer.ref)) && writer.idle) this.#known.delete(name)
  }

  /** The writers of a choice under all their names. */
  #chosen(choice?: SessionChoice): { readonly name: string; readonly writer: SessionWriter }[] {
    const isChosen = ({ sessionId, userId }: SessionRef): boolean =>
      !choice || ('userId' in choice ? choice.userId === userId : choice.sessionId === sessionId)
    return [...this.#known].flatMap(([name, reference]) => {
      const writer = reference.deref()
      return writer && isChosen(writer.ref) ? [{ name, writer }] : []
    })
  }

  #keep(name: string, writer: SessionWriter): void {
    this.#known.set(name, new WeakRef(writer))
    this.#gone.register(writer, name)
  }
}
