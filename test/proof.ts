/** What tests have shown in numbers, for the table at the end of `npm test`. */
import { appendFileSync } from 'node:fs'

/** How often one kind of thing was done, and what came of it. What nobody looked for is left out, not 0. */
export interface Proof {
  /** Its row in the table; numbers of the same row are added up. */
  readonly of: 'cuts' | 'kills' | 'schedules' | 'planted bugs'
  readonly run: number
  readonly lost?: number
  readonly duplicated?: number
  readonly reordered?: number
  readonly unsignalled?: number
  /** Of planted bugs: how many of them were found. */
  readonly found?: number
}

/** Hands numbers to `npm test`, which names a file for them in LOOMI_TEST_PROOF; without it does nothing. */
export function prove(proof: Proof): void {
  const file = process.env['LOOMI_TEST_PROOF']
  if (file) appendFileSync(file, `${JSON.stringify(proof)}\n`)
}
