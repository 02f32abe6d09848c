/**
 * Drafts: events as an app or an adapter words them, and their way to what the writer takes.
 *
 * @module
 */
import { LoomiError } from './errors.ts'
import { isId, type Json, MAX_EVENT_BYTES, MAX_ID_LENGTH } from './protocol.ts'
import type { Outgoing } from './pending.ts'

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

/** Where and when a chunk's drafts were made. */
export interface Stamp {
  readonly runId: string
  readonly n: number
  /** Of the first draft. */
  readonly i: number
  /** The lowest number that the chunk stands for. */
  readonly firstN: number
  readonly createdAt: string
}

/** A recorded text longer than this goes in pieces. */
const PIECE_CHARS = 32 * 1024

/** Names are held to what ids are: no store would keep a NUL or half a character to the letter. */
const A_NAME = `a text of 1 to ${MAX_ID_LENGTH} characters without control characters`

/** Checks a chunk's drafts and stamps them. Throws `bad_event` or `event_too_large`; then nothing of it was taken. */
export function stampChunk(drafts: readonly Draft[], stamp: Stamp): Outgoing[] {
  return drafts.map((draft, index) => stampDraft(draft, { ...stamp, i: stamp.i + index }))
}

/** As {@link stampChunk}, for what nobody can be told about: long texts are parted, and a draft that can't be stored becomes a word about it. */
export function stampRecorded(drafts: readonly Draft[], stamp: Stamp): Outgoing[] {
  return drafts.flatMap(inPieces).map((draft, index) => {
    const place = { ...stamp, i: stamp.i + index }
    try {
      return stampDraft(draft, place)
    } catch (error) {
      const reason = error instanceof LoomiError ? error.code : 'bad_event'
      return stampDraft({ ...DROPPED, event_data: { count: 1, reason } }, place)
    }
  })
}

const DROPPED: Draft = { event_type: 'loomi_dropped', agent_source: 'loomi' }

function inPieces(draft: Draft): Draft[] {
  const { event_data: text, part, part_done } = draft
  if (typeof text !== 'string' || part === undefined || text.length <= PIECE_CHARS) return [draft]
  const pieces: Draft[] = []
  for (let at = 0; at < text.length; at += PIECE_CHARS)
    pieces.push({ ...draft, event_data: text.slice(at, at + PIECE_CHARS), part_done: false })
  pieces.push({ ...pieces.pop()!, part_done: part_done === true })
  return pieces
}

function stampDraft(draft: Draft, { runId, n, i, firstN, createdAt }: Stamp): Outgoing {
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
    first_n: firstN,
    first_i: firstN < n ? 0 : i,
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
