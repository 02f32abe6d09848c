/**
 * Flags of the command line, checked.
 *
 * @module
 */
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'
import { isId } from '../protocol.ts'

/** A mistake in the call; the command ends with exit code 2. */
export class CliError extends Error {
  override readonly name = 'CliError'
}

/** Where the log is when nobody says. */
export const DEFAULT_STORE = '.loomi/log.db'

/** The flags of a call. Throws a {@link CliError} for unknown ones, missing values and stray words. */
export function readFlags<const T extends ParseArgsOptionsConfig>(
  args: string[],
  options: T,
): ReturnType<typeof parseArgs<{ args: string[]; options: T }>>['values'] {
  try {
    return parseArgs({ args, options, allowPositionals: false }).values
  } catch (error) {
    const message = error instanceof Error ? error.message.split('. To specify')[0]! : String(error)
    throw new CliError(`${message.replace(/\.$/, '')}. See loomi-recovery --help.`, { cause: error })
  }
}

/** A flag that must be a user's or session's id. */
export function idFlag(name: string, value: string | undefined): string {
  if (!isId(value)) throw new CliError(`--${name} ID is needed: 1 to 128 characters.`)
  return value
}
