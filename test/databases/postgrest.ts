/**
 * A PostgREST-subset test server: what supabase-js asks of `/rest/v1`, over a real Postgres.
 *
 * Roles, grants, row-level security, constraints, functions and types are Postgres's own: a request logs in as
 * `authenticator`, takes the role of its key or token for one transaction, and Postgres makes the JSON. Only the way from
 * a URL to SQL and the shape of errors are ours. This is not Supabase: there is no embedding, no upsert, no count, no
 * ranges, no CSV, no schema but `public`; the schema cache is never stale, so that a migration is seen at once; the pool
 * waits for ever instead of answering PGRST003; nothing limits the size or the rate of requests; and there is neither Auth
 * nor Realtime nor Storage.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Pool } from 'pg'
import { type Ask, openPool, transaction } from './pool.ts'
import { type Claims, ProjectKeys } from './postgrest-auth.ts'
import { Refusal, refusalOf } from './postgrest-errors.ts'
import { callStatement, tableStatement } from './postgrest-sql.ts'

/** Where it stands. */
export interface PostgrestOptions {
  /** The database's URL with `authenticator` as its user. */
  readonly database: string
  /** Default: any that is free. */
  readonly port?: number
  readonly keys?: ProjectKeys
}

interface Answer {
  readonly status: number
  readonly body: string
}

/** The running server; see the module. */
export class PostgrestServer {
  /** What a client gets as `SUPABASE_URL`. */
  readonly url: string
  readonly keys: ProjectKeys
  /** What was asked since the start: `POST rpc/loomi_append`. */
  readonly requests: string[] = []
  readonly #server: Server
  readonly #pool: Pool

  private constructor(server: Server, options: PostgrestOptions) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    this.keys = options.keys ?? new ProjectKeys()
    // As many connections as PostgREST's own default.
    this.#pool = openPool(options.database, 10)
    server.on('request', (request, response) => void this.#serve(request, response))
  }

  static async start(options: PostgrestOptions): Promise<PostgrestServer> {
    const server = createServer()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(options.port ?? 0, '127.0.0.1', resolve)
    })
    return new PostgrestServer(server, options)
  }

  get port(): number {
    return Number(new URL(this.url).port)
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    // What is under way in the database may take its time.
    await Promise.all([closed, Promise.race([this.#pool.end(), delay(1000, undefined, { ref: false })])])
    // Clients of this process hear of it only when the loop has gone round; a request before that meets a dead connection.
    for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let isAnonymous = true
    let answer: Answer
    try {
      const body = await textOf(request)
      const claims = this.keys.claimsOf(request.headers)
      isAnonymous = claims.role === 'anon'
      answer = await this.#answer(request, body, claims)
    } catch (error) {
      answer = refusalOf(error, isAnonymous)
    }
    response.writeHead(answer.status, { 'content-type': 'application/json; charset=utf-8' })
    response.end(answer.body)
  }

  #answer(request: IncomingMessage, body: string, claims: Claims): Promise<Answer> {
    const url = new URL(request.url ?? '', this.url)
    const method = request.method ?? ''
    const [, rpc, name = ''] = /^\/rest\/v1\/(rpc\/)?([^/]+)$/.exec(url.pathname) ?? []
    if (name === '') throw new Refusal(404, 'PGRST125', 'Invalid path specified in request URL')
    this.requests.push(`${method} ${rpc ?? ''}${name}`)
    if (rpc !== undefined) {
      if (method !== 'POST') throw new Refusal(405, 'PGRST101', `Cannot use the ${method} method on RPC`)
      return this.#call(name, body, claims)
    }
    return this.#table(method, name, url.searchParams, body, request.headers['prefer'] ?? '', claims)
  }

  async #call(name: string, body: string, claims: Claims): Promise<Answer> {
    const names = Object.keys(parsed(body === '' ? '{}' : body) as object)
    return transaction(this.#pool, async (ask) => {
      const { text, isVoid, isVolatile } = await callStatement(ask, name, names)
      if (!isVolatile) await ask('set transaction read only')
      await become(ask, claims)
      const rows = await ask<{ body: string }>(text, names.length > 0 ? [body] : [])
      return isVoid ? { status: 204, body: '' } : { status: 200, body: rows[0]?.body ?? 'null' }
    })
  }

  async #table(
    method: string,
    table: string,
    query: URLSearchParams,
    body: string,
    prefer: string | string[],
    claims: Claims,
  ): Promise<Answer> {
    const returns = String(prefer).includes('return=representation')
    // One row or many: Postgres reads both as a list.
    const list = body === '' || body.trimStart().startsWith('[') ? body : `[${body}]`
    if (list !== '') parsed(list)
    return transaction(this.#pool, async (ask) => {
      const [found] = await ask<{ name: string | null }>('select to_regclass($1) as name', [
        `public."${table.replaceAll('"', '""')}"`,
      ])
      if (!found?.name) {
        const message = `Could not find the table 'public.${table}' in the schema cache`
        throw new Refusal(404, 'PGRST205', message)
      }
      const { text, usesBody } = tableStatement({ method, table, query, body: list, returns })
      if (method === 'GET') await ask('set transaction read only')
      await become(ask, claims)
      const [row] = await ask<{ body: string }>(text, usesBody ? [list] : [])
      if (method === 'GET') return { status: 200, body: row!.body }
      const status = method === 'POST' ? 201 : returns ? 200 : 204
      return { status, body: returns ? row!.body : '' }
    })
  }
}

/** Takes the role and the claims for the rest of the transaction. */
async function become(ask: Ask, claims: Claims): Promise<void> {
  await ask(
    `select set_config('search_path', 'public, extensions', true), set_config('role', $1, true),
      set_config('request.jwt.claims', $2, true)`,
    [claims.role, JSON.stringify(claims)],
  )
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body) as unknown
  } catch {
    throw new Refusal(400, 'PGRST102', 'Empty or invalid json')
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
