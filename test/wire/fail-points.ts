/**
 * Preloaded (`node --import`), kills this process with SIGKILL before or after a certain write of its own: the n-th call
 * that writes to the store, or the n-th that hands bytes to a TCP socket. From outside, so that the server needs no
 * fail points of its own.
 *
 * `LOOMI_KILL_AT` is `<kind>:<n>:<before|after>`; `LOOMI_POINTS_FILE` gets the label of every call, one a line.
 */
import { appendFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { DatabaseSync, StatementSync } from 'node:sqlite'

type Kind = 'store' | 'socket'

const [killKind, killCall, when] = (process.env['LOOMI_KILL_AT'] ?? '').split(':')
const pointsFile = process.env['LOOMI_POINTS_FILE']
const calls = { store: 0, socket: 0 }

/** What the methods of a prototype are called with; the wrapped ones get it unchanged. */
type Method = (this: object, ...args: unknown[]) => unknown

function wrap(
  prototype: object,
  name: string,
  kind: Kind,
  label: (self: object, args: unknown[]) => string | null,
): void {
  const methods = prototype as Record<string, Method>
  const original = methods[name]!
  methods[name] = function (...args) {
    const what = label(this, args)
    if (what === null) return original.apply(this, args)
    const isIt = kind === killKind && ++calls[kind] === Number(killCall)
    if (pointsFile) appendFileSync(pointsFile, `${kind} ${what.replaceAll(/\s+/g, ' ').slice(0, 60)}\n`)
    if (isIt && when === 'before') process.kill(process.pid, 'SIGKILL')
    const result = original.apply(this, args)
    if (isIt) process.kill(process.pid, 'SIGKILL')
    return result
  }
}

wrap(DatabaseSync.prototype, 'exec', 'store', (_, [sql]) => String(sql))
wrap(StatementSync.prototype, 'run', 'store', (statement) => (statement as StatementSync).sourceSQL)
// Standard output is a socket as well when it is a pipe, but one without a peer.
const toPeer = (socket: object): string | null =>
  (socket as Socket).remoteAddress === undefined ? null : 'write'
wrap(Socket.prototype, '_write', 'socket', toPeer)
wrap(Socket.prototype, '_writev', 'socket', toPeer)
