/**
 * Checks of the numbers that options hold.
 *
 * @module
 */
import { LoomiError } from './errors.ts'

/** The longest that a timer of JavaScript can wait; it takes longer ones for 1 ms. */
export const MAX_MS = 2 ** 31 - 1

/** Throws `bad_option` unless each number is one from `least` to `most`. */
export function checkNumbers(
  numbers: Readonly<Record<string, number>>,
  least: number,
  most = Infinity,
): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (value >= least && value <= most) continue
    throw new LoomiError(
      'bad_option',
      `${name} is a number from ${least} ${most === Infinity ? 'up' : `to ${most}`}.`,
    )
  }
}
