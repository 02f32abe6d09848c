/**
 * The faults that the buttons cause: connections of one session that break, once or for a while.
 *
 * @module
 */
import type { Socket } from 'node:net'
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { MiddlewareHandler } from 'hono'

/** Knows the open streams of each session, of whatever kind, and breaks them. */
export class Faults {
  readonly #sockets = new Map<string, Set<Socket>>()
  readonly #offlineUntil = new Map<string, number>()

  /** Breaks the connections that a session's streams are on. */
  cut(session: string): void {
    for (const socket of this.#sockets.get(session) ?? []) socket.destroy()
  }

  /** Cuts, and lets no stream of the session begin for `ms` milliseconds. */
  offline(session: string, ms: number): void {
    this.#offlineUntil.set(session, performance.now() + ms)
    setTimeout(() => this.#forget(session), ms + 1).unref()
    this.cut(session)
  }

  /** For the routes of streams, with the parameter `session`. */
  readonly middleware: MiddlewareHandler<{ Bindings: HttpBindings }> = async (c, next) => {
    const session = c.req.param('session')
    const { socket } = c.env.incoming
    if (session === undefined) return next()
    if (this.#isOffline(session)) {
      socket.destroy()
      return RESPONSE_ALREADY_SENT
    }
    const sockets = this.#sockets.get(session) ?? new Set()
    this.#sockets.set(session, sockets.add(socket))
    c.env.outgoing.once('close', () => {
      sockets.delete(socket)
      if (sockets.size === 0) this.#sockets.delete(session)
    })
    return next()
  }

  #isOffline(session: string): boolean {
    return performance.now() < (this.#offlineUntil.get(session) ?? 0)
  }

  #forget(session: string): void {
    if (!this.#isOffline(session)) this.#offlineUntil.delete(session)
  }
}
