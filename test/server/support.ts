/** What the server's tests share: a clock that is moved by hand, builders, and a reader of streams. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { Clock } from '../../server/clock.ts'
import { createLoomi, type Loomi, type LoomiOptions, type Report } from '../../server/loomi.ts'
import {
  type Frame,
  type HeartbeatAnswer,
  type HeartbeatBody,
  type Json,
  textOf,
} from '../../server/protocol.ts'
import type { NewEvent, SessionRef, Store, StoredEvent } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'

/** Properties run the same way every time; a failure prints the seed and the path to repeat it. */
export const SEED = { seed: 20_261_123 }

/** How many times longer than usual a property may take: `npm run test:full` has more patience. */
export const TIMES = process.env['LOOMI_TEST_FULL'] ? 10 : 1

/** The user and the session that most tests are about. */
export const REF: SessionRef = { sessionId: 's-42', userId: 'ada' }

/** Time that moves only by `advance`. */
export class FakeClock implements Clock {
  #now = Date.UTC(2026, 10, 23)
  #timers = new Map<number, { readonly at: number; readonly fn: () => void }>()
  #next = 1

  now(): number {
    return this.#now
  }

  setTimeout(fn: () => void, ms: number): unknown {
    this.#timers.set(this.#next, { at: this.#now + Math.max(0, ms), fn })
    return this.#next++
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as number)
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.size
  }

  /** Moves on, running what falls due in order and letting what it started settle. */
  async advance(ms: number): Promise<void> {
    await settle()
    const end = this.#now + ms
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at)[0]
      if (!due) break
      this.#timers.delete(due[0])
      this.#now = Math.max(this.#now, due[1].at)
      due[1].fn()
      await settle()
    }
    this.#now = end
    await settle()
  }
}

/** Lets everything that needs no timer and no socket come to rest. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** Waits for what depends on the world outside: a socket, another process. Fails after `ms`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  ms = 8000,
): Promise<void> {
  const end = Date.now() + ms
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`Waited ${ms} ms in vain: ${what}.`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** A folder of its own, and the way to be rid of it. */
export function tempFolder(): { path: (name: string) => string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'loomi-server-'))
  return {
    path: (name) => join(folder, name),
    remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }),
  }
}

/** An event for the store; everything but `n` has a default. */
export function newEvent(n: number, fields: Partial<NewEvent> = {}): NewEvent {
  return {
    run_id: 'run-1',
    n,
    i: 0,
    first_n: n,
    first_i: fields.i ?? 0,
    event_type: 'note',
    content_type: 'note',
    agent_source: 'agent',
    event_data: JSON.stringify(`text ${n}`),
    event_metadata: null,
    part_id: null,
    part_done: false,
    created_at: '2026-11-23T00:00:00.000Z',
    ...fields,
  }
}

/** Events `from` to `to` of one run. */
export function newEvents(from: number, to: number, fields: Partial<NewEvent> = {}): NewEvent[] {
  return Array.from({ length: to - from + 1 }, (_, i) => newEvent(from + i, fields))
}

/** All rows of a session. */
export async function rowsOf(store: Store, ref: SessionRef = REF): Promise<StoredEvent[]> {
  const rows: StoredEvent[] = []
  for (;;) {
    const { events } = await store.read(ref, rows.at(-1)?.seq ?? 0, 500)
    if (events.length === 0) return rows
    rows.push(...events)
  }
}

/** A store that does what another does, apart from the methods given. */
export function storeWith(store: Store, methods: Partial<Store>): Store {
  return {
    append: (ref, events, leaseMs) => store.append(ref, events, leaseMs),
    read: (ref, after, limit) => store.read(ref, after, limit),
    heads: (refs) => store.heads(refs),
    keys: (ref, seqs) => store.keys(ref, seqs),
    runHigh: (ref, runId) => store.runHigh(ref, runId),
    leaseRuns: (runs, leaseMs) => store.leaseRuns(runs, leaseMs),
    releaseRuns: (runs) => store.releaseRuns(runs),
    stoppedRuns: (runs) => store.stoppedRuns(runs),
    endRuns: (status, choice, createdAt) => store.endRuns(status, choice, createdAt),
    transferSession: (sessionId, from, to) => store.transferSession(sessionId, from, to),
    loadPresence: (ref) => store.loadPresence(ref),
    savePresence: (rows) => store.savePresence(rows),
    prune: (retention, limit, from) => store.prune(retention, limit, from),
    deleteSessions: (choice) => store.deleteSessions(choice),
    watch: (changed) => store.watch(changed),
    close: () => store.close(),
    ...methods,
  }
}

/** The text of each part of a log, by its id. */
export function partTexts(rows: readonly StoredEvent[]): Record<string, string> {
  const texts: Record<string, string> = {}
  for (const { part_id, event_data } of rows) {
    if (part_id !== null) texts[part_id] = (texts[part_id] ?? '') + String(JSON.parse(event_data))
  }
  return texts
}

/** A Loomi on a fake clock and a store in memory, with what it reported. */
export interface World {
  readonly loomi: Loomi
  readonly clock: FakeClock
  readonly store: Store
  readonly reports: Report[]
}

/** Makes a {@link World}. */
export function makeWorld(options: Partial<LoomiOptions> & { readonly store?: Store } = {}): World {
  const clock = new FakeClock()
  const reports: Report[] = []
  const store = options.store ?? openSqlite(':memory:', () => clock.now())
  const loomi = createLoomi({ clock, onEvent: (report) => reports.push(report), ...options, store })
  return { loomi, clock, store, reports }
}

/** Sends one request to the route, from this machine unless the URL says otherwise. */
export async function request(loomi: Loomi, path: string, init: RequestInit = {}): Promise<Response> {
  const url = path.startsWith('http') ? path : `http://localhost/api/loomi${path}`
  return loomi.fetch(new Request(url, init))
}

/** Asks for both endpoints with the same headers. */
export async function askBoth(
  loomi: Loomi,
  headers: Record<string, string>,
  { sessionId, userId } = REF,
): Promise<[Response, Response]> {
  const stream = await request(loomi, `/stream/${sessionId}?after=0&user_id=${userId}`, { headers })
  const heartbeat = await request(loomi, '/heartbeat', {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ user_id: userId, session_id: sessionId }),
  })
  return [stream, heartbeat]
}

/** Sends a beat; with defaults for user and session. */
export async function beat(loomi: Loomi, fields: Partial<HeartbeatBody> = {}): Promise<HeartbeatAnswer> {
  const body = JSON.stringify({ user_id: REF.userId, session_id: REF.sessionId, ...fields })
  const response = await request(loomi, '/heartbeat', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  if (response.status !== 200)
    throw new Error(`The beat was answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as HeartbeatAnswer
}

/** What the tests ask of a stream. */
export interface StreamAsk {
  readonly session?: string
  readonly user?: string
  /** The query, without the user. */
  readonly query?: string
  readonly headers?: Record<string, string>
}

/** Opens a stream of the route and reads it. */
export async function openStream(loomi: Loomi, ask: StreamAsk = {}): Promise<SseReader> {
  const { session = REF.sessionId, user = REF.userId, query = '', headers = {} } = ask
  const path = `/stream/${encodeURIComponent(session)}?user_id=${encodeURIComponent(user)}${query && `&${query}`}`
  const response = await request(loomi, path, { headers })
  if (response.status !== 200)
    throw new Error(`The stream was answered ${response.status}: ${await response.text()}`)
  return new SseReader(response)
}

/** One message of a stream. */
export interface Message {
  readonly id: string | undefined
  readonly frame: Frame
}

/** Reads a stream frame by frame. */
export class SseReader {
  readonly response: Response
  readonly retries: number[] = []
  comments = 0
  /** Everything that came, as text. */
  text = ''
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #messages: Message[] = []
  readonly #decoder = new TextDecoder()
  readonly #parser = createParser({
    onEvent: (message) => this.#messages.push(toMessage(message)),
    onRetry: (ms) => this.retries.push(ms),
    onComment: () => this.comments++,
  })

  constructor(response: Response) {
    this.response = response
    this.#reader = response.body!.getReader()
  }

  /** The next message, null when the stream has ended. */
  async next(): Promise<Message | null> {
    while (this.#messages.length === 0) if (!(await this.pump())) return null
    return this.#messages.shift()!
  }

  /** The next `count` messages. */
  async take(count: number): Promise<Message[]> {
    const messages: Message[] = []
    while (messages.length < count) {
      const message = await this.next()
      if (!message) throw new Error(`The stream ended after ${messages.length} of ${count} messages.`)
      messages.push(message)
    }
    return messages
  }

  /** Everything up to and with the first frame of a type. */
  async through(type: Frame['type']): Promise<Message[]> {
    const messages: Message[] = []
    for (;;) {
      const message = await this.next()
      if (!message) throw new Error(`The stream ended before ${type}, after ${typesOf(messages).join(' ')}.`)
      messages.push(message)
      if (message.frame.type === type) return messages
    }
  }

  /** Everything up to the stream's end. */
  async rest(): Promise<Message[]> {
    const messages: Message[] = []
    for (let message = await this.next(); message; message = await this.next()) messages.push(message)
    return messages
  }

  /** Reads once from the connection; false at its end. */
  async pump(): Promise<boolean> {
    const { done, value } = await this.#reader.read()
    if (done) return false
    const text = this.#decoder.decode(value, { stream: true })
    this.text += text
    this.#parser.feed(text)
    return true
  }

  /** Leaves. */
  async cancel(): Promise<void> {
    await this.#reader.cancel()
  }
}

function toMessage({ id, data }: EventSourceMessage): Message {
  return { id, frame: JSON.parse(data) as Frame }
}

/** The word of the server's process in an opening frame. */
export function bootOf(message: Message | null | undefined): string {
  const frame = message?.frame
  if (frame?.type === 'no_replay' || frame?.type === 'replay_start') return frame.boot
  throw new Error(`${frame?.type} opens no stream.`)
}

/** The text of all events among messages, in order. */
export function textOfAll(messages: readonly Message[]): string {
  return messages.map(({ frame }) => (frame.type === 'event' ? textOf(frame.event_data) : '')).join('')
}

/** The types of frames, in order. */
export function typesOf(messages: readonly Message[]): string[] {
  return messages.map(({ frame }) => frame.type)
}

/** The data of the events among messages, in order. */
export function dataOf(messages: readonly Message[]): Json[] {
  return messages.flatMap(({ frame }) => (frame.type === 'event' ? [frame.event_data] : []))
}

/** The seqs of the events among messages, in order. */
export function seqsOf(messages: readonly Message[]): number[] {
  return messages.flatMap(({ id, frame }) => (frame.type === 'event' ? [Number(id?.split('-')[1])] : []))
}

const RECORDINGS = fileURLToPath(new URL('../../../shared/recordings/', import.meta.url))

/** The recorded model streams that Chat Completions made. */
export const CHAT_RECORDINGS = ['openai-chat.text.jsonl', 'openai-chat.deepseek-reasoning.jsonl'] as const

/** Why a recording can't be read here, false when it can. Fits a test's `skip`. */
export function withoutRecordings(): string | false {
  return existsSync(RECORDINGS) ? false : 'the recorded model streams are not on this machine'
}

/** The lines of a recording. */
export function recordingLines(name: (typeof CHAT_RECORDINGS)[number]): string[] {
  return readFileSync(join(RECORDINGS, name), 'utf8').trimEnd().split('\n')
}
