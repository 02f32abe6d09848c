/**
 * Which look an event gets: the few kinds that have one, whatever names producers use.
 *
 * @module
 */
import type { LoomiEvent } from '../server/protocol.ts'

/** A look. `event` is the look of everything without one of its own; `run_end` says how a run ended. */
export type Kind = 'thought' | 'message' | 'user' | 'tool' | 'event' | 'run_end'

const BY_CONTENT_TYPE = new Map<string, Kind>([
  ['thought', 'thought'],
  ['message', 'message'],
  ['concierge_message', 'message'],
  ['orchestrator_message', 'message'],
  ['user', 'user'],
  ['tool_call', 'tool'],
  ['tool_result', 'tool'],
])

/** The kind of an event. Ends of runs are told by `event_type`, all others by `content_type`. */
export function kindOf(event: LoomiEvent): Kind {
  if (event.event_type === 'run_end' || event.event_type === 'session_complete') return 'run_end'
  return BY_CONTENT_TYPE.get(event.content_type) ?? 'event'
}
