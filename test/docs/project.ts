/**
 * A folder with the package in it, as a user has it, and the programs that run there.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

/** The repository's folder. */
export const root: string = join(import.meta.dirname, '../..')

type Server = typeof import('../../dist/server/index.js')

/** A user's project. Close it in every case. */
export interface Project {
  /** `loomi-recovery/server` as installed. */
  readonly server: Server
  write(name: string, text: string): void
  /** Starts a shell command in the folder. */
  start(command: string, env?: Readonly<Record<string, string>>): Program
  /** Where a file of the folder is. */
  path(name: string): string
  /** Ends all that was started and removes the folder. */
  close(): Promise<void>
}

/** Packs what is built and installs it into an empty folder. */
export function installedProject(): Promise<Project> {
  return projectWith((folder) => {
    const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
    // The build is `npm test`'s work; packing must not replace it under other tests.
    const packed = npm(root, 'pack', '--json', '--ignore-scripts', '--pack-destination', folder)
    const [{ filename }] = JSON.parse(packed) as [{ filename: string }]
    npm(folder, 'install', ...quiet, `./${filename}`)
  })
}

/** A folder that takes the package from the repository: the same files, without the seconds that npm needs. */
export function linkedProject(): Promise<Project> {
  return projectWith((folder) => {
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(root, join(folder, 'node_modules/loomi-recovery'), 'dir')
    for (const name of ['hono', '@hono']) {
      symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'dir')
    }
  })
}

async function projectWith(fill: (folder: string) => void): Promise<Project> {
  build()
  const folder = mkdtempSync(join(tmpdir(), 'loomi-docs-'))
  try {
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
    fill(folder)
    return await projectIn(folder)
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

async function projectIn(folder: string): Promise<Project> {
  const programs: Program[] = []
  const module = join(folder, 'node_modules/loomi-recovery/dist/server/index.js')
  return {
    server: (await import(pathToFileURL(module).href)) as Server,
    write: (name, text) => writeFileSync(join(folder, name), text),
    path: (name) => join(folder, name),
    start(command, env = {}) {
      const program = new Program(command, folder, env)
      programs.push(program)
      return program
    },
    async close() {
      await Promise.all(programs.map((program) => program.end()))
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Builds when nothing is built: to build again what is old is the work of `npm test`. */
export function build(): void {
  if (!existsSync(join(root, 'dist/server/cli.js'))) npm(root, 'run', 'build')
}

/** A shell command that runs, with all that it has printed. It has a process group of its own. */
export class Program {
  /** Its standard output so far. */
  output = ''
  #errors = ''
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>
  #code: number | null = null

  constructor(command: string, cwd: string, env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn('sh', ['-c', command], {
      cwd,
      env: { ...cleanEnvironment(), ...env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.output += text))
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#errors += text))
    this.#closed = once(this.#child, 'close').then(([code]) => (this.#code = (code as number | null) ?? -1))
  }

  /** Waits until it has printed something; fails with what it did print. */
  async prints(pattern: RegExp, withinMs = 15_000): Promise<RegExpExecArray> {
    const giveUpAt = Date.now() + withinMs
    for (;;) {
      const match = pattern.exec(this.output)
      if (match) return match
      const over = this.#code !== null ? `it ended with code ${this.#code}` : `${withinMs} ms were not enough`
      assert.ok(this.#code === null && Date.now() < giveUpAt, `${pattern}: ${over}:\n${this.#all}`)
      await delay(20)
    }
  }

  /** Waits for its end, which must be a good one, and gives what it has printed. */
  async ends(): Promise<string> {
    await this.#closed
    assert.equal(this.#code, 0, this.#all)
    return this.output
  }

  /** Ends it and all that it has started. Resolves when nothing of it is left. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const giveUpAt = Date.now() + 10_000
    for (let next = signal; this.#kill(next); next = Date.now() > giveUpAt ? 'SIGKILL' : signal)
      await delay(100)
    await this.#closed
  }

  get #all(): string {
    return this.output + this.#errors
  }

  /** Whether there was still somebody to be told. */
  #kill(signal: NodeJS.Signals): boolean {
    try {
      return process.kill(-this.#child.pid!, signal)
    } catch {
      return false
    }
  }
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

/** The commands of a `sh` block with their port replaced, one for each line. */
export function commandsOf(block: string, port: number): string[] {
  const commands = block.split('\n').filter((line) => line.trim() !== '')
  return commands.map((line) => line.replaceAll('8787', `${port}`))
}

/** What the pages' settings must not come from, and the Node that runs this test first in the path. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const { DATABASE_URL, LOOMI_SECRET, PORT, NODE_TEST_CONTEXT, ...rest } = process.env
  const path = `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`
  // A block that says npx must find the installed command, not ask the network for one.
  return { ...rest, PATH: path, npm_config_offline: 'true', NO_COLOR: '1' }
}

function npm(cwd: string, ...args: string[]): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}
