/** Several servers on one store, each a process of its own, and what a load balancer before them would do. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const MEMBER = fileURLToPath(new URL('member.ts', import.meta.url))

/** A cursor that a producer was told is stored. */
export interface Stored {
  readonly session: string
  readonly cursor: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** An answer that is being fed. */
export interface Answer {
  readonly session: string
  readonly run: string
  readonly chunks: number
  readonly everyMs: number
}

interface Member {
  readonly child: ChildProcess
  port: number | null
  /** What it feeds. */
  readonly answers: Set<Answer>
}

/** The servers; see the module. */
export class Cluster {
  readonly #url: string
  readonly #env: Readonly<Record<string, string>>
  readonly #members: Member[] = []
  readonly #done = new Map<string, PromiseWithResolvers<string>>()
  readonly stored: Stored[] = []
  /** Servers that were killed. */
  kills = 0

  private constructor(url: string, env: Readonly<Record<string, string>>) {
    this.#url = url
    this.#env = env
  }

  /** Starts `size` servers on a store. */
  static async start(
    size: number,
    url: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Cluster> {
    const cluster = new Cluster(url, env)
    await Promise.all(Array.from({ length: size }, async (_, i) => cluster.#start(i)))
    return cluster
  }

  get size(): number {
    return this.#members.length
  }

  /** Where the nth request goes: each server in turn, also one that is dead. */
  origin(nth: number): string {
    const { port } = this.#members[nth % this.size]!
    return `http://127.0.0.1:${port ?? 1}`
  }

  /** Lets a server feed an answer; resolves with the cursor of its end, whoever has fed it then. */
  feed(answer: Answer, i: number): Promise<string> {
    let done = this.#done.get(answer.session)
    if (!done) this.#done.set(answer.session, (done = Promise.withResolvers()))
    const member = this.#members[i % this.size]!
    member.answers.add(answer)
    const { session, run, chunks, everyMs } = answer
    member.child.stdin!.write(`answer ${session} ${run} ${chunks} ${everyMs}\n`)
    return done.promise
  }

  /** Kills a server and starts it again after a while; another one goes on with what it fed, after `handOverMs`. */
  async kill(i: number, downMs: number, handOverMs: number): Promise<void> {
    const { child, answers } = this.#members[i]!
    const closed = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGKILL')
    this.kills++
    await closed
    const handOver = delay(handOverMs).then(() => {
      for (const answer of answers) void this.feed(answer, i + 1)
    })
    await delay(downMs)
    await Promise.all([handOver, this.#start(i)])
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#members.map(async ({ child }) => {
        const closed = new Promise((resolve) => child.once('close', resolve))
        if (child.exitCode !== null || child.signalCode !== null) return
        child.stdin!.end()
        const late = setTimeout(() => child.kill('SIGKILL'), 5000)
        await closed
        clearTimeout(late)
      }),
    )
  }

  #start(i: number): Promise<void> {
    const child = spawn(process.execPath, [MEMBER, this.#url], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...this.#env },
    })
    const member: Member = { child, port: null, answers: new Set() }
    this.#members[i] = member
    // It may die with our word under way.
    child.stdin.on('error', () => undefined)
    return new Promise((resolve, reject) => {
      child.on('close', (code, signal) => {
        member.port = null
        reject(new Error(`A server ended with ${signal ?? code}.`))
      })
      createInterface(child.stdout).on('line', (line) => {
        const [word, first = '', second = '', third] = line.split(' ')
        if (word === 'port') {
          member.port = Number(first)
          resolve()
          return
        }
        this.stored.push({ session: first, cursor: second, at: Number(third ?? Date.now()) })
        if (word !== 'done') return
        for (const answer of member.answers) if (answer.session === first) member.answers.delete(answer)
        this.#done.get(first)?.resolve(second)
      })
    })
  }
}
