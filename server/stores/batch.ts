/**
 * What of a batch a store takes.
 *
 * @module
 */
import { comesAfter, type NewEvent, type RunPlace } from '../store.ts'

/** Those events that come after all before them of their run; `placeOf`: how far the run of an event was. */
export function rising(events: readonly NewEvent[], placeOf: (event: NewEvent) => RunPlace): NewEvent[] {
  const reached = new Map<string, RunPlace>()
  return events.filter((event) => {
    if (!comesAfter(event, reached.get(event.run_id) ?? placeOf(event))) return false
    reached.set(event.run_id, event)
    return true
  })
}
