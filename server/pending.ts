/**
 * Pending events: what waits for the store, in order, deltas of one part joined, within a bound for the whole process.
 * Past the bound, and for what the store refuses, a `loomi_dropped` event that counts them takes their place. Of a run that
 * several processes feed it may count what another one has stored.
 *
 * @module
 */
import { comesAfter, type NewEvent, type RunPlace } from './store.ts'

const COALESCE_DELTAS = 64
const COALESCE_CHARS = 16 * 1024
/** What an event costs beside its data, in bytes, roughly. */
const EVENT_BYTES = 256
/** One append takes at most so many rows, so that a long outage's backlog is not one transaction. */
const BATCH_GROUPS = 500

/** An event on its way, with the chunk that it came from. `text` is set on a delta, which may join its neighbours. */
export interface Outgoing extends NewEvent {
  readonly text: string | null
}

/** Why events are missing. */
export type DropReason = 'pending_full' | 'refused'

/** Outgoing events that become one row: a single one, several deltas of one part, or the word about dropped ones. */
export interface Group {
  readonly events: Outgoing[]
  bytes: number
  /** Which push its newest event came with, counted from 1. */
  serial: number
  /** Viewers have it, as provisional: it must not change any more. */
  isPublished: boolean
  dropped: { count: number; readonly reason: DropReason } | null
}

/** The queue; see the module. */
export class Pending {
  readonly #budget: { used: number; readonly max: number }
  #groups: Group[] = []
  #deltas = 0
  #chars = 0
  #serial = 0
  /** The word that counts what is dropped of each run now, wherever it waits. */
  readonly #drops = new Map<string, Group>()

  constructor(budget: { used: number; readonly max: number }) {
    this.#budget = budget
  }

  get isEmpty(): boolean {
    return this.#groups.length === 0
  }

  /** The number of the last push. */
  get serial(): number {
    return this.#serial
  }

  /** There is enough for an append. */
  get isLarge(): boolean {
    return this.#deltas >= COALESCE_DELTAS || this.#chars >= COALESCE_CHARS
  }

  /** Takes the events of one chunk; false when these are the first that had to be dropped. */
  take(events: readonly Outgoing[]): boolean {
    this.#serial++
    const bytes = events.reduce((sum, event) => sum + bytesOf(event), 0)
    // What ends something is always kept: it is small, and without it a page would wait for ever.
    const isKept = events.some(
      ({ event_type }) => event_type === 'run_end' || event_type === 'session_complete',
    )
    if (!isKept && this.#budget.used + bytes > this.#budget.max) return this.#drop(events)
    this.#budget.used += bytes
    // What follows in its run has a place after it: that word is spoken.
    this.#drops.delete(events[0]!.run_id)
    for (const event of events) this.#add(event)
    return true
  }

  /** These are on their way to the store and must not change any more. */
  seal(groups: readonly Group[]): void {
    for (const group of groups) {
      const runId = group.events[0]!.run_id
      if (this.#drops.get(runId) === group) this.#drops.delete(runId)
    }
  }

  /** Hands everything over; what it cost is counted until `release`. */
  takeAll(): Group[] {
    const groups = this.#groups
    this.#groups = []
    this.#deltas = this.#chars = 0
    return groups
  }

  /** These are not waiting any more. */
  release(groups: readonly Group[]): void {
    for (const { bytes } of groups) this.#budget.used -= bytes
  }

  #add(event: Outgoing): void {
    const group = this.#groups.at(-1)
    const last = group?.events.at(-1)
    const bytes = bytesOf(event)
    if (group && last && joins(last, event) && fits(group, event)) {
      group.events.push(event)
      group.bytes += bytes
      group.serial = this.#serial
    } else
      this.#groups.push({ events: [event], bytes, serial: this.#serial, isPublished: false, dropped: null })
    this.#deltas++
    this.#chars += event.event_data.length
  }

  #drop(events: readonly Outgoing[]): boolean {
    const runId = events[0]!.run_id
    const known = this.#drops.get(runId)
    if (known) {
      const { n, i } = events.at(-1)!
      known.events[0] = { ...known.events[0]!, n, i }
      known.dropped!.count += events.length
      return true
    }
    const whole = { events: [...events], bytes: 0, serial: this.#serial, isPublished: false, dropped: null }
    const word = dropOf([whole], 'pending_full')
    this.#budget.used += word.bytes
    this.#groups.push(word)
    this.#drops.set(runId, word)
    return false
  }
}

/** The word about groups that are not stored. They are of one run. */
export function dropOf(groups: readonly Group[], reason: DropReason): Group {
  const first = groups[0]!.events[0]!
  const { n, i, created_at } = groups.at(-1)!.events.at(-1)!
  const { first_n, first_i, run_id } = first
  const event: Outgoing = {
    run_id,
    n,
    i,
    first_n,
    first_i,
    event_type: 'loomi_dropped',
    content_type: 'loomi_dropped',
    agent_source: 'loomi',
    event_data: '',
    event_metadata: null,
    part_id: null,
    part_done: false,
    created_at,
    text: null,
  }
  const count = groups.reduce((sum, group) => sum + (group.dropped?.count ?? group.events.length), 0)
  const { serial, isPublished } = groups.at(-1)!
  return { events: [event], bytes: EVENT_BYTES, serial, isPublished, dropped: { count, reason } }
}

/** One row of a group, without what is stored already (`high`); null when that leaves nothing. */
export function joinGroup({ events, dropped }: Group, high: RunPlace | null): NewEvent | null {
  const fresh = high === null ? events : events.flatMap((event) => cut(event, high, dropped !== null))
  const first = fresh[0]
  const last = fresh.at(-1)
  if (!first || !last) return null
  const { text: _, ...event } = first
  const event_data = dropped
    ? JSON.stringify(dropped)
    : fresh.length === 1
      ? first.event_data
      : JSON.stringify(fresh.map(({ text }) => text).join(''))
  return { ...event, event_data, n: last.n, i: last.i, part_done: last.part_done }
}

/** Groups in portions of at most `size`. Events of one chunk are never parted. */
export function batchesOf(groups: readonly Group[], size = BATCH_GROUPS): Group[][] {
  const batches: Group[][] = []
  for (const group of groups) {
    const batch = batches.at(-1)
    const before = batch?.at(-1)?.events.at(-1)
    const isParted = before?.run_id === group.events[0]!.run_id && before.n === group.events[0]!.n
    if (batch && (batch.length < size || isParted)) batch.push(group)
    else batches.push([group])
  }
  return batches
}

/**
 * Two halves that can be appended apart, null when it is one chunk. The end of a run has the number of its last chunk and is
 * no part of it.
 */
export function halvesOf(groups: readonly Group[]): [Group[], Group[]] | null {
  const chunks = batchesOf(groups, 1)
  const half = chunks.slice(0, Math.ceil(chunks.length / 2)).flat().length
  const endsRun = groups.at(-1)!.events[0]!.event_type === 'run_end'
  const at = chunks.length > 1 ? half : endsRun ? groups.length - 1 : 0
  return at > 0 ? [groups.slice(0, at), groups.slice(at)] : null
}

/** What of an event comes after a place. Of a text that stands for several numbers, one for each character, the rest. */
export function cut(event: Outgoing, high: RunPlace, isWhole = false): Outgoing[] {
  if (!comesAfter(event, high)) return []
  const passed = high.n - event.first_n + 1
  if (passed <= 0 || event.n === event.first_n) return [event]
  if (isWhole || event.text === null) return [{ ...event, first_n: high.n + 1, first_i: 0 }]
  const text = event.text.slice(passed)
  return [{ ...event, text, event_data: JSON.stringify(text), first_n: high.n + 1, first_i: 0 }]
}

function bytesOf(event: Outgoing): number {
  return EVENT_BYTES + event.event_data.length + (event.event_metadata?.length ?? 0)
}

function fits({ events, bytes }: Group, event: Outgoing): boolean {
  const chars = bytes - events.length * EVENT_BYTES
  return events.length < COALESCE_DELTAS && chars + event.event_data.length <= COALESCE_CHARS
}

function joins(left: Outgoing, right: Outgoing): boolean {
  return (
    left.text !== null &&
    right.text !== null &&
    left.part_id === right.part_id &&
    left.part_id !== null &&
    !left.part_done &&
    left.run_id === right.run_id &&
    left.event_type === right.event_type &&
    left.content_type === right.content_type &&
    left.agent_source === right.agent_source
  )
}
