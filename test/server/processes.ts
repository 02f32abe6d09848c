/** The command line as processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { tempFolder, until } from './support.ts'

const CLI = fileURLToPath(new URL('../../server/cli.ts', import.meta.url))

/** A process of the command line. */
export interface Command {
  readonly child: ChildProcess
  out: string
  err: string
  /** The exit code, null after a signal. */
  readonly ended: Promise<number | null>
}

/** Starts processes and ends those that are left. */
export class Processes {
  readonly #children = new Set<ChildProcess>()
  /** What one process has compiled the next need not: half the time of a short one. */
  readonly #compiled = tempFolder()

  /** Starts `loomi-recovery …args`; `input` goes to its standard input, which is then closed. */
  start(
    args: readonly string[],
    { input, env = {} }: { input?: string; env?: Record<string, string> } = {},
  ): Command {
    const { LOOMI_SECRET: _, PORT: __, ...inherited } = process.env
    const child = spawn(process.execPath, [CLI, ...args], {
      env: { ...inherited, NODE_COMPILE_CACHE: this.#compiled.path('cache'), ...env },
    })
    this.#children.add(child)
    const ended = new Promise<number | null>((resolve) => {
      child.on('close', (code) => {
        this.#children.delete(child)
        resolve(code)
      })
    })
    const command: Command = { child, out: '', err: '', ended }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (command.out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (command.err += text))
    // A command that ends before it has read everything closes the pipe.
    child.stdin.on('error', () => undefined)
    if (input !== undefined) child.stdin.end(input)
    return command
  }

  /** Runs a command to its end. */
  async run(
    args: readonly string[],
    options: { input?: string; env?: Record<string, string> } = {},
  ): Promise<{ code: number | null; out: string; err: string }> {
    const command = this.start(args, { input: '', ...options })
    const code = await command.ended
    return { code, out: command.out, err: command.err }
  }

  /** Starts a server on a store and gives its base once it listens. */
  async serve(
    store: string,
    args: readonly string[] = ['--port', '0'],
    env: Record<string, string> = {},
  ): Promise<Command & { base: string }> {
    const command = this.start(['serve', '--store', store, ...args], { env })
    const base = (): string | undefined => /serves (http:\S+)/.exec(command.out)?.[1]
    await until(() => base() !== undefined || command.child.exitCode !== null, 'the server', 20_000)
    if (base() === undefined) throw new Error(`The server ended: ${command.err}`)
    return Object.assign(command, { base: base()! })
  }

  /** Kills what is left. */
  async end(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    await until(() => this.#children.size === 0, 'the end of all processes')
    this.#compiled.remove()
  }
}
