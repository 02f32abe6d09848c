/**
 * Which look an event gets: the few kinds that have one, whatever names producers use.
 *
 * @module
 */
import type { LoomiEvent } from '../server/protocol.ts'

/**
 * A look. `event` is the look of everything without one of its own; `run_end` says how a run ended, `error` what went
 * wrong, `dropped` that events are missing; `silent` shows nothing unless the page draws it.
 */
export type Kind =
  | 'thought'
  | 'message'
  | 'user'
  | 'tool'
  | 'source'
  | 'event'
  | 'error'
  | 'dropped'
  | 'run_end'
  | 'silent'

const BY_CONTENT_TYPE = new Map<string, Kind>([
  ['thought', 'thought'],
  ['message', 'message'],
  ['concierge_message', 'message'],
  ['orchestrator_message', 'message'],
  ['user', 'user'],
  ['tool_call', 'tool'],
  ['tool_result', 'tool'],
  ['refusal', 'message'],
  ['source', 'source'],
  ['error', 'error'],
  ['loomi_dropped', 'dropped'],
  // What an answer cost, and what a provider says about it, is for apps.
  ['usage', 'silent'],
  ['message_metadata', 'silent'],
])

/** The kind of an event. Ends of runs and what only the provider knows are told by `event_type`, all others by `content_type`. */
export function kindOf(event: LoomiEvent): Kind {
  if (event.event_type === 'run_end' || event.event_type === 'session_complete') return 'run_end'
  if (event.event_type === 'provider_chunk') return 'silent'
  return BY_CONTENT_TYPE.get(event.content_type) ?? 'event'
}
