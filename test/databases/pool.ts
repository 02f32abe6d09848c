/** Connections to a Postgres for the tests themselves, which outlive the server's end. */
import { Pool } from 'pg'

/** Runs a statement; resolves with its rows. */
export type Ask = <Row>(text: string, values?: unknown[]) => Promise<Row[]>

/** A pool whose lost connections are no errors but to those who use them; the caller ends it. */
export function openPool(url: string, max = 10): Pool {
  const pool = new Pool({ connectionString: url, max, idleTimeoutMillis: 0 })
  pool.on('error', () => undefined)
  pool.on('connect', (client) => void client.on('error', () => undefined))
  return pool
}

/** Does work in one transaction; undone when it rejects. */
export async function transaction<T>(pool: Pool, work: (ask: Ask) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let isLost = false
  try {
    await client.query('begin')
    const result = await work(async (text, values) => (await client.query(text, values)).rows)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch(() => (isLost = true))
    throw error
  } finally {
    client.release(isLost)
  }
}
