/** Holds what was shown for some rows to their text, with what was shown of it before it was stored. */
import type { Written } from './chronicle.ts'
import type { Problem } from './problems.ts'
import type { Shaky } from './unconfirmed.ts'

/** What a view took in at once. */
export interface TakenIn {
  readonly rows: readonly Written[]
  /** What of these rows it had shown already. */
  readonly known: readonly Pick<Shaky, 'text' | 'isSure'>[]
  /** What it shows now; null when it went on without a word. */
  readonly shown: string | null
  /** One of the rows is of a run that more than one process has fed. */
  readonly isRefed: boolean
}

/** What is wrong with it, null when nothing is. */
export function compareText({ rows, known, shown, isRefed }: TakenIn): Problem | null {
  const text = rows.map((one) => one.text).join('')
  const last = rows.at(-1)!
  const isOnePart = rows.every(
    ({ row }) => row.part_id === last.row.part_id && (rows.length === 1 || row.part_id),
  )
  if (known.length === 0 && text === shown && isOnePart) return null
  // What several processes feed at once, each joins in its own way: only the outcome can be held to the log.
  if (known.length > 0 && isRefed) return null
  const before = known.map((one) => one.text).join('')
  const isThere = sorted(text) === sorted(before + (shown ?? ''))
  if (known.length > 0 && (isThere || known.some(({ isSure }) => !isSure))) return null
  const said = shown === null ? 'says nothing' : `shows "${shown}"`
  const kind = rows.length > 1 || shown === null ? 'lost' : 'untrue'
  return { kind, text: `${said} at ${last.seq}, not "${text}"${before && ` of which "${before}" was shown`}` }
}

function sorted(text: string): string {
  return text.split('').toSorted().join('')
}
