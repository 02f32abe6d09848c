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

interface Answering {
  readonly stop: AbortController
  readonly done: Promise<void>
}

/** Answers in any number of sessions, one question at a time in each; a new one stops the answer before it. */
export class Agent {
  readonly #loomi: Loomi
  readonly #answering = new Map<string, Answering>()
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

  /** Stops every answer; resolves when all of them are stored. */
  async close(): Promise<void> {
    await Promise.all([...this.#answering.keys()].map((sessionId) => this.#stop(sessionId)))
  }

  async #open(sessionId: string): Promise<void> {
    if (this.#answering.has(sessionId)) return
    const session = this.#loomi.session({ sessionId, userId: VISITOR })
    if (parseCursor(await session.cursor())?.seq === 0)
      return this.#ask(sessionId, FIRST_QUESTION, HEAD_START_MS)
    let last = ''
    for await (const event of session.read()) last = event.event_type
    // An earlier process went away in the middle of an answer, which nobody will go on with.
    if (last !== 'run_end') endRun(session, 'interrupted')
  }

  async #ask(sessionId: string, question: string, headStartMs = 0): Promise<void> {
    await this.#stop(sessionId)
    const session = this.#loomi.session({ sessionId, userId: VISITOR })
    session.user(question)
    const stop = new AbortController()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const done = this.#play(session, question, headStartMs, stop.signal, begin).finally(() => {
      begin()
      if (this.#answering.get(sessionId)?.stop === stop) this.#answering.delete(sessionId)
    })
    this.#answering.set(sessionId, { stop, done })
    await begun
  }

  async #stop(sessionId: string): Promise<void> {
    const answering = this.#answering.get(sessionId)
    answering?.stop.abort()
    await answering?.done
  }

  async #play(
    session: Session,
    question: string,
    headStartMs: number,
    signal: AbortSignal,
    begin: () => void,
  ): Promise<void> {
    const given = this.#given.get(session.sessionId) ?? []
    const { name, isMatch } = chooseAnswer(question, given)
    this.#given.set(session.sessionId, [...given, name])
    let passedMs = 0
    try {
      for (const { afterMs, draft } of beatsOf(ANSWERS[name]!, isMatch)) {
        passedMs += afterMs
        if (passedMs >= headStartMs) {
          begin()
          await wait(afterMs, undefined, { signal })
          // What came before is stored one by one, or all of it would be one event.
        } else await session.cursor()
        session.emit(draft)
      }
      await session.end()
    } catch (error) {
      if (!signal.aborted) throw error
      endRun(session, 'stopped')
      await session.cursor()
    }
  }
}

function endRun(session: Session, status: 'stopped' | 'interrupted'): void {
  session.emit({ event_type: 'run_end', content_type: status, agent_source: 'loomi', event_data: { status } })
}
