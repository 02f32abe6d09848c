/**
 * README's first screen, pasted into an app of a user's own.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { noChromium } from '../e2e/chromium.ts'
import type { DocPage } from './blocks.ts'
import { answers, becomes, happened, isIn, isKept, openPage, SHOWN, until } from './page.ts'
import { freePort, root } from './project.ts'
import type { Scene } from './scene.ts'
import { readNow, type Received, textsOf } from './wire.ts'

const PAGE_START = '<!doctype html><title>Rooms</title>'

/** What a user writes around the blocks; the lines that begin with `//` stand for them. */
const USER_CODE = `import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
const app = new Hono()
const [sessionId, userId, model, question] = ['s-42', 'ada', 'any', 'Which room?']
const openai = { responses: { create: async (_: object) => answer() } }
async function* answer() {
  for (let i = 0; i < 80; i++) yield await wait(30, { ...kind(i), sequence_number: i, delta: \`word \${i} \` })
}
const kind = (i: number) => ({ type: \`response.\${i < 30 ? 'reasoning' : 'output'}_text.delta\` })
// createLoomi
app.get('/', async (c) => {
// ticket
  return c.html(readFileSync('page.html', 'utf8').replace('{{ ticket }}', ticket))
})
app.post('/ask', (c) => {
// session
  return c.text('asked')
})
serve({ fetch: app.fetch, port: Number(process.env.PORT) })
`
const TEXT = Array.from({ length: 80 }, (_, i) => `word ${i} `)

/** The suite. */
export function firstScreen(readme: DocPage, scene: Scene): void {
  describe('its first three blocks and the ticket, in an empty folder with the package installed', () => {
    before(() => {
      const blocks = [
        readme.claim('ts', 'import { createLoomi, tickets }'),
        readme.claim('ts', 'const ticket = '),
        readme.claim('ts', 'const session = '),
      ]
      const app = USER_CODE.replaceAll(/^\/\/ .*$/gm, () => blocks.shift()!)
      scene.project.write('app.ts', app)
      scene.project.write('page.html', `${PAGE_START}\n${readme.claim('html', '<loomi-recovery ')}`)
    })

    it('take at most 20 lines of the user’s own', () => {
      const lines = `${PAGE_START}\n${USER_CODE}`.split('\n')
      const own = lines.filter((line) => line !== '' && !line.startsWith('//'))
      assert.ok(own.length <= 20, `${own.length} lines`)
      for (const line of own) assert.ok(line.length <= 110, line)
    })

    it('type-check', async () => {
      const tsc = join(root, 'node_modules/typescript/bin/tsc')
      const types = `--typeRoots '${join(root, 'node_modules/@types')}' --types node --skipLibCheck`
      const options = '--noEmit --strict --target es2022 --module nodenext'
      await scene.project.start(`node '${tsc}' ${options} ${types} app.ts`).ends()
    })

    it(
      'replay to a tab that was closed in the middle of an answer and opened again',
      { skip: noChromium },
      async () => {
        const PORT = `${await freePort()}`
        const url = `http://localhost:${PORT}`
        const app = scene.project.start('node app.ts', {
          PORT,
          DATABASE_URL: 'rooms.db',
          LOOMI_SECRET: 'a secret of more than 16 characters',
        })
        await answers(url)
        const page = await openPage(scene.browser, url)
        await fetch(`${url}/ask`, { method: 'POST' })
        await becomes(page, `${SHOWN}.includes('word 40 ')`)
        await isKept(page)
        await page.close()

        const ticket = /token="([\w.-]+)"/.exec(await (await fetch(url)).text())![1]!
        const headers = { Authorization: `Bearer ${ticket}` }
        const read = (): Promise<Received[]> => readNow(`${url}/api/loomi`, 's-42', 'after=0', headers)
        await until(async () => textsOf(await read()).includes('word 60 '), 'the agent goes on alone')
        const again = await openPage(scene.browser, url)
        await becomes(again, `${SHOWN}.includes('word 79 ')`)
        await isIn(again, 'live')

        const { events, replays, indicator } = await happened(again)
        assert.equal(events.map(({ text }) => text).join(''), `Which room?${TEXT.join('')}`)
        assert.deepEqual(
          replays.map(({ phase }) => phase),
          ['start', 'end'],
        )
        assert.ok(replays[0]!.missed > 0)
        const phases = new Set(events.map(({ phase }) => phase))
        assert.ok(phases.has('restored') && phases.has('replay'), [...phases].join())
        assert.match(indicator.join(), /Catching up · \d+ Show all|Caught up/)
        const thoughts = await again.$eval('loomi-recovery details p', (p) => p.textContent)
        assert.equal(thoughts, TEXT.slice(0, 30).join(''))
        assert.equal((await fetch(`${url}/api/loomi/stream/s-42`)).status, 401)
        await again.close()
        await app.end()
      },
    )
  })
}
