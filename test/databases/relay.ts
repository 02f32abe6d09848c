/** A way to a database that can be cut: the connections stay and nothing comes through any more, as behind a dead router. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** The way; see the module. */
export interface Relay {
  readonly port: number
  /** How many connections there are over which this was sent. */
  count(sent: string): number
  /** Lets nothing through on connections over which this was sent; new ones are not concerned. */
  cut(sent?: string): number
  /** From now on ends connections over which this is sent, which does not arrive any more; null: no longer. */
  refuse(sent: string | null): void
  close(): Promise<void>
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  sent: string
}

/** Opens a way to a port of this machine. */
export async function startRelay(port: number): Promise<Relay> {
  const pairs = new Set<Pair>()
  let refused: string | null = null
  const relay = createServer((client) => {
    const pair: Pair = { client, server: connect(port, '127.0.0.1'), sent: '' }
    pairs.add(pair)
    // Before the pipe hears of it.
    client.on('data', (bytes) => {
      pair.sent = (pair.sent + bytes.toString('latin1')).slice(-2000)
      if (refused === null || !pair.sent.includes(refused)) return
      client.destroy()
      pair.server.destroy()
    })
    client.pipe(pair.server).pipe(client)
    for (const socket of [client, pair.server]) {
      socket.on('error', () => undefined)
      socket.on('close', () => {
        client.destroy()
        pair.server.destroy()
        pairs.delete(pair)
      })
    }
  })
  const having = (sent: string): Pair[] => [...pairs].filter((pair) => pair.sent.includes(sent))
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
  return {
    port: (relay.address() as AddressInfo).port,
    count: (sent) => having(sent).length,
    cut(sent = '') {
      const concerned = having(sent)
      for (const { client, server } of concerned) {
        client.unpipe()
        server.unpipe()
        client.resume()
        server.resume()
      }
      return concerned.length
    },
    refuse(sent) {
      refused = sent
    },
    async close() {
      for (const { client, server } of pairs) {
        client.destroy()
        server.destroy()
      }
      await new Promise((resolve) => relay.close(resolve))
    },
  }
}
