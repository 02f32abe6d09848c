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
  const waiting = new Map<number, () => void>()
  let lastId = 0
  process.on('message', ({ id }: FromAgent) => {
    waiting.get(id)?.()
    waiting.delete(id)
  })
  return (request) =>
    new Promise((resolve) => {
      const id = ++lastId
      waiting.set(id, resolve)
      process.send?.({ type: 'request', id, request } satisfies FromWeb)
    })
}
