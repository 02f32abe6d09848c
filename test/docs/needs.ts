/**
 * What the tests of producers and proxies run beside Node, and why one of them is skipped where that is missing.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Debian's own: the one that its packages for Python are for. */
export const PYTHON: string = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'

/** Why there is no Python 3, or none with a certain module; false when there is. */
export function noPython(module = 'json'): string | false {
  const found = spawnSync(PYTHON, ['-c', `import ${module}`]).status === 0
  return !found && `Python 3 with ${module} is not installed (Debian: python3, python3-psycopg2)`
}

/** The first reason that there is. In a pipeline everything is there, so that nothing is skipped but fails. */
export function lacking(...reasons: readonly (string | false)[]): string | false {
  return process.env['CI'] !== 'true' && (reasons.find((reason) => reason !== false) ?? false)
}
