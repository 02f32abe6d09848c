/**
 * A client of the model server, with a fake clock and everything that it told.
 *
 * @module
 */
import type { Cursor } from '../../../server/protocol.ts'
import { RecoveryClient } from '../../../elements/client/index.ts'
import type { ClientOptions, ClientState, Notice, Snapshot } from '../../../elements/client/index.ts'
import { FakeClock } from './fake-clock.ts'
import { ModelServer } from './model-server.ts'

/** A client and its surroundings. */
export interface Rig {
  readonly server: ModelServer
  readonly clock: FakeClock
  readonly client: RecoveryClient
  readonly notices: Notice[]
  readonly displayed: Cursor[]
  /** Each state that was entered, in order. */
  readonly states: ClientState[]
  /** Each published snapshot. */
  readonly snapshots: Snapshot[]
  /** The texts of the items. */
  texts(): string[]
  /** Turns the clock until the state is reached. */
  reach(state: ClientState): Promise<void>
}

/** Connects a client that shares nothing and whose jitter is always 0, unless told otherwise. */
export function rig(options: Partial<ClientOptions> = {}, server: ModelServer = new ModelServer()): Rig {
  const clock = new FakeClock()
  const notices: Notice[] = []
  const displayed: Cursor[] = []
  const states: ClientState[] = []
  const snapshots: Snapshot[] = []
  const client = new RecoveryClient({
    sessionId: 's-1',
    userId: 'ada',
    shareTabs: false,
    fetch: server.fetch,
    clock,
    random: () => 0,
    onNotice: (notice) => notices.push(notice),
    onDisplayed: (cursor) => displayed.push(cursor),
    ...options,
  })
  client.subscribe(() => {
    const { snapshot } = client
    snapshots.push(snapshot)
    if (states.at(-1) !== snapshot.state) states.push(snapshot.state)
  })
  client.connect()
  return {
    server,
    clock,
    client,
    notices,
    displayed,
    states,
    snapshots,
    texts: () => client.snapshot.items.map((item) => item.text),
    reach: (state) => clock.runUntil(() => client.snapshot.state === state, 60_000),
  }
}

/** `e<from>` to `e<to>`, as the model server's events read. */
export function eventTexts(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => `e${from + index}`)
}

/** A server with so many events. */
export function serverWith(count: number): ModelServer {
  const server = new ModelServer()
  server.append(...Array.from({ length: count }, () => ({})))
  return server
}
