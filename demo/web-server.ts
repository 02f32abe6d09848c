/**
 * The supervisor of the web server: starts it, and starts it again whenever it dies.
 *
 * @module
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { AgentRequest, FromAgent, FromWeb, WebSettings } from './messages.ts'

/** How long the server stays away after it was killed, so that a visitor notices. */
const RESTART_MS = 1500
/** Deaths in a row before it listened, after which starting it again is given up. */
const MAX_FALSE_STARTS = 5
/** How long it may take to end before it is killed. */
const STOP_MS = 2000

const PROGRAM = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './web.ts' : './web.js', import.meta.url),
)

/** What a web server is kept running with. */
export interface WebServerOptions extends WebSettings {
  /** Does what the web server asks for; resolves when its first events are stored. */
  readonly answer: (request: AgentRequest) => Promise<void>
  /** Called when it listens again. */
  readonly restarted: () => void
}

/** A child process that serves, and is replaced when it dies. */
export class WebServer {
  /** Rejects when the server can't be kept running. */
  readonly failed: Promise<never>
  readonly #options: WebServerOptions
  #fail: (error: Error) => void = () => undefined
  #child: ChildProcess | null = null
  #timer: NodeJS.Timeout | undefined
  #port: number
  /** The first start has one try: what is wrong then stays wrong. */
  #falseStarts = MAX_FALSE_STARTS
  #stopping = false

  constructor(options: WebServerOptions) {
    this.#options = options
    this.#port = options.port
    this.failed = new Promise((_, reject) => (this.#fail = reject))
  }

  /** Starts it; resolves with its port when it listens. */
  start(): Promise<number> {
    return new Promise((resolve) => this.#fork(resolve))
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    const child = this.#child
    if (!child) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await gone
    clearTimeout(timer)
  }

  #fork(listening: (port: number) => void): void {
    const { host, storeUrl } = this.#options
    const settings: WebSettings = { host, port: this.#port, storeUrl }
    const child = fork(PROGRAM, [JSON.stringify(settings)])
    let reason = 'The demo’s web server does not start.'
    this.#child = child
    child.on('message', (message: FromWeb) => {
      if (message.type === 'failed') reason = message.message
      else if (message.type === 'request') void this.#answer(child, message.id, message.request)
      else {
        this.#falseStarts = 0
        this.#port = message.port
        listening(message.port)
      }
    })
    child.once('exit', () => {
      this.#child = null
      if (this.#stopping) return
      if (++this.#falseStarts > MAX_FALSE_STARTS) this.#fail(new Error(reason))
      else this.#timer = setTimeout(() => this.#fork(this.#options.restarted), RESTART_MS)
    })
  }

  async #answer(child: ChildProcess, id: number, request: AgentRequest): Promise<void> {
    const type = await this.#options.answer(request).then(
      () => 'taken' as const,
      () => 'failed' as const,
    )
    // It may have been killed meanwhile: nobody waits for this any more.
    if (child.connected) child.send({ type, id } satisfies FromAgent, () => undefined)
  }
}
