/**
 * `loomi-recovery feed`: a provider's stream from standard input to the log.
 *
 * @module
 */
import { setTimeout as delay } from 'node:timers/promises'
import { chunkDecoder, type ChunkDecoder } from '../adapters/chunk-decoder.ts'
import { detect, FORMS } from '../adapters/forms.ts'
import { LoomiError } from '../errors.ts'
import { createLoomi } from '../loomi.ts'
import { openStore } from '../stores/open.ts'
import { CliError, DEFAULT_STORE, idFlag, readFlags } from './flags.ts'

const REALTIME_PER_SECOND = 30
const SHOWN_CHARS = 60

/** The chunks come decoded. */
const AS_IS: ChunkDecoder = { decode: (chunk) => [chunk], end: () => [] }

/** Feeds standard input, as it comes; resolves when all of it is stored, or the answer was stopped. */
export async function feed(args: string[]): Promise<void> {
  const flags = readFlags(args, {
    session: { type: 'string' },
    user: { type: 'string' },
    store: { type: 'string', default: DEFAULT_STORE },
    format: { type: 'string', default: 'auto' },
    speed: { type: 'string', default: 'max' },
    run: { type: 'string' },
    close: { type: 'boolean', default: false },
  })
  const sessionId = idFlag('session', flags.session)
  const userId = idFlag('user', flags.user)
  const runId = flags.run === undefined ? undefined : idFlag('run', flags.run)
  const adapter = formatFlag(flags.format)
  const perSecond = speedFlag(flags.speed)
  // Opened here, so that a wrong path ends the command instead of being tried again.
  const store = await openStore(flags.store)
  const loomi = createLoomi({ store })
  let leaving: Promise<void> | null = null
  // Once, though a signal ends the recording, which leaves too.
  const leave = (): Promise<void> =>
    (leaving ??= (async () => {
      // A stream that is still open would keep the process.
      process.stdin.destroy()
      await loomi.close()
      await store.close()
    })())
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    process.once(signal, () => void leave().then(() => process.exit(code)))
  try {
    // Named, so that two feeds of one recording are two answers, whatever ids the provider gave.
    const session = loomi.session({ sessionId, userId, runId: runId ?? crypto.randomUUID() })
    const source = chunks(flags.format, perSecond)
    const { status, error } = await session.recordWith(source, { adapter, decoder: AS_IS, keep: false })
    if (status === 'failed' && error instanceof Error) throw error
    if (status === 'stopped') console.error('The answer was stopped.')
    if (flags.close) await session.close()
    if (session.refused) throw session.refused
  } finally {
    await leave()
  }
}

async function* chunks(format: string, perSecond: number): AsyncGenerator {
  const decoder = chunkDecoder(format === 'text' ? 'text' : undefined)
  const isText = format === 'text'
  for await (const bytes of process.stdin) yield* paced(decoder.decode(bytes))
  yield* paced(decoder.end())

  async function* paced(decoded: readonly unknown[]): AsyncGenerator {
    for (const chunk of decoded) {
      const bad = isText ? null : badLine(chunk)
      if (bad !== null) throw notJson(bad)
      yield chunk
      if (perSecond !== Infinity) await delay(1000 / perSecond)
    }
  }
}

/** What should have been JSON and is not; null when a chunk is as it should be. */
function badLine(chunk: unknown): string | null {
  // A file whose very first line is broken looks like prose.
  if (typeof chunk === 'string') return /^\s*[{[]/.test(chunk) ? chunk : null
  const { type, text } = (chunk ?? {}) as { type?: unknown; text?: unknown }
  return type === 'bad_line' && typeof text === 'string' ? text : null
}

function notJson(line: string): LoomiError {
  const shown = JSON.stringify(line.trim().slice(0, SHOWN_CHARS))
  return new LoomiError(
    'bad_request',
    `Not JSON: ${shown}. Give one JSON chunk a line, or server-sent events, or say --format text; what came before it is stored. Mended and fed again under the same --run, the rest is added.`,
  )
}

function formatFlag(format: string): typeof detect {
  if (format === 'auto') return detect
  const form = Object.hasOwn(FORMS, format) ? FORMS[format] : undefined
  if (!form) throw new CliError(`--format is auto, ${Object.keys(FORMS).join(', ')}.`)
  return form.adapter
}

function speedFlag(speed: string): number {
  if (speed === 'max') return Infinity
  if (speed === 'realtime') return REALTIME_PER_SECOND
  const perSecond = Number(speed)
  if (!(perSecond > 0)) throw new CliError('--speed is max, realtime or a number of chunks a second.')
  return perSecond
}
