/** A proxy on loopback that cuts connections: after exactly as many bytes of the answer as the request's `x-cut` says. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** `x-cut` of a request whose answer is only counted. */
export const COUNT_ONLY = 'never'

/** A running proxy. */
export interface CuttingProxy {
  readonly origin: string
  /** How many connections it has cut. */
  readonly cuts: number
  /** Bytes of the answer to the last request that was only counted. */
  readonly counted: number
  close(): Promise<void>
}

/** The value of `x-cut`. `reset` ends the connection as a dead peer does, without a word of farewell. */
export function cutAfter(bytes: number, how: 'end' | 'reset'): string {
  return `${bytes} ${how}`
}

/** Starts a proxy in front of a port of this machine. */
export async function startCuttingProxy(port: number): Promise<CuttingProxy> {
  const sockets = new Set<Socket>()
  const state = { cuts: 0, counted: 0 }
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ port, host: '127.0.0.1', noDelay: true })
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one)
      // What breaks on one side breaks on the other.
      one.on('error', () => undefined)
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
    /** Bytes that may still pass; null when all may. */
    let left: number | null = null
    let resets = false
    let counts = false
    client.on('data', (data) => {
      const order = /\r\nx-cut: (\w+)(?: (\w+))?\r\n/i.exec(data.toString('latin1'))
      counts = order?.[1] === COUNT_ONLY
      if (counts) state.counted = 0
      left = order && !counts ? Number(order[1]) : null
      resets = order?.[2] === 'reset'
      upstream.write(data)
    })
    upstream.on('data', (data) => {
      if (counts) state.counted += data.length
      if (left === null) client.write(data)
      else {
        const passing = data.subarray(0, left)
        left -= passing.length
        if (left > 0) client.write(passing)
        else cut(passing)
      }
    })
    const cut = (passing: Uint8Array): void => {
      upstream.removeAllListeners('data')
      state.cuts++
      client.write(passing, () => {
        if (resets) client.resetAndDestroy()
        else client.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get cuts() {
      return state.cuts
    },
    get counted() {
      return state.counted
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => {
        server.close(() => resolve())
      })
    },
  }
}
