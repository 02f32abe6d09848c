/**
 * `loomi-recovery feed`: a provider's stream from standard input to the log.
 *
 * @module
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type ChunkReader, detectAdapter } from '../adapters/adapter.ts'
import { LoomiError } from '../errors.ts'
import { createLoomi } from '../loomi.ts'
import type { Session } from '../session.ts'
import { openStore } from '../stores/open.ts'
import { CliError, DEFAULT_STORE, idFlag, readFlags } from './flags.ts'

const REALTIME_PER_SECOND = 30

/** Feeds standard input; resolves when all of it is stored. */
export async function feed(args: string[]): Promise<void> {
  const flags = readFlags(args, {
    session: { type: 'string' },
    user: { type: 'string' },
    store: { type: 'string', default: DEFAULT_STORE },
    speed: { type: 'string', default: 'max' },
    run: { type: 'string' },
  })
  const sessionId = idFlag('session', flags.session)
  const userId = idFlag('user', flags.user)
  const runId = flags.run === undefined ? undefined : idFlag('run', flags.run)
  const perSecond = speedFlag(flags.speed)
  // Opened here, so that a wrong path ends the command instead of being tried again.
  const store = await openStore(flags.store)
  const loomi = createLoomi({ store })
  try {
    const session = loomi.session({ sessionId, userId, ...(runId !== undefined && { runId }) })
    await feedSession(session, chunks(perSecond))
    if (session.refused) throw session.refused
  } finally {
    await loomi.close()
    await store.close()
  }
}

/**
 * As `session.record` does, but a stream that breaks leaves its run open: mended and fed again under the same run, it
 * goes on where it broke.
 */
async function feedSession(session: Session, source: AsyncIterable<unknown>): Promise<void> {
  let reader: ChunkReader | null = null
  for await (const chunk of source) {
    reader ??= detectAdapter(chunk)()
    session.emitChunk(reader.read(chunk))
  }
  session.emitChunk(reader?.finish() ?? [])
  await session.end()
}

async function* chunks(perSecond: number): AsyncGenerator {
  let number = 0
  for await (const line of lines()) {
    number++
    if (line.trim() === '') continue
    let chunk: unknown
    try {
      chunk = JSON.parse(line)
    } catch (error) {
      throw new LoomiError(
        'bad_request',
        `Line ${number} is not JSON. Give one JSON chunk a line; what came before it is stored. Mended and fed again under the same --run, the rest is added.`,
        { cause: error },
      )
    }
    yield chunk
    if (perSecond !== Infinity) await delay(1000 / perSecond)
  }
}

/** Only LF and CRLF end a line here: readline would also part a text at U+2028, which JSON holds as it is. */
async function* lines(): AsyncGenerator<string> {
  let rest = ''
  for await (const piece of process.stdin.setEncoding('utf8')) {
    const parts = (rest + String(piece)).split('\n')
    rest = parts.pop()!
    yield* parts
  }
  yield rest
}

function speedFlag(speed: string): number {
  if (speed === 'max') return Infinity
  if (speed === 'realtime') return REALTIME_PER_SECOND
  const perSecond = Number(speed)
  if (!(perSecond > 0)) throw new CliError('--speed is max, realtime or a number of chunks a second.')
  return perSecond
}
