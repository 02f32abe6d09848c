import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import type { Store } from '../../server/store.ts'
import { SCHEMA_VERSION } from '../../server/stores/migrations.ts'
import { openSupabase } from '../../server/stores/supabase.ts'
import { failure } from './supabase-failure.ts'
import { newEvent, REF } from './support.ts'

describe('the Supabase store and what may stand between', () => {
  const KEY = 'sb_secret_x'

  /** A store on a server that answers as it likes, after one answer that is well. */
  async function storeOn(listener: RequestListener): Promise<{ store: Store; end: () => Promise<void> }> {
    let isFirst = true
    const server = createServer((request, response) => {
      request.resume()
      if (!isFirst) return listener(request, response)
      isFirst = false
      response.setHeader('content-type', 'application/json').end(JSON.stringify(SCHEMA_VERSION))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const env = {
      SUPABASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      SUPABASE_SECRET_KEY: KEY,
    }
    const store = await openSupabase({ env, timeoutMs: 300 })
    const end = async (): Promise<void> => {
      await store.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
    return { store, end }
  }

  it('never takes an empty 404 for success', async () => {
    const { store, end } = await storeOn((_, response) => response.writeHead(404).end())
    const error = await failure(() => store.savePresence([]), KEY)
    assert.equal(error.code, 'store_misconfigured')
    assert.match(error.message, /no Supabase/)
    await end()
  })

  it('is unavailable behind a gateway that answers with a page', async () => {
    const { store, end } = await storeOn((_, response) =>
      response.writeHead(502).end('<html>\n Bad gateway </html>'),
    )
    const error = await failure(() => store.append(REF, [newEvent(1)]), KEY)
    assert.equal(error.code, 'store_unavailable')
    assert.match(error.message, /502 <html> Bad gateway/)
    await end()
  })

  it('gives up an answer that never ends, headers or not', async () => {
    for (const begins of [false, true]) {
      const { store, end } = await storeOn((_, response) => {
        if (begins) response.writeHead(200, { 'content-type': 'application/json' }).write('{')
      })
      const error = await failure(() => store.append(REF, [newEvent(1)]), KEY)
      assert.equal(error.code, 'store_unavailable')
      assert.match(error.message, /has not answered in time/)
      await end()
    }
  })

  it('reads once more at once when a connection was dead, and leaves appends to the writer', async () => {
    const asked: string[] = []
    const { store, end } = await storeOn((request, response) => {
      asked.push(request.url!.split('/').at(-1)!)
      if (asked.length === 1 || request.url!.endsWith('append')) response.destroy()
      else response.setHeader('content-type', 'application/json').end('[null]')
    })
    assert.deepEqual(await store.heads([REF]), [null])
    assert.equal((await failure(() => store.append(REF, [newEvent(1)]))).code, 'store_unavailable')
    assert.deepEqual(asked, ['loomi_heads', 'loomi_heads', 'loomi_append'])
    await end()
  })
})
