/**
 * A world for one page: a server process that can be killed, a wire that can be cut, an agent in this process, and
 * the log to compare with.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createLoomi, type Loomi, type Session } from '../../dist/server/index.js'

export interface World {
  /** Address of the app, through the wire. */
  readonly url: string
  /** The log's file. */
  readonly store: string
  readonly loomi: Loomi
  /** Cuts every connection; later ones work. */
  cut(): void
  /** While set, every connection is cut at once. */
  setDown(down: boolean): void
  stopServer(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
  startServer(): Promise<void>
  /** How many streams that stay open the server was asked for. */
  streams(): Promise<number>
  beats(): Promise<{ at: number; rung?: string; last_event_id?: string; session_id: string }[]>
  close(): Promise<void>
}

/** Makes a world; close it in every case. */
export async function makeWorld({ heartbeatMs = 5000 }: { heartbeatMs?: number } = {}): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'loomi-e2e-'))
  const store = join(folder, 'log.db')
  const loomi = createLoomi({ store })
  const sockets = new Set<Socket>()
  let down = false
  let server: ChildProcess | null = null
  let serverPort = 0

  const wire = createServer((from) => {
    if (down) return from.destroy()
    const to = connect(serverPort, '127.0.0.1')
    for (const [socket, other] of [
      [from, to],
      [to, from],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  wire.listen(0, '127.0.0.1')
  await once(wire, 'listening')

  const world: World = {
    url: `http://localhost:${(wire.address() as AddressInfo).port}`,
    store,
    loomi,
    cut: () => sockets.forEach((socket) => socket.destroy()),
    setDown(value) {
      down = value
      if (down) world.cut()
    },
    async startServer() {
      server = fork(
        join(import.meta.dirname, 'app-server.ts'),
        [String(serverPort), store, String(heartbeatMs)],
        {
          stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        },
      )
      const [{ port }] = (await once(server, 'message')) as [{ port: number }]
      serverPort = port
    },
    async stopServer(signal) {
      const stopping = server
      server = null
      if (!stopping || stopping.exitCode !== null) return
      const exited = once(stopping, 'exit')
      stopping.kill(signal)
      await exited
    },
    streams: async () => (await fetch(`http://127.0.0.1:${serverPort}/streams`)).json() as never,
    beats: async () => (await fetch(`http://127.0.0.1:${serverPort}/beats`)).json() as never,
    async close() {
      world.setDown(true)
      wire.close()
      await world.stopServer('SIGKILL')
      await loomi.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
  await world.startServer()
  return world
}

/** One answer at a lifelike pace: thoughts, a plan, a tool call, two messages. Resolves when all is stored. */
export async function answer(session: Session, question: string, { paceMs = 12 } = {}): Promise<void> {
  session.user(question)
  await speak('thought', 't', 40)
  session.emit({ event_type: 'plan', event_data: { steps: ['look', 'choose', 'tell'] } })
  await speak('message', 'm1', 50)
  session.emit({
    event_type: 'tool_call',
    event_data: { name: 'search', arguments: { length: question.length } },
  })
  await delay(paceMs * 5)
  session.emit({ event_type: 'tool_result', event_data: { found: 2 } })
  session.thought(`${question} Two are <b>quiet</b>: ${question.length}.`)
  await speak('message', 'm2', 60)
  await session.end()

  async function speak(kind: 'thought' | 'message', part: string, words: number): Promise<void> {
    for (let i = 0; i < words; i++) {
      session[kind](`${kind} ${part} ${question} word ${i} `, { part, done: i === words - 1 })
      await delay(paceMs)
    }
  }
}

/** What a view must show: the log's events, deltas of one part joined. */
export async function expected(world: World, sessionId: string): Promise<{ id: string; text: string }[]> {
  const items = new Map<string, { id: string; text: string }>()
  for await (const event of world.loomi.session({ sessionId, userId: 'ada' }).read()) {
    const id = event.part_id ?? event.key
    const item = items.get(id) ?? { id, text: '' }
    items.set(id, { id, text: item.text + (typeof event.event_data === 'string' ? event.event_data : '') })
  }
  return [...items.values()]
}
