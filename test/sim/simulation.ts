/** One simulation: a seed draws what happens, faults stop, and everything must be as the log says. */
import { SESSION } from './page.ts'
import { FAULTS, type FaultName, leavePage } from './faults.ts'
import type { Problem } from './problems.ts'
import { Random } from './random.ts'
import { type Scene, SCENES, type SceneName } from './scenes.ts'
import { Stage } from './stage.ts'

/** What a simulation came to. */
export interface Outcome {
  readonly seed: number
  readonly problems: readonly Problem[]
  readonly faults: ReadonlyMap<string, number>
  readonly history: readonly string[]
  /** The same for the same seed, whatever machine it runs on. */
  readonly hash: string
  readonly steps: number
  /** Simulated milliseconds. */
  readonly ms: number
  /** How many events were shown. */
  readonly shown: number
}

/** Milliseconds that everything has to come right after the last fault: a dead socket's 40 s, a wait, a lease and its sweep. */
const RECOVERY_MS = 150_000
/** In the calm an event is shown well before the slow poll, which would hide a wake-up that got lost; also by a page that polls every 2 s. */
const LIVE_MS = 3500

/** Runs a seed. `log` takes note of everything that happens. */
export async function simulate(
  seed: number,
  log: string[] | null = null,
  sceneName: SceneName = 'open',
): Promise<Outcome> {
  const scene: Scene = SCENES[sceneName]
  const restore = seedGlobals(new Random(seed, 'globals'))
  const stage = new Stage(seed, log, scene)
  try {
    const random = new Random(seed, 'schedule')
    await trouble(stage, random, scene)
    await calm(stage, random)
    await race(stage, random)
    await finish(stage, random)
  } catch (error) {
    stage.book.problem(
      'untrue',
      `The simulation itself failed: ${error instanceof Error ? error.stack : String(error)}`,
    )
  } finally {
    stage.tabs.end()
    restore()
  }
  const { world, book, pages } = stage
  return {
    seed,
    problems: book.problems,
    faults: book.faults,
    history: book.history,
    hash: (world.hash >>> 0).toString(16).padStart(8, '0'),
    steps: world.steps,
    ms: world.now,
    shown: pages.reduce((sum, { check }) => sum + check.shown, 0),
  }
}

/** The time in which things go wrong. */
async function trouble(stage: Stage, random: Random, scene: Scene): Promise<void> {
  const { world, network, producers } = stage
  const lengthMs = random.scale(3000, 45_000)
  // Not every kind in every seed: few at a time go together in ways that all at once would cover up.
  const kinds = (Object.keys(FAULTS) as FaultName[])
    .filter((name) => scene.faults?.has(name) ?? true)
    .filter(() => random.chance(scene.perFault))
  network.mood = {
    refused: random.chance(0.5) ? random.int(0, 40) : 0,
    cut: random.chance(0.7) ? random.int(5, 80) : 0,
    doubled: random.chance(0.3) ? random.int(1, 20) : 0,
  }
  for (let count = random.int(1, 5); count > 0; count--)
    world.after(random.int(0, lengthMs), () => {
      const server = random.pick(stage.servers)
      if (server) producers.begin(server)
      if (scene.fedAgain > 0 && random.chance(scene.fedAgain))
        world.after(random.int(0, 3000), () => FAULTS['answer fed again'](stage, random))
    })
  for (let count = random.scale(1, 24); count > 0 && kinds.length > 0; count--) {
    const name = random.pick(kinds)
    world.after(random.int(0, lengthMs), () => FAULTS[name](stage, random))
  }
  world.after(random.int(0, lengthMs), () => stage.keepBackup())
  for (const [at, device] of stage.devices.entries()) beatFrom(stage, device.name, 100 + at * 700)
  await world.run(lengthMs)
}

/** Faults stop. Whatever was wrong comes right by itself, or when somebody looks at the page. */
async function calm(stage: Stage, random: Random): Promise<void> {
  const { world, producers, pages, chronicle } = stage
  world.note('calm')
  stage.settle()
  const looks = random.chance(0.5)
  for (const page of pages) {
    page.wake()
    page.signal('online')
    if (looks || !page.check.isVisible) page.signal('visible')
    page.act(() => page.client.connect())
  }
  const calmAt = world.now
  // What was asked for before, a deletion for one, is done before the last word is said.
  await world.run(3000)
  producers.begin(stage.servers[0]!)
  await world.run(
    RECOVERY_MS,
    () => producers.isQuiet && producers.open().length === 0 && allThere(stage) && allSettled(stage),
  )
  if (!producers.isQuiet) stage.book.problem('late', 'An answer was not stored in time.')
  for (const page of pages.filter(isOwners))
    page.check.finish(page.client.snapshot, producers.open().length > 0)
  producers.finish(calmAt)
  world.note('recovered', chronicle.head?.cursor ?? '0')
}

/** Pages come back in the moment in which something happens: one row, so that no later one wakes whom this one did not. */
async function race(stage: Stage, random: Random): Promise<void> {
  const { world, pages, network, book } = stage
  for (let round = 0; round < 5; round++) {
    const isReload = random.chance(0.2)
    const asked = network.asked
    for (const page of pages.filter((one) => isOwners(one) && random.chance(0.5))) {
      if (isReload) {
        leavePage(stage, page, random.chance(0.5))
        page.open()
      } else {
        page.act(() => page.client.disconnect())
        page.act(() => page.client.connect())
      }
    }
    await world.run(random.int(1, 300), () => network.asked > asked)
    await world.run(random.int(0, 14))
    const server = random.pick(stage.servers)
    world.current = server.owner
    const { head } = stage.chronicle
    server.loomi.session(SESSION).user(`race ${round};`)
    // The end of a run that was stopped in an outage may come in between.
    // A page that was opened anew shows what it missed in its own time.
    const inTime = await world.run(
      isReload ? RECOVERY_MS : LIVE_MS,
      () => stage.chronicle.since(head).some(({ text }) => text === `race ${round};`) && allThere(stage),
    )
    const behind = pages.filter((one) => isOwners(one) && !isThere(stage, one))
    if (!inTime) book.problem('late', `${behind.map(({ owner }) => owner.name).join(', ')} missed a wake-up.`)
  }
}

/** Everything is closed, and nothing is left. */
async function finish(stage: Stage, random: Random): Promise<void> {
  const { world, pages, network, book } = stage
  if (random.chance(0.3)) {
    const server = random.pick(stage.servers)
    world.current = server.owner
    void server.loomi.session(SESSION).close()
    const isOver = (): boolean =>
      pages.filter(isOwners).every(({ client }) => client.snapshot.state === 'complete')
    if (!(await world.run(RECOVERY_MS, isOver)))
      book.problem('late', 'A page does not know that the session is closed.')
  }
  for (const page of pages.filter(isOwners)) page.check.finish(page.client.snapshot, false)
  for (const { client, owner } of pages.filter((page) => !isOwners(page)))
    if (client.snapshot.items.length > 0)
      book.problem('untrue', `${owner.name} sees somebody else’s session.`)
  stage.isOver = true
  for (const page of pages) page.act(() => page.client.disconnect())
  for (const server of stage.servers) {
    world.current = server.owner
    void server.drain()
  }
  await world.run(20_000)
  for (const { owner } of pages)
    if (owner.timers > 0) book.problem('leak', `${owner.name} left ${owner.timers} timers.`)
  for (const { owner, store } of network.servers) {
    if (!owner.isAlive) continue
    if (owner.timers > 0) book.problem('leak', `${owner.name} left ${owner.timers} timers.`)
    if (store.watchers > 0) book.problem('leak', `${owner.name} left ${store.watchers} watches.`)
  }
  const left = [...network.connections].filter(({ isWhole }) => isWhole).length
  if (left > 0) book.problem('leak', `${left} connections were left.`)
}

/** A device beats every 5 s, for whichever of its pages is awake. */
function beatFrom(stage: Stage, device: string, inMs: number): void {
  stage.world.after(inMs, () => {
    if (stage.isOver) return
    const page = stage.pages.find(({ kind, isFrozen }) => kind.device.name === device && !isFrozen)
    void page?.beat()
    beatFrom(stage, device, 5000)
  })
}

function isOwners({ kind }: Stage['pages'][number]): boolean {
  return kind.userId === SESSION.userId
}

function allThere(stage: Stage): boolean {
  return stage.pages.every((page) => !isOwners(page) || isThere(stage, page))
}

/** A following tab hears from the leader what is withdrawn, and that may have been away. */
function allSettled({ pages }: Stage): boolean {
  return pages.every((page) => !isOwners(page) || page.check.isSettled(page.client.snapshot))
}

function isThere({ chronicle }: Stage, { client }: Stage['pages'][number]): boolean {
  const { position, state } = client.snapshot
  return position === (chronicle.head?.cursor ?? null) && (state === 'live' || state === 'complete')
}

/** Chance that is not asked for by name comes from the seed too. */
function seedGlobals(random: Random): () => void {
  const { random: mathRandom } = Math
  const uuid = crypto.randomUUID
  Math.random = () => random.next()
  const word = (length: number): string => random.word(length)
  crypto.randomUUID = () => `${word(8)}-${word(4)}-${word(4)}-${word(4)}-${word(12)}`
  return () => {
    Math.random = mathRandom
    crypto.randomUUID = uuid
  }
}
