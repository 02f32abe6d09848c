/**
 * The web server's line to the agent, which lives in another process.
 *
 * @module
 */
import type { AgentRequest, FromAgent, FromWeb } from './messages.ts'

/** Asks the agent; resolves when the first events of what it does are stored. */
export type AgentClient = (request: AgentRequest) => Promise<void>

/** The line through this process's parent. */
export function agentClient(): AgentClient {
  const waiting = new Map<number, PromiseWithResolvers<void>>()
  let lastId = 0
  process.on('message', ({ type, id }: FromAgent) => {
    const answer = waiting.get(id)
    waiting.delete(id)
    if (type === 'taken') answer?.resolve()
    else answer?.reject(new Error('The agent could not do this just now.'))
  })
  return (request) => {
    const id = ++lastId
    const answer = Promise.withResolvers<void>()
    waiting.set(id, answer)
    process.send?.({ type: 'request', id, request } satisfies FromWeb)
    return answer.promise
  }
}
