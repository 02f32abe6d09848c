/** LangGraph chunks as the tests of the adapter make them. */
import { langGraph } from '../../server/adapters/langgraph.ts'
import type { Draft } from '../../server/drafts.ts'
import { draftsOf } from './provider-chunks.ts'

/** What a stream's chunks become. */
export const read = (...chunks: readonly unknown[]): Draft[] => draftsOf(langGraph, chunks)
/** The metadata of a node at the root. */
export const at = (langgraph_node: string): object => ({
  langgraph_node,
  langgraph_checkpoint_ns: `${langgraph_node}:1`,
})
/** A piece of the message `m`, in the messages mode. */
export const piece = (content: unknown, more: object = {}): unknown => [
  'messages',
  [{ type: 'AIMessageChunk', id: 'm', content, ...more }, at('agent')],
]
/** What a node did to its messages. */
export const update = (...messages: unknown[]): unknown => ['updates', { agent: { messages } }]
/** The message `m`, whole or as the platform sends pieces. */
export const whole = (content: unknown, more: object = {}): object => ({
  type: 'ai',
  id: 'm',
  content,
  ...more,
})
