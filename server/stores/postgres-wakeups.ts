/**
 * Wake-ups by LISTEN and NOTIFY: one connection listens, and what this process has appended in one tick is told at once.
 *
 * A notification is a JSON array of session ids, after the word of the process that sent it; those that SQL functions send
 * have no word. A word to ourselves, now and then, shows whether we hear; while we don't, we ask instead.
 *
 * @module
 */
import { type Clock, systemClock } from '../clock.ts'
import type { SessionHead, SessionRef } from '../store.ts'
import { Wakeups } from './polled-wakeups.ts'
import { CHANNEL, PostgresEar } from './postgres-ear.ts'
import type { PostgresPool } from './postgres-pool.ts'

const PROBE_MS = 5000
/** Postgres takes less than 8000. */
const MAX_BYTES = 7900

type Changed = (sessionIds?: ReadonlySet<string>) => void

/** Tells and hears; see the module. Nothing is connected until somebody watches. */
export class PostgresWakeups {
  readonly #pool: PostgresPool
  readonly #clock: Clock
  readonly #word = crypto.randomUUID().replaceAll('-', '')
  readonly #watchers = new Set<Changed>()
  readonly #polls: Wakeups
  #stopPolls: (() => void) | null = null
  #told = new Set<string>()
  #telling: NodeJS.Immediate | null = null
  #ear: PostgresEar | null = null
  #probeTimer: unknown = null
  #isTold = false
  #isDirect = true
  /** Nothing can ever be heard. */
  #isDeaf: boolean
  #hasHeard = false
  #hasEverHeard = false
  #hasWarned = false

  constructor(pool: PostgresPool, clock: Clock = systemClock) {
    this.#pool = pool
    this.#isDeaf = pool.isTransactionPooler
    this.#clock = clock
    this.#polls = new Wakeups(clock)
    if (this.#isDeaf) this.#warn()
  }

  /** Has `changed` called until the answer is called. */
  watch(changed: Changed): () => void {
    const watcher: Changed = (ids) => changed(ids)
    this.#watchers.add(watcher)
    if (this.#watchers.size === 1) this.#start()
    return () => {
      if (this.#watchers.delete(watcher) && this.#watchers.size === 0) this.#rest()
    }
  }

  /** This process has appended to a session: the others hear of it with all else of this tick. */
  appended(ref: SessionRef, head: SessionHead): void {
    this.#polls.appended(ref, head)
    this.#told.add(ref.sessionId)
    this.#telling ??= setImmediate(() => {
      this.#telling = null
      const ids = [...this.#told]
      this.#told.clear()
      void this.#tell(payloadsOf(this.#word, ids))
    })
  }

  /** Follows a question for heads, whose answer tells how soon to ask again where asking is needed. */
  asking(
    refs: readonly SessionRef[],
    answer: Promise<readonly (SessionHead | null)[]>,
  ): Promise<readonly (SessionHead | null)[]> {
    return this.#polls.asking(refs, answer)
  }

  /** Tells what is to be told and lets go. */
  async close(): Promise<void> {
    this.#watchers.clear()
    this.#rest()
    if (this.#telling === null) return
    clearImmediate(this.#telling)
    await this.#tell(payloadsOf(this.#word, [...this.#told]))
  }

  #start(): void {
    this.#poll()
    if (!this.#isDeaf) this.#listen()
  }

  #rest(): void {
    this.#clock.clearTimeout(this.#probeTimer)
    this.#stopPolls?.()
    this.#stopPolls = null
    this.#hangUp()
  }

  #listen(): void {
    this.#hangUp()
    this.#hasHeard = this.#isTold = false
    this.#isDirect = true
    this.#ear = new PostgresEar({
      clock: this.#clock,
      connect: () => this.#pool.client(),
      // What was told meanwhile is lost, so everybody looks.
      onListen: (isDirect) => {
        this.#isDirect = isDirect
        this.#wakeAll()
        void this.#probe()
      },
      onLost: () => {
        this.#isTold = false
        this.#poll()
      },
      onPayload: (payload) => this.#hear(payload),
    })
    this.#probeTimer = this.#clock.setTimeout(() => this.#check(), PROBE_MS)
  }

  #hangUp(): void {
    this.#clock.clearTimeout(this.#probeTimer)
    this.#ear?.end()
    this.#ear = null
  }

  #hear(payload: string): void {
    const at = payload.indexOf('[')
    if (payload.slice(0, at) === this.#word) {
      this.#hasHeard = this.#hasEverHeard = true
      this.#stopPolls?.()
      this.#stopPolls = null
      return
    }
    const ids = idsOf(payload.slice(at))
    for (const changed of this.#watchers) changed(ids)
  }

  /** A connection that was cut without a word looks alive for many minutes: one that we hear nothing on is replaced. */
  #check(): void {
    if (this.#hasHeard) {
      this.#hasHeard = false
      this.#probeTimer = this.#clock.setTimeout(() => this.#check(), PROBE_MS)
      void this.#probe()
      return
    }
    // Told and never heard: the database is there, but no way back from it.
    if (this.#isTold && !this.#hasEverHeard) {
      this.#warn()
      // A pooler's connections that once listened go on to, for nobody: there are not to be more of them.
      this.#isDeaf = !this.#isDirect
    }
    this.#poll()
    if (this.#isDeaf) this.#hangUp()
    else this.#listen()
  }

  async #probe(): Promise<void> {
    const ear = this.#ear
    const isTold = await this.#tell([`${this.#word}[]`])
    if (this.#ear === ear) this.#isTold = isTold
  }

  /** Hints are not worth an error: who misses one reads a little later. */
  #tell(payloads: readonly string[]): Promise<boolean> {
    const text = `select pg_notify('${CHANNEL}', payload) from json_array_elements_text($1) as payload`
    return this.#pool.ask(text, [payloads]).then(
      () => true,
      () => false,
    )
  }

  #poll(): void {
    this.#stopPolls ??= this.#polls.watch(() => this.#wakeAll())
  }

  #wakeAll(): void {
    for (const changed of this.#watchers) changed()
  }

  #warn(): void {
    if (this.#hasWarned) return
    this.#hasWarned = true
    process.emitWarning(
      `LISTEN does not work through ${this.#pool.name} (a transaction pooler?), so the store is asked for news every 0.1 to 2 s. ` +
        'Give the database’s own port, or the pooler’s session mode (5432), for wake-ups at once.',
      { type: 'LoomiWarning', code: 'LOOMI_NO_LISTEN' },
    )
  }
}

/** As few notifications as the ids fit into. */
function payloadsOf(word: string, ids: readonly string[]): string[] {
  const payloads: string[] = []
  let piece: string[] = []
  let bytes = 0
  for (const id of ids) {
    const more = Buffer.byteLength(JSON.stringify(id)) + 1
    if (bytes + more > MAX_BYTES - word.length - 2) {
      payloads.push(word + JSON.stringify(piece))
      piece = []
      bytes = 0
    }
    piece.push(id)
    bytes += more
  }
  if (piece.length > 0) payloads.push(word + JSON.stringify(piece))
  return payloads
}

/** Anybody may notify; what can't be read is about any session. */
function idsOf(json: string): ReadonlySet<string> | undefined {
  try {
    const ids = JSON.parse(json) as unknown
    if (Array.isArray(ids) && ids.every((id) => typeof id === 'string')) return new Set(ids)
  } catch {}
  return undefined
}
