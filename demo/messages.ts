/**
 * What the demo's two processes say to each other.
 *
 * @module
 */

/** The only user of the demo. */
export const VISITOR = 'visitor'

/** The longest question, in characters. */
export const MAX_QUESTION_LENGTH = 400

/** What the agent is asked to do. Without a question it begins a conversation that has not begun yet. */
export interface AgentRequest {
  readonly session: string
  readonly question: string | null
}

/** What the web server tells. */
export type FromWeb =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'request'; readonly id: number; readonly request: AgentRequest }

/** What the agent tells of request `id`: it is under way, its first events are stored; or it could not be done. */
export interface FromAgent {
  readonly type: 'taken' | 'failed'
  readonly id: number
}

/** How the web server is started, as JSON in its first argument. */
export interface WebSettings {
  readonly host: string
  readonly port: number
  readonly storeUrl: string
}
