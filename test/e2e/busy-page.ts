/**
 * How busy a page is: the processor time of its longest task, what the clock on the wall said, its heap.
 */
import type { Browser, Page } from 'puppeteer-core'
import type { World } from './world.ts'

/** What the clock on the wall saw in a page. Other work of the machine is in it. */
export interface Wall {
  readonly longTasks: number
  readonly longestMs: number
  readonly longestFrameMs: number
}

interface Meter {
  read(): Wall
}

/** A fresh page of the app without an element, closed at the end. */
export async function withPage<T>(
  browser: Browser,
  world: World,
  use: (page: Page) => Promise<T>,
): Promise<T> {
  const context = await browser.createBrowserContext()
  try {
    const page = await context.newPage()
    await page.goto(`${world.url}/blank`)
    return await use(page)
  } finally {
    await context.close()
  }
}

/** Does something; the processor time of the page's longest task meanwhile, in milliseconds. */
export async function traced<T>(
  page: Page,
  act: () => Promise<T>,
): Promise<{ longestMs: number; result: T }> {
  await page.tracing.start({ categories: ['toplevel'] })
  let trace: Uint8Array | undefined
  let result: T
  try {
    result = await act()
  } finally {
    trace = await page.tracing.stop()
  }
  const { traceEvents } = JSON.parse(new TextDecoder().decode(trace)) as { traceEvents: TraceEvent[] }
  const threadOf = ({ pid, tid }: TraceEvent): string => `${pid} ${tid}`
  const named = traceEvents.filter(({ name }) => name === 'thread_name')
  const mains = new Set(named.filter(({ args }) => args['name'] === 'CrRendererMain').map(threadOf))
  const tasks = traceEvents.filter((event) => event.name.endsWith('RunTask') && mains.has(threadOf(event)))
  return { longestMs: Math.max(...tasks.map(({ tdur = 0 }) => tdur / 1000)), result }
}

interface TraceEvent {
  readonly name: string
  readonly pid: number
  readonly tid: number
  /** Microseconds of the processor. */
  readonly tdur?: number
  readonly args: { readonly [name: string]: unknown }
}

/** Starts to watch the wall clock in a page; {@link readWall} tells what it saw since. */
export async function watchWall(page: Page): Promise<void> {
  await page.evaluate(() => {
    const startedAt = performance.now()
    const tasks: number[] = []
    let longestFrameMs = 0
    const take = (entries: PerformanceEntryList): void => {
      for (const { startTime, duration } of entries) if (startTime >= startedAt) tasks.push(duration)
    }
    const observer = new PerformanceObserver((list) => take(list.getEntries()))
    observer.observe({ type: 'longtask', buffered: true })
    let last = startedAt
    const frame = (): void => {
      const now = performance.now()
      longestFrameMs = Math.max(longestFrameMs, now - last)
      last = now
      requestAnimationFrame(frame)
    }
    requestAnimationFrame(frame)
    const meter: Meter = {
      read() {
        take(observer.takeRecords())
        return { longTasks: tasks.length, longestMs: Math.max(0, ...tasks), longestFrameMs }
      },
    }
    Object.assign(window, { meter })
  })
}

/** See {@link watchWall}; as words. */
export async function readWall(page: Page): Promise<string> {
  const { longTasks, longestMs, longestFrameMs } = await page.evaluate(async () => {
    // Long tasks are told of some time after them.
    await new Promise((resolve) => setTimeout(resolve, 200))
    return (window as unknown as { meter: Meter }).meter.read()
  })
  return `${longTasks} long tasks up to ${longestMs} ms, ${Math.round(longestFrameMs)} ms between two frames`
}

/** What the wall clock makes of 60 tasks of 15 ms each in an empty page: the machine's part in all of this. */
export async function floorOf(browser: Browser, world: World): Promise<string> {
  return withPage(browser, world, async (page) => {
    await watchWall(page)
    await page.evaluate(async () => {
      const work = (turns: number): number => {
        let sum = 0
        for (let i = 0; i < turns; i++) sum += Math.sqrt(i)
        return sum
      }
      const timeOf = (turns: number): number => {
        const before = performance.now()
        work(turns)
        return performance.now() - before
      }
      work(3e6)
      const msOfMillion = Math.min(...Array.from({ length: 5 }, () => timeOf(1e6)))
      for (let i = 0; i < 60; i++) {
        work((15 / msOfMillion) * 1e6)
        await new Promise((resolve) => setTimeout(resolve))
      }
    })
    return readWall(page)
  })
}

/** Bytes of the page's heap after a collection. */
export async function heapOf(page: Page): Promise<number> {
  const session = await page.createCDPSession()
  await session.send('HeapProfiler.collectGarbage')
  const { usedSize } = await session.send('Runtime.getHeapUsage')
  await session.detach()
  return usedSize
}
