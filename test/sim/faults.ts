/** The faults: what may happen to servers, store, network and pages, and when it is over again. */
import type { Page } from './page.ts'
import type { Random } from './random.ts'
import type { Stage } from './stage.ts'

type Fault = (stage: Stage, random: Random) => void

/** What goes wrong by itself at moments that the seed draws. */
export const FAULTS = {
  'server killed': (stage, random) => {
    const server = random.pick(stage.servers)
    if (!server) return
    stage.book.fault('server killed', server.owner.name)
    stage.kill(server, random.chance(0.8) ? 'error' : 'silence')
    stage.later(random.scale(10, 8000), () => stage.start())
  },
  'all servers killed': (stage, random) => {
    killAll(stage, random)
    stage.book.fault('all servers killed')
    stage.later(random.scale(10, 8000), () => stage.start())
  },
  'server drained': (stage, random) => {
    const server = random.pick(stage.servers)
    if (!server) return
    stage.book.fault('server drained', server.owner.name)
    stage.world.current = server.owner
    void server.drain().then(() => {
      stage.later(random.int(1, 200), () => server.owner.isAlive && stage.kill(server, 'error'))
    })
    stage.later(random.scale(1, 4000), () => stage.start())
  },
  'second process': (stage) => {
    stage.book.fault('second process')
    if (stage.servers.length < 3) stage.start()
  },
  'connections cut': (stage, random) => {
    const page = random.pick(stage.pages)
    const how = random.weighted({ error: 5, end: 2, silence: 3 })
    if (stage.network.cut((connection) => connection.page === page.owner, how))
      stage.book.fault(how === 'silence' ? 'half-open' : 'cut at a byte', page.owner.name)
  },
  'network lost': (stage, random) => {
    const { name } = random.pick(stage.devices)
    const isTold = random.chance(0.6)
    stage.book.fault('network lost', name)
    stage.network.cutOff.add(name)
    const pages = stage.pages.filter(({ kind }) => kind.device.name === name)
    const how = random.pick(['error', 'silence'] as const)
    stage.network.cut(({ page }) => pages.some(({ owner }) => owner === page), how)
    if (isTold) for (const page of pages) page.signal('offline')
    stage.later(random.scale(100, 30_000), () => {
      stage.network.cutOff.delete(name)
      if (isTold) for (const page of pages) page.signal('online')
    })
  },
  'page told offline': (stage, random) => {
    // The device may be wrong about it.
    const page = random.pick(stage.pages)
    stage.book.fault('page told offline', page.owner.name)
    page.signal('offline')
    stage.later(random.scale(100, 20_000), () => page.signal('online'))
  },
  'page hidden': (stage, random) => {
    const page = random.pick(stage.pages)
    stage.book.fault('page hidden', page.owner.name)
    page.signal('hidden')
    stage.later(random.scale(100, 20_000), () => page.signal('visible'))
  },
  'page frozen': (stage, random) => {
    const page = random.pick(stage.pages)
    if (page.isFrozen) return
    stage.book.fault('page frozen', page.owner.name)
    page.freeze(random.chance(0.6))
    stage.later(random.scale(100, 60_000), () => page.wake())
  },
  'page reloaded': (stage, random) => {
    const page = random.pick(stage.pages)
    stage.book.fault('page reloaded', page.owner.name)
    leavePage(stage, page, random.chance(0.6))
    page.open()
  },
  'page reconnected': (stage, random) => {
    const page = random.pick(stage.pages)
    if (page.isFrozen) return
    stage.book.fault('page reconnected', page.owner.name)
    page.act(() => page.client.disconnect())
    const again = (): void => void (page.owner.isAlive && page.act(() => page.client.connect()))
    if (random.chance(0.5)) again()
    else stage.later(random.scale(1, 2000), again)
  },
  'replay hurried': (stage, random) => {
    const page = random.pick(stage.pages)
    if (!page.isFrozen) page.act(() => page.client.showAll())
  },
  'device clock set': (stage, random) => {
    const page = random.pick(stage.pages)
    stage.book.fault('device clock set', page.owner.name)
    page.owner.skewMs = page.kind.device.skewMs = random.int(-3_600_000, 3_600_000)
  },
  'store slow': weather('slow'),
  'store answers late': (stage, random) => {
    weather('late')(stage, random)
    const page = random.pick(stage.pages)
    stage.later(random.int(100, 2000), () => {
      leavePage(stage, page, true)
      page.open()
    })
  },
  'store flaky': weather('flaky'),
  'store stalled': weather('stalled'),
  'store down': weather('down'),
  'process cut off from the store': (stage, random) => {
    const server = random.pick(stage.servers)
    if (!server) return
    const ms = random.scale(500, 45_000)
    stage.book.fault('process cut off from the store', `${server.owner.name} ${ms} ms`)
    server.gate.cutOff(ms)
    stage.book.hasTrouble = true
  },
  'rows pruned': (stage, random) => {
    const { head } = stage.chronicle
    if (!head) return
    const upTo = random.int(1, head.seq)
    stage.book.fault('rows pruned', `up to ${upTo} of ${head.seq}`)
    stage.log.pruneTo('s-42', upTo)
  },
  'backup restored': (stage, random) => {
    killAll(stage, random)
    if (stage.restore()) stage.book.fault('backup restored', `to ${stage.chronicle.head?.seq ?? 0}`)
    stage.later(random.scale(10, 4000), () => stage.start())
  },
  'backup restored under servers': (stage) => {
    if (stage.restore())
      stage.book.fault('backup restored under servers', `to ${stage.chronicle.head?.seq ?? 0}`)
  },
  'log begun anew': (stage, random) => {
    const isLive = random.chance(0.5)
    if (!isLive) {
      killAll(stage, random)
      stage.later(random.scale(10, 4000), () => stage.start())
    }
    stage.lose()
    stage.book.fault('log begun anew')
  },
  'session deleted': (stage, random) => {
    const server = random.pick(stage.servers)
    if (!server || !stage.chronicle.head) return
    stage.book.fault('session deleted', server.owner.name)
    stage.world.current = server.owner
    server.loomi.deleteSession('s-42').catch(stage.producers.stopping(server))
  },
  'answer fed again': (stage, random) => {
    const server = random.pick(stage.servers)
    if (server && stage.producers.again(server)) stage.book.fault('answer fed again', server.owner.name)
  },
  'answer stopped': (stage, random) => {
    const server = random.pick(stage.servers)
    if (!server) return
    stage.book.fault('answer stopped', server.owner.name)
    stage.world.current = server.owner
    server.loomi.stop('s-42').catch(stage.producers.stopping(server))
  },
} as const satisfies Readonly<Record<string, Fault>>

/** The name of a fault. */
export type FaultName = keyof typeof FAULTS

/** Lets a page go; who waits for its locks gets them. */
export function leavePage(stage: Stage, page: Page, isTold: boolean): void {
  page.leave(isTold)
  stage.tabs.gone()
}

function weather(condition: 'slow' | 'late' | 'flaky' | 'stalled' | 'down'): Fault {
  return (stage, random) => {
    const ms = random.scale(100, 20_000)
    stage.book.fault(condition === 'late' ? 'store answers late' : `store ${condition}`, `${ms} ms`)
    stage.weather.set(condition, ms)
    stage.book.hasTrouble = true
  }
}

function killAll(stage: Stage, random: Random): void {
  for (const server of stage.network.servers.slice())
    stage.kill(server, random.chance(0.8) ? 'error' : 'silence')
}
