/**
 * The blocks and the settings of docs/from-the-seed.md, against what is built.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { before, describe, it } from 'node:test'
import type { Page } from 'puppeteer-core'
import {
  DEFAULT_DISCONNECT_THRESHOLD_MS,
  DEFAULT_HEARTBEAT_MS,
  DEFAULT_PILE_UP,
} from '../../server/protocol.ts'
import { withoutPostgres } from '../databases/postgres.ts'
import { noChromium } from '../e2e/chromium.ts'
import { DocPage } from './blocks.ts'
import { answers, becomes, happened, isKept, openPage, SHOWN } from './page.ts'
import { lacking, noPython } from './needs.ts'
import { commandsOf, freePort, linkedProject, root } from './project.ts'
import { setScene } from './scene.ts'
import { onSupabase } from './seed-supabase.ts'
import { framesOf, readNow, type Received } from './wire.ts'

const page = DocPage.read('docs/from-the-seed.md')
const SEED = join(root, '../shared/seed.md')
const noSeed = !existsSync(SEED) && 'the seed is not here'
const TAGS = page.claim('html', '<script src="/api/loomi/loomi-recovery.js">')

/** An app around the page's blocks; the lines that begin with `//` stand for them. */
const APP = `import { readFileSync } from 'node:fs'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
const app = new Hono()
// store
// route
app.get('/:file/:session', (c) => {
  const html = readFileSync(c.req.param('file') + '.html', 'utf8')
  return c.html(html.replace('{{ user_id }}', 'user123').replace('{{ session_id }}', c.req.param('session')))
})
app.post('/:content_type/:session', async (c) => {
  const { session: sessionId, content_type } = c.req.param()
  const userId = 'user123'
// agent
  const event_data = await c.req.text()
  session.emit({ event_type: 'llm_chunk', content_type, agent_source: 'concierge', event_data })
  await session.end()
  return c.text('done')
})
serve({ fetch: app.fetch, port: Number(process.env.PORT) })
`

describe('docs/from-the-seed.md', { concurrency: 1 }, () => {
  const scene = setScene(linkedProject)
  let url = ''
  let port = 0
  before(async () => {
    port = await freePort()
    url = `http://localhost:${port}`
    const blocks = [
      page.claim('ts', 'import { createLoomi } from'),
      page.claim('ts', "app.route('/api/loomi', loomi.routes)"),
      page.claim('ts', 'const session = '),
    ]
    const overrides = page.claim('js', '  recoveryManager.displayThought = ')
    assert.equal(overrides.match(OWN)?.length, 2)
    const body = `console.log(isReplay, content)`
    scene.project.write(
      'app.ts',
      APP.replaceAll(/^\/\/ .*$/gm, () => blocks.shift()!),
    )
    scene.project.write('tags.html', `<!doctype html><title>Seed</title><body>${TAGS}`)
    scene.project.write(
      'own.html',
      `<!doctype html><title>Seed</title><body>${TAGS}<script>${overrides.replaceAll(OWN, body)}</script>`,
    )
    scene.project.start('node app.ts', { PORT: `${port}` })
    await answers(`${url}/tags/none`)
  })

  /** Emits the event of the page's block and one with `text`. */
  async function emit(session: string, contentType: string, text: string): Promise<void> {
    const answer = await fetch(`${url}/${contentType}/${session}`, { method: 'POST', body: text })
    assert.equal(await answer.text(), 'done')
  }

  it('has the seed’s own tags, with only the src changed', { skip: noSeed }, () => {
    const seed = new DocPage('seed.md', readFileSync(SEED, 'utf8'))
    const tags = seed.claim('html', '<script src="/static/js/loomi-recovery-simple.js">')
    assert.equal(TAGS, tags.replace('/static/js/loomi-recovery-simple.js', '/api/loomi/loomi-recovery.js'))
  })

  it('replays a missed event to those two tags alone', { skip: noChromium }, async () => {
    const missed = await missOne('tags', 'alone')
    const { replays, indicator } = await happened(missed)
    assert.deepEqual(
      replays.map(({ phase, missed }) => `${phase} ${missed}`),
      ['start 3', 'end 3'],
    )
    assert.match(indicator.join(), /Catching up · 3|Caught up/)
    const words = await missed.$eval('loomi-recovery', (element) => element.shadowRoot!.textContent)
    assert.match(words, /Looking at rooms…[^]*Hello\.[^]*Looking at rooms…[^]*Found two\./)
    assert.ok(await missed.evaluate(`recoveryManager === document.querySelector('loomi-recovery')`))
    await missed.close()
  })

  it(
    'hands thoughts and messages to the page’s own methods, and says which were missed',
    { skip: noChromium },
    async () => {
      const missed = await missOne('own', 'own')
      assert.deepEqual((await happened(missed)).logged, [
        'false Looking at rooms…',
        'false Hello.',
        'true Looking at rooms…',
        'true Found two.',
      ])
      await missed.close()
    },
  )

  /** Opens a page, closes it when it has shown a message, and opens it again after another. */
  async function missOne(file: string, session: string): Promise<Page> {
    const first = await openPage(scene.browser, `${url}/${file}/${session}`)
    await emit(session, 'concierge_message', 'Hello.')
    await becomes(first, `${SHOWN}.includes('Hello.')`)
    const log = await readNow(`${url}/api/loomi`, session, 'user_id=user123&after=0')
    await isKept(first, log.at(-1)!.id!)
    await first.close()
    await emit(session, 'concierge_message', 'Found two.')
    const again = await openPage(scene.browser, `${url}/${file}/${session}`)
    await becomes(again, `happened.replays.at(-1)?.phase === 'end'`)
    return again
  }

  it('answers its curl lines as it says', async () => {
    const [beat, stream] = commandsOf(page.claim('sh', 'curl -X POST'), port)
    const read = async (): Promise<Received[]> => framesOf(await scene.project.start(stream!).ends())
    assert.match(await scene.project.start(beat!).ends(), /^\{"success":true,/)
    assert.deepEqual(
      (await read()).map(({ type }) => type),
      ['no_replay'],
    )

    // A few while the user is there are no replay; more than \`pileUp\` are.
    await emit('session456', 'concierge_message', 'Found two.')
    assert.deepEqual(
      (await read()).map(({ type }) => type),
      ['no_replay'],
    )
    for (let i = 0; i < 3; i++) await emit('session456', 'concierge_message', 'Found two.')
    const types = (await read()).map(({ type }) => type)
    assert.deepEqual(types, ['replay_start', ...Array.from({ length: 12 }, () => 'event'), 'replay_complete'])
  })

  it('finds its table made and filled, without a migration', async () => {
    await emit('table', 'concierge_message', 'Found two.')
    const db = new DatabaseSync(scene.project.path('.loomi/log.db'), { readOnly: true })
    const rows = db.prepare("select * from loomi_stream_events where session_id = 'table'").all()
    db.close()
    assert.equal(rows.length, 3)
  })

  it('names settings that there are, with the seed’s numbers as defaults', async () => {
    const rows = page.table('then')
    const now = rows.map(([, text]) => text).join('\n')
    const numbers = rows.map(([text]) => Number(/\d[\d.]*/.exec(text!)![0]))
    assert.deepEqual(numbers, [
      DEFAULT_HEARTBEAT_MS,
      DEFAULT_DISCONNECT_THRESHOLD_MS / 1000,
      DEFAULT_PILE_UP,
      Number(/`\?pace=(\d+)`/.exec(now)![1]) / 1000,
    ])
    for (const [, name] of now.matchAll(/`(\w+)` of `createLoomi`/g)) {
      assert.throws(
        () => scene.project.server.createLoomi({ store: ':memory:', [name!]: -1 }),
        new RegExp(name!),
      )
    }
    const attributes = [...now.matchAll(/`([\w-]+)` on the element/g)].map(([, name]) => name!)
    const known = DocPage.read('README.md')
      .table('attribute')
      .map(([name]) => name!)
    assert.deepEqual(attributes, ['heartbeat-ms', 'replay-ms'])
    assert.ok(attributes.every((name) => known.includes(name)))
    await emit('paced', 'concierge_message', 'Found two.')
    const started = performance.now()
    await readNow(`${url}/api/loomi`, 'paced', 'user_id=user123&after=0&pace=50')
    const ms = performance.now() - started
    assert.ok(ms >= 3 * 45, `${ms} ms for three events`)
  })

  onSupabase(page, scene)

  const missing = noChromium || lacking(withoutPostgres(), noPython())
  it('has no block that no test runs', { skip: missing }, () => {
    assert.deepEqual(page.unclaimed, [])
  })
})

/** Where the page's override has its own code. */
const OWN = /\/\* your own \*\//g
