/**
 * What is left of a connection that is over: 10,000 cycles of connect and abort against a server in the same process, a
 * quarter of them in the middle of a replay and a quarter before any answer, and then listeners, timers, handles and heap
 * as at the start.
 *
 *     npm run build && node bench/reconnects.ts [cycles]
 *
 * Prints the counts before and after, and the slope of the heap after collection over the last four fifths of the cycles
 * (goal: at most 10 bytes a cycle; of fewer than 10,000 cycles it says little and does not count). Ends with code 1 when
 * something is left.
 */
import { getEventListeners } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type ClientOptions, RecoveryClient } from '../dist/elements/client/index.js'
import { createLoomi } from '../dist/server/index.js'

const CYCLES = Number(process.argv[2] ?? 10_000)
const EVENTS = 300
/** Between two looks at the heap. */
const STRIDE = Math.max(100, Math.ceil(CYCLES / 50))
const MAX_BYTES_A_CYCLE = CYCLES < 10_000 ? Infinity : 10

// Machine code that the engine makes for hot functions lies on the heap too, and is not what is looked for.
for (const flag of ['--no-opt', '--no-maglev', '--no-sparkplug', '--expose-gc']) setFlagsFromString(flag)
const collect = runInNewContext('gc') as () => void

/** Who was listened to, as long as it lives. */
const targets = new Set<WeakRef<EventTarget>>()
const known = new WeakSet<EventTarget>()
const { addEventListener } = EventTarget.prototype
EventTarget.prototype.addEventListener = function listen(
  this: EventTarget,
  ...given: Parameters<typeof addEventListener>
): void {
  if (!known.has(this)) {
    known.add(this)
    targets.add(new WeakRef(this))
  }
  addEventListener.apply(this, given)
}

/** Timers by whoever set them, from the client's own clock. */
const timers = new Set<unknown>()
const clock = {
  now: () => Date.now(),
  setTimeout: (fn: () => void, ms: number): unknown => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      fn()
    }, ms)
    timers.add(timer)
    return timer
  },
  clearTimeout: (timer: unknown): void => {
    timers.delete(timer)
    clearTimeout(timer as NodeJS.Timeout)
  },
}

const loomi = createLoomi({ store: ':memory:', authorize: () => ({ userId: 'u' }) })
const session = loomi.session({ sessionId: 's', userId: 'u' })
for (let i = 0; i < EVENTS; i++) session.emit({ event_type: 'note', event_data: `event ${i}` })
await session.cursor()

const options: ClientOptions = {
  sessionId: 's',
  userId: 'u',
  base: 'http://localhost/api/loomi',
  shareTabs: false,
  fetch: async (input, init) => loomi.fetch(new Request(input, init)),
  clock,
}
const settled = new RecoveryClient(options)
await connected(settled, (client) => client.snapshot.items.length === EVENTS)
settled.disconnect()

let midReplay = 0
await cycles(STRIDE)
const before = await counts()
const heap: [cycle: number, bytes: number][] = []
for (let done = 0; done < CYCLES; done += STRIDE) {
  await cycles(STRIDE)
  await rest()
  heap.push([done + STRIDE, process.memoryUsage().heapUsed])
}
const after = await counts()

const counted = heap.filter(([cycle]) => cycle > CYCLES / 5)
const bytes = slope(counted)
console.log(`${CYCLES} cycles of connect and abort, ${midReplay} in the middle of a replay`)
for (const name of Object.keys(before)) console.log(`${name}: ${before[name]} before, ${after[name]} after`)
console.log(
  `heap after collection: ${kb(heap[0]![1])} at cycle ${heap[0]![0]}, ${kb(heap.at(-1)![1])} at the end, ` +
    `slope over the last ${counted.length * STRIDE} cycles ${bytes.toFixed(1)} bytes a cycle`,
)
await loomi.close()
const isLeft = Object.keys(before).some((name) => after[name]! > before[name]!)
process.exitCode = isLeft || bytes > MAX_BYTES_A_CYCLE ? 1 : 0

async function cycles(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    if (i % 4 === 0) {
      const fresh = new RecoveryClient({ ...options, replayMs: 50, replayBudgetMs: 60_000 })
      await connected(fresh, ({ snapshot }) => snapshot.state === 'replaying' && snapshot.items.length > 0)
      fresh.disconnect()
      midReplay++
    } else if (i % 4 === 1) {
      settled.connect()
      settled.disconnect()
    } else {
      await connected(settled, ({ snapshot }) => snapshot.state === 'live')
      settled.disconnect()
    }
  }
}

function connected(client: RecoveryClient, holds: (client: RecoveryClient) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const end = client.subscribe(() => {
      if (!holds(client)) return
      end()
      resolve()
    })
    client.connect()
  })
}

async function rest(): Promise<void> {
  for (let round = 0; round < 5; round++) {
    await new Promise((resolve) => setTimeout(resolve, 2))
    collect()
  }
  // What watches must not be what grows.
  for (const ref of targets) if (!ref.deref()) targets.delete(ref)
}

async function counts(): Promise<Record<string, number>> {
  await rest()
  const resources = process.getActiveResourcesInfo()
  const timeouts = resources.filter((name) => name === 'Timeout').length
  return {
    'listeners on what lives': listeners(),
    'timers of the client': timers.size,
    'timers of the process': timeouts,
    'handles of the process': resources.length - timeouts,
  }
}

function listeners(): number {
  let count = 0
  for (const ref of targets) {
    const target = ref.deref()
    if (target) count += ['abort', 'message'].flatMap((type) => getEventListeners(target, type)).length
  }
  return count
}

/** Least squares. */
function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length
  const [x, y] = [mean(points.map(([at]) => at)), mean(points.map(([, value]) => value))]
  const over = points.reduce((sum, [at, value]) => sum + (at - x) * (value - y), 0)
  return over / points.reduce((sum, [at]) => sum + (at - x) ** 2, 0)
}

function kb(size: number): string {
  return `${Math.round(size / 1024)} KB`
}
