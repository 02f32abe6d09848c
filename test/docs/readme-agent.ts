/**
 * README's blocks about the agent's side: a route that is recorded on its way, and a stop.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DocPage } from './blocks.ts'
import { answers, until } from './page.ts'
import { freePort } from './project.ts'
import type { Scene } from './scene.ts'
import { readNow, type Received, textsOf } from './wire.ts'

const USER_CODE = `import { setTimeout as wait } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createLoomi } from 'loomi-recovery/server'
const app = new Hono()
const loomi = createLoomi({ store: 'agent.db' })
const [sessionId, userId, model, question] = ['s-stop', 'ada', 'any', 'Which room?']
let toldModel = false
const openai = {
  responses: {
    create: async (_, { signal }) => {
      signal.addEventListener('abort', () => (toldModel = true))
      return answer(signal)
    },
  },
}
async function* answer(signal) {
  for (let i = 0; ; i++) {
    yield { type: 'response.output_text.delta', sequence_number: i, item_id: 'm', output_index: 0, content_index: 0, delta: 'word ' }
    await wait(20, undefined, { signal })
  }
}
app.get('/tee', (c) => {
  const session = loomi.session({ sessionId: 's-tee', userId })
  const body = [{ type: 'start' }, { type: 'text-start', id: '0' }, { type: 'text-delta', id: '0', delta: 'Two.' }]
    .map((chunk) => \`data: \${JSON.stringify(chunk)}\\n\\n\`).join('')
  const result = { toUIMessageStreamResponse: () => new Response(body, { headers: { 'x-own': 'kept' } }) }
  // tee
})
app.get('/told', (c) => c.json(toldModel))
app.route('/api/loomi', loomi.routes)
serve({ fetch: app.fetch, port: Number(process.env.PORT) })
const session = loomi.session({ sessionId, userId })
// stop
`

/** The suite. */
export function agentBlocks(readme: DocPage, scene: Scene): void {
  describe('its blocks about the agent', () => {
    it('record a route on its way, and stop an answer from a route of the app', async () => {
      const tee = readme.claim('ts', 'return session.tee(')
      const stop = readme.claim('ts', 'const { signal } = session')
      scene.project.write(
        'agent.js',
        USER_CODE.replace('// tee', () => tee).replace('// stop', () => stop),
      )
      const PORT = `${await freePort()}`
      const url = `http://localhost:${PORT}`
      const app = scene.project.start('node agent.js', { PORT })
      await answers(`${url}/told`)
      const read = (session: string): Promise<Received[]> =>
        readNow(`${url}/api/loomi`, session, 'user_id=ada&after=0')
      const ending = async (session: string): Promise<string | undefined> => {
        const frame = (await read(session)).at(-2)
        return frame?.type === 'event' ? frame.content_type : undefined
      }

      const response = await fetch(`${url}/tee`)
      assert.equal(response.headers.get('x-own'), 'kept')
      assert.match(await response.text(), /"delta":"Two\."/)
      await until(async () => (await ending('s-tee')) === 'complete', 'the end of the recording')
      assert.equal(textsOf(await read('s-tee'), 'message'), 'Two.')

      await until(async () => textsOf(await read('s-stop')).includes('word'), 'an answer')
      await fetch(`${url}/stop`, { method: 'POST' })
      await until(async () => (await ending('s-stop')) === 'stopped', 'the stop', 1000)
      assert.equal(await (await fetch(`${url}/told`)).json(), true)
      await app.end()
    })
  })
}
