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
  readonly #known = new Map<string, { readonly ref: SessionRef; readonly writer: WeakRef<SessionWriter> }>()
  readonly #gone = new FinalizationRegistry<string>((name) => {
    // By now another one may have the name.
    if (this.#known.get(name)?.writer.deref() === undefined) this.#known.delete(name)
  })

  constructor(deps: WriterDeps) {
    this.#deps = deps
  }

  /** The writer of a session. */
  of(ref: SessionRef): SessionWriter {
    const name = nameOf(ref)
    const known = this.#known.get(name)?.writer.deref()
    if (known) return known
    const writer = new SessionWriter(ref, this.#deps)
    this.#known.set(name, { ref, writer: new WeakRef(writer) })
    this.#gone.register(writer, name)
    return writer
  }

  /** Resolves when all that was emitted so far is stored or refused; of certain sessions, or of all. */
  async flush(choice?: SessionChoice): Promise<void> {
    const writers = this.sessions(choice).map((ref) => this.#known.get(nameOf(ref))?.writer.deref())
    await Promise.all(writers.filter((writer) => writer !== undefined).map((writer) => writer.flush()))
  }

  /** The sessions of a choice that have a writer. */
  sessions(choice?: SessionChoice): SessionRef[] {
    const isChosen = ({ sessionId, userId }: SessionRef): boolean =>
      !choice || ('userId' in choice ? choice.userId === userId : choice.sessionId === sessionId)
    return [...this.#known.values()].map(({ ref }) => ref).filter(isChosen)
  }

  /** Lets those go that are idle: what they know of their sessions is true no more. */
  forget(refs: readonly SessionRef[]): void {
    for (const name of refs.map(nameOf))
      if (this.#known.get(name)?.writer.deref()?.idle) this.#known.delete(name)
  }
}
