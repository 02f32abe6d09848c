/**
 * `loomi-recovery tail`: a session's stream in the terminal, from its beginning and on.
 *
 * @module
 */
import { styleText } from 'node:util'
import { type Clock, systemClock } from '../clock.ts'
import { LoomiError, type LoomiErrorCode } from '../errors.ts'
import { type Cursor, DEFAULT_BASE, parseCursor } from '../protocol.ts'
import { CliError, idFlag, readFlags } from './flags.ts'
import { follow } from './follow.ts'
import { harmlessJson } from './harmless.ts'
import { Leaving } from './leaving.ts'
import { Printer } from './printer.ts'
import { Refused } from './stream-request.ts'
import { Output } from './terminal.ts'

const DEFAULT_URL = `http://localhost:8787${DEFAULT_BASE}`

const IS_URL_RIGHT = `Is --url the address of the loomi route, such as ${DEFAULT_URL}?`

/** A command that waits for its turn is not over. */
const HOLDING_CLOCK: Clock = { ...systemClock, setTimeout: (fn, ms) => setTimeout(fn, ms) }

/** Follows until the session is complete, with `--once` until the present; forever otherwise, whatever breaks meanwhile. */
export async function tail(args: string[]): Promise<void> {
  const flags = readFlags(args, {
    session: { type: 'string' },
    user: { type: 'string' },
    url: { type: 'string', default: DEFAULT_URL },
    ticket: { type: 'string' },
    after: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
    once: { type: 'boolean', default: false },
  })
  const session = idFlag('session', flags.session)
  const ticket = ticketFlag(flags.ticket ?? (process.env['LOOMI_TICKET'] || null))
  const user = flags.user === undefined && ticket !== null ? null : userFlag(flags.user)
  const url = streamUrl(flags.url, session, { user, once: flags.once })
  if (parseCursor(flags.after) === null)
    throw new CliError('--after is a cursor as --json prints them, or 0 for the beginning.')

  const leaving = new Leaving()
  const { signal } = leaving
  const out = new Output(process.stdout, signal)
  const notes = new Output(process.stderr, signal)
  const printer = new Printer({ colours: out.hasColours })
  let cursor = flags.after
  try {
    const { after, once } = flags
    for await (const told of follow({ url, ticket, after, once, signal, clock: HOLDING_CLOCK })) {
      if (told.kind === 'event') {
        cursor = told.event.cursor
        await out.write(flags.json ? `${harmlessJson(told.event)}\n` : printer.print(told.event))
        continue
      }
      // On one screen the line that is being written would go on behind the note.
      if (out.isTerminal) await out.write(printer.pause())
      const dim = notes.hasColours ? styleText('dim', told.text, { validateStream: false }) : told.text
      await notes.write(`${dim}\n`)
    }
  } catch (error) {
    if (!signal.aborted) throw error instanceof Refused ? explained(error, { cursor, ticket, user }) : error
  } finally {
    // Also when it was told to leave: the prompt shall not stand behind half a line.
    process.stdout.write(printer.pause())
    await out.flush()
  }
  // Nobody waits for what a reader that left, or sleeps, has not taken.
  if (signal.aborted) process.exit(leaving.exitCode)
}

const CODES = new Map<Refused['why'], LoomiErrorCode>([
  [401, 'unauthorized'],
  [403, 'forbidden'],
  ['superseded', 'too_many_streams'],
])

/** What the server said, and what to do about it. */
function explained(
  { message, why }: Refused,
  { cursor, ticket, user }: { cursor: Cursor; ticket: string | null; user: string | null },
): LoomiError {
  const remedies: [Refused['why'], string][] = [
    [400, user === null ? 'Say who reads with --user ID.' : 'Check --session and --user.'],
    [
      401,
      `Give ${ticket === null ? 'a ticket' : 'a fresh ticket'} for this user and session as LOOMI_TICKET or --ticket.`,
    ],
    [
      403,
      'Give a ticket for this user and session as LOOMI_TICKET or --ticket, or run this on the server’s own machine.',
    ],
    [404, IS_URL_RIGHT],
    ['not_a_stream', IS_URL_RIGHT],
    ['superseded', 'End some of them first.'],
  ]
  const remedy = new Map(remedies).get(why) ?? IS_URL_RIGHT
  const goOn = cursor === '0' ? '' : ` Go on from here with --after ${cursor}.`
  return new LoomiError(CODES.get(why) ?? 'bad_request', `${message} ${remedy}${goOn}`)
}

function streamUrl(
  base: string,
  session: string,
  { user, once }: { user: string | null; once: boolean },
): URL {
  const url = URL.canParse(base) ? new URL(base) : null
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password)
    throw new CliError(`--url is the address of the loomi route, such as ${DEFAULT_URL}.`)
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/stream/${encodeURIComponent(session)}`
  url.hash = ''
  if (user !== null) url.searchParams.set('user_id', user)
  url.searchParams.set('merge', '1')
  if (once) url.searchParams.set('follow', '0')
  return url
}

function userFlag(user: string | undefined): string {
  if (user !== undefined) return idFlag('user', user)
  throw new CliError(
    '--user ID is needed for a server on this machine that asks for no ticket; for any other set LOOMI_TICKET, or give --ticket.',
  )
}

function ticketFlag(ticket: string | null): string | null {
  // What a header can't carry would fail at every attempt.
  if (ticket !== null && !/^[\x21-\x7e]+$/.test(ticket))
    throw new CliError(
      'The ticket (--ticket or LOOMI_TICKET) is one word as `tickets(secret).issue` makes it.',
    )
  return ticket
}
