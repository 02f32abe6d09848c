/**
 * The server of docs/deploy.md as processes, an agent that speaks without end, and what a page has shown of it.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import type { Page } from 'puppeteer-core'
import type { Loomi, Session } from '../../server/index.ts'
import { answers, becomes, type Happened, happened, SHOWN } from './page.ts'
import { freePort, type Project } from './project.ts'

/** Of all servers here. */
export const SECRET = 'a secret of 16 characters or more'

/** What the page's block lacks for a test: an app with a page, and an answer that says what arrived. */
const REST = `
app.get('/who', (c) => c.json(c.req.header()))
app.get('/:session', async (c) => {
  const sessionId = c.req.param('session')
  const token = await tickets(process.env.LOOMI_SECRET).issue({ userId: 'ada', sessionId })
  return c.html('<!doctype html><title>Rooms</title><body><loomi-recovery user-id="ada" session-id="' + sessionId +
    '" token="' + token + '"></loomi-recovery><script src="/api/loomi/loomi-recovery.js"></script>')
})
`

/** Processes of one program, each on a port that it keeps. */
export class Servers {
  readonly ports: readonly number[]
  readonly #project: Project
  readonly #env: NodeJS.ProcessEnv
  readonly #children: (ChildProcess | undefined)[] = []

  private constructor(project: Project, ports: readonly number[], env: Readonly<Record<string, string>>) {
    this.#project = project
    this.ports = ports
    this.#env = { ...process.env, LOOMI_SECRET: SECRET, ...env }
  }

  /** Starts `size` of them; `block` is the program's text as the page has it. */
  static async start(
    project: Project,
    size: number,
    block: string,
    env: Readonly<Record<string, string>>,
  ): Promise<Servers> {
    project.write('server.ts', block + REST)
    const ports: number[] = []
    while (ports.length < size) ports.push(await freePort())
    const servers = new Servers(project, ports, env)
    await Promise.all(ports.map((_, i) => servers.start(i)))
    return servers
  }

  async start(i: number): Promise<void> {
    const env = { ...this.#env, PORT: `${this.ports[i]}` }
    const options = { cwd: this.#project.path('.'), env, stdio: ['ignore', 'ignore', 'inherit'] as const }
    this.#children[i] = spawn(process.execPath, ['server.ts'], { ...options, stdio: [...options.stdio] })
    await answers(`http://127.0.0.1:${this.ports[i]}/who`)
  }

  /** Sends a signal and waits for the end. */
  async end(i: number, signal: NodeJS.Signals): Promise<void> {
    const child = this.#children[i]
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('close', resolve))
    child.kill(signal)
    await ended
  }

  async close(): Promise<void> {
    await Promise.all(this.ports.map((_, i) => this.end(i, 'SIGKILL')))
  }
}

/** An agent that says one number after another. */
export class Speaker {
  readonly #loomi: Loomi
  readonly #session: Session
  readonly #done: Promise<void>
  #isOver = false
  #all: Promise<string> | null = null
  /** The last number. */
  count = 0

  constructor(loomi: Loomi, sessionId: string) {
    this.#loomi = loomi
    this.#session = loomi.session({ sessionId, userId: 'ada' })
    this.#done = this.#speak()
  }

  /** Ends the answer; all that was said. May be asked again. */
  stop(): Promise<string> {
    return (this.#all ??= this.#stop())
  }

  async #stop(): Promise<string> {
    this.#isOver = true
    await this.#done
    await this.#session.end()
    await this.#loomi.close()
    return Array.from({ length: this.count }, (_, i) => `${i + 1} `).join('')
  }

  async #speak(): Promise<void> {
    while (!this.#isOver) {
      this.#session.message(`${++this.count} `, { part: 'm' })
      await delay(50)
    }
  }
}

/** Waits until a page has shown some of what is said from now on; says where it stands when it never does. */
export async function goesOn(tab: Page, speaker: Speaker): Promise<void> {
  try {
    await becomes(tab, `${SHOWN}.includes(' ${speaker.count + 10} ')`)
  } catch (error) {
    const state = await tab.evaluate(() => {
      const { events, indicator } = (window as unknown as { happened: Happened }).happened
      const asked = performance.getEntriesByType('resource').map(({ name, startTime, duration }) => {
        return `${Math.round(startTime)}+${Math.round(duration)} ${name}`
      })
      return { now: performance.now(), shown: events.length, indicator, asked: asked.slice(-15) }
    })
    throw new Error(`The page stands at ${JSON.stringify(state, null, 2)}`, { cause: error })
  }
}

/** Waits until a page has shown everything, and checks that it did so once and in order. */
export async function showsOnce(tab: Page, everything: string): Promise<void> {
  await becomes(tab, `${SHOWN}.endsWith('${everything.slice(-20)}')`)
  const { events } = await happened(tab)
  assert.equal(events.map(({ text }) => text).join(''), everything)
  const words = await tab.$eval('loomi-recovery', (element) => element.shadowRoot!.textContent)
  assert.ok(words.includes(everything.trim()), 'what the reader sees is the same')
}

/** How many streams of a page have ended. */
export function cutStreamsOf(tab: Page): Promise<number> {
  return tab.evaluate(
    () => performance.getEntriesByType('resource').filter(({ name }) => name.includes('/stream/')).length,
  )
}
