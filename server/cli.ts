#!/usr/bin/env node
/**
 * The command `loomi-recovery`.
 *
 * @module
 */
import { FORMS } from './adapters/forms.ts'
import { feed } from './cli/feed.ts'
import { CliError } from './cli/flags.ts'
import { migrate } from './cli/migrate.ts'
import { serve } from './cli/serve.ts'
import { stop } from './cli/stop.ts'
import { tail } from './cli/tail.ts'
import { LoomiError } from './errors.ts'

const HELP = `loomi-recovery: an AI agent's event stream that survives reloads, closed tabs and redeploys

  loomi-recovery serve [--port 8787] [--host 127.0.0.1] [--store .loomi/log.db] [--demo]
      Serves the two endpoints under /api/loomi. Beyond this machine it needs LOOMI_SECRET
      in the environment, with which your server issues tickets.

  loomi-recovery feed --session ID --user ID [--store .loomi/log.db] [--run ID] [--close]
                      [--format auto|FORM] [--speed max|realtime|N] < stream
      Appends a model's stream to a session's log as it comes: one JSON chunk a line, or
      server-sent events (curl -N … | loomi-recovery feed …). The form is found by itself;
      FORM is ${Object.keys(FORMS).join(', ')}.
      Fed again with the same --run it adds only what is missing. --close ends the session.
      N: chunks a second; realtime: 30.

  loomi-recovery tail --session ID [--user ID] [--url http://localhost:8787/api/loomi] [--ticket T]
                      [--after CURSOR] [--json] [--once]
      Follows a session in the terminal, from its beginning and on, through restarts and outages.
      --json: one event a line; --once: what there is now. The ticket is better given as LOOMI_TICKET.

  loomi-recovery stop --session ID [--store .loomi/log.db]
      Stops what is being answered in a session, in whatever process.

  loomi-recovery migrate --store postgres://USER:PASSWORD@HOST/DATABASE
      Makes the log's tables in a Postgres, or brings them up to date; several may run at once.
      The URL is better given as DATABASE_URL. Supabase: supabase db push.

  loomi-recovery --help
`

const COMMANDS: Record<string, (args: string[]) => Promise<void>> = { serve, feed, stop, tail, migrate }

async function main([name, ...args]: string[]): Promise<void> {
  if (
    name === undefined ||
    name === '--help' ||
    name === '-h' ||
    name === 'help' ||
    args.includes('--help')
  ) {
    console.log(HELP)
    process.exitCode = name === undefined ? 2 : 0
    return
  }
  const command = COMMANDS[name]
  if (!command)
    throw new CliError(
      `There is no command "${name}". The commands are ${Object.keys(COMMANDS).join(', ')}; see loomi-recovery --help.`,
    )
  await command(args)
}

/** A command may wait for its store and for nothing else, and the clock's timers keep no process alive. */
const busy = setInterval(() => undefined, 60_000)

main(process.argv.slice(2))
  .catch((error: unknown) => {
    if (error instanceof CliError || error instanceof LoomiError)
      console.error(`loomi-recovery: ${error.message}`)
    else console.error(error)
    const badFlag = error instanceof CliError || (error instanceof LoomiError && error.code === 'bad_option')
    process.exit(badFlag ? 2 : 1)
  })
  .finally(() => clearInterval(busy))
