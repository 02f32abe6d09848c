/**
 * Drafts: events as an app or an adapter words them, and their way to what the writer takes.
 *
 * @module
 */
import { LoomiError } from './errors.ts'
import { isId, type Json, MAX_EVENT_BYTES, MAX_ID_LENGTH } from './protocol.ts'
import type { Outgoing } from './session-writer.ts'

/** An event as an app words it. Only `event_type` must be given. */
export interface Draft {
  readonly event_type: string
  /** Default: the `event_type`. */
  readonly content_type?: string
  /** Who says it. Default `agent`. */
  readonly agent_source?: string
  /** Any JSON. Default null. */
  readonly event_data?: Json
  readonly event_metadata?: { readonly [name: string]: Json }
  /** Joins the text deltas of one part: `<message>/<index>` or any word that is unique in the run. */
  readonly part?: string
  /** This is the part's last event. */
  readonly part_done?: boolean
}

/** Where and when a draft was made. */
export interface Stamp {
  readonly runId: string
  readonly n: number
  readonly i: number
  readonly createdAt: string
}

/** Names are held to what ids are: no store would keep a NUL or half a character to the letter. */
const A_NAME = `a text of 1 to ${MAX_ID_LENGTH} characters without control characters`

/** Checks a draft and stamps it. Throws `bad_event` or `event_too_large`; then nothing of it was taken. */
export function stampDraft(draft: Draft, { runId, n, i, createdAt }: Stamp): Outgoing {
  const {
    event_type,
    content_type = event_type,
    agent_source = 'agent',
    event_data = null,
    event_metadata,
    part,
  } = draft
  for (const [name, value] of Object.entries({ event_type, content_type, agent_source })) {
    if (!isId(value)) throw new LoomiError('bad_event', `${name} is ${A_NAME}.`)
  }
  if (part !== undefined && !isId(part)) throw new LoomiError('bad_event', `part is ${A_NAME}, or left out.`)
  const data = toJson('event_data', event_data)
  const metadata = event_metadata === undefined ? null : toJson('event_metadata', event_metadata)
  return {
    run_id: runId,
    n,
    i,
    event_type,
    content_type,
    agent_source,
    event_data: data,
    event_metadata: metadata,
    part_id: part === undefined ? null : partId(runId, part),
    part_done: part !== undefined && draft.part_done === true,
    created_at: createdAt,
    text: part !== undefined && metadata === null && typeof event_data === 'string' ? event_data : null,
  }
}

/** `<run>/<message>/<index>`; a single word is its own message. */
function partId(runId: string, part: string): string {
  return part.includes('/') ? `${runId}/${part}` : `${runId}/${part}/0`
}

function toJson(name: string, value: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch (error) {
    throw new LoomiError('bad_event', `${name} is not JSON: leave out functions, cycles and bigints.`, {
      cause: error,
    })
  }
  if (json === undefined)
    throw new LoomiError('bad_event', `${name} is not JSON: leave out functions and symbols.`)
  // Three bytes are the most that UTF-8 takes for one UTF-16 unit.
  if (json.length * 3 > MAX_EVENT_BYTES && new TextEncoder().encode(json).length > MAX_EVENT_BYTES) {
    throw new LoomiError(
      'event_too_large',
      `${name} has more than ${MAX_EVENT_BYTES} bytes of JSON. Send it in parts, or send a reference.`,
    )
  }
  return json
}
