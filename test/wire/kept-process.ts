/** A process that is started again once when it is killed, as a supervisor would. */
import { type ChildProcess, spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ANSWERING = fileURLToPath(new URL('answering.ts', import.meta.url))
const FAIL_POINTS = pathToFileURL(fileURLToPath(new URL('fail-points.ts', import.meta.url))).href

/** Where Node keeps what it has compiled; makes most of the difference between 100 and 300 ms. */
const NODE_COMPILE_CACHE = join(tmpdir(), 'node-compile-cache')

/** What the process is. */
export type Role = 'server' | 'producer' | 'both'

/** What it is started with. */
export interface KeptOptions {
  readonly role: Role
  readonly path: string
  /** For its first life: where it is to be killed, or where its points are to be written. */
  readonly env?: Readonly<Record<string, string>>
  /** Called between the two lives. */
  readonly onKilled?: () => void
}

/** One process with at most two lives; see the module. */
export class KeptProcess {
  readonly #options: KeptOptions
  readonly #done = Promise.withResolvers<string>()
  #child!: ChildProcess
  #hasBegun = false
  #isOver = false
  #port: string | null = null
  /** Cursors that it told were stored. */
  readonly stored: string[] = []
  wasKilled = false

  constructor(options: KeptOptions) {
    this.#options = options
    // Whoever does not wait for its end does not want to hear of it.
    this.#done.promise.catch(() => undefined)
    this.#start(options.env ?? {})
  }

  /** Where it serves; a port where nobody listens while it does not. */
  get origin(): string {
    return `http://127.0.0.1:${this.#port ?? 1}`
  }

  /** The cursor of the answer's end. Rejects when it dies a second time, or for another reason. */
  get done(): Promise<string> {
    return this.#done.promise
  }

  /** Begins the answer, also anew in its second life. */
  begin(): void {
    this.#hasBegun = true
    this.#child.stdin!.write(this.wasKilled ? 'hasty\n' : 'go\n')
  }

  /** Ends it for good. */
  async end(): Promise<void> {
    this.#isOver = true
    const { exitCode, signalCode } = this.#child
    if (exitCode !== null || signalCode !== null) return
    const closed = new Promise((resolve) => this.#child.once('close', resolve))
    // Not killed if it can be helped: at its end it leaves what it has compiled to the next.
    this.#child.stdin!.end()
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 5000)
    await closed
    clearTimeout(late)
  }

  #start(env: Readonly<Record<string, string>>): void {
    const { path, role } = this.#options
    const child = spawn(process.execPath, ['--import', FAIL_POINTS, ANSWERING, path, role], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { NODE_COMPILE_CACHE, ...process.env, ...env },
    })
    this.#child = child
    // It may die with our word under way.
    child.stdin.on('error', () => undefined)
    createInterface(child.stdout).on('line', (line) => this.#hear(line))
    // After `close` everything that it said has been heard.
    child.on('close', (code, signal) => this.#ended(code, signal))
  }

  #hear(line: string): void {
    const [word, value = ''] = line.split(' ')
    if (word === 'port') this.#port = value
    else if (word === 'stored') this.stored.push(value)
    else if (word === 'done') {
      this.stored.push(value)
      this.#done.resolve(value)
    }
  }

  #ended(code: number | null, signal: string | null): void {
    this.#port = null
    if (this.#isOver) return
    if (signal !== 'SIGKILL' || this.wasKilled) {
      this.#done.reject(new Error(`The ${this.#options.role} ended with ${signal ?? code}.`))
      return
    }
    this.wasKilled = true
    this.#options.onKilled?.()
    this.#start({})
    if (this.#hasBegun) this.begin()
  }
}
