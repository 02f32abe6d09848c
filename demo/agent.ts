/**
 * The scripted agent. It writes to the log and knows nothing of pages, streams or the web server.
 *
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Loomi } from '../server/loomi.ts'
import { parseCursor } from '../server/protocol.ts'
import type { Session } from '../server/session.ts'
import { ANSWERS, chooseAnswer, FIRST_QUESTION } from './choice.ts'
import { type AgentRequest, VISITOR } from './messages.ts'
import { beatsOf } from './pace.ts'

/** How much of its first answer is there when a page opens, in milliseconds of lifelike pace. */
const HEAD_START_MS = 5200

/** Answers in any number of sessions, one question at a time in each; a new one stops the answer before it. */
export class Agent {
  readonly #loomi: Loomi
  readonly #answering = new Map<string, Promise<void>>()
  /** Which answers a session has had, so that it hears all of them before one comes again. */
  readonly #given = new Map<string, readonly string[]>()
  readonly #opening = new Map<string, Promise<void>>()

  constructor(loomi: Loomi) {
    this.#loomi = loomi
  }

  /** Takes a question, or begins a conversation that has not begun. Resolves when its first events are stored. */
  answer({ session, question }: AgentRequest): Promise<void> {
    if (question !== null) return this.#ask(session, question)
    // Two tabs that open the same conversation at once open it once.
    const opening =
      this.#opening.get(session) ?? this.#open(session).finally(() => this.#opening.delete(session))
    this.#opening.set(session, opening)
    return opening
  }

  async #open(sessionId: string): Promise<void> {
    if (this.#answering.has(sessionId)) return
    const session = this.#loomi.session({ sessionId, userId: VISITOR })
    if (parseCursor(await session.cursor())?.seq === 0)
      await this.#ask(sessionId, FIRST_QUESTION, HEAD_START_MS)
  }

  async #ask(sessionId: string, question: string, headStartMs = 0): Promise<void> {
    await this.#stop(sessionId)
    const session = this.#loomi.session({ sessionId, userId: VISITOR })
    session.user(question)
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const done = this.#play(session, question, headStartMs, begin).finally(() => {
      begin()
      if (this.#answering.get(sessionId) === done) this.#answering.delete(sessionId)
    })
    this.#answering.set(sessionId, done)
    await begun
  }

  /** A question that comes in the middle of an answer stops it, as a visitor's button would. */
  async #stop(sessionId: string): Promise<void> {
    const answering = this.#answering.get(sessionId)
    if (!answering) return
    await this.#loomi.stop(sessionId)
    await answering
  }

  async #play(session: Session, question: string, headStartMs: number, begin: () => void): Promise<void> {
    const given = this.#given.get(session.sessionId) ?? []
    const { name, isMatch } = chooseAnswer(question, given)
    this.#given.set(session.sessionId, [...given, name])
    const { signal } = session
    let passedMs = 0
    for (const { afterMs, draft } of beatsOf(ANSWERS[name]!, isMatch)) {
      passedMs += afterMs
      if (passedMs >= headStartMs) {
        begin()
        await wait(afterMs, undefined, { signal }).catch(() => undefined)
        // What came before is stored one by one, or all of it would be one event.
      } else await session.cursor()
      // Whoever stopped it has also written its end.
      if (signal.aborted) return
      session.emit(draft)
    }
    await session.end()
  }
}
