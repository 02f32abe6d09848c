/**
 * The blocks of docs/deploy.md, and what it says of each way to deploy.
 */
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { createLoomi, tickets } from '../../server/index.ts'
import { openStore } from '../../server/stores/open.ts'
import { openSupabase } from '../../server/stores/supabase.ts'
import { emptyDatabase, newDatabase } from '../databases/postgres-log.ts'
import { type PostgresServer, startPostgres, withoutPostgres } from '../databases/postgres.ts'
import { SupabaseRig } from '../databases/supabase.ts'
import { noChromium } from '../e2e/chromium.ts'
import { DocPage } from './blocks.ts'
import { proxies } from './deploy-proxies.ts'
import { cutStreamsOf, goesOn, SECRET, Servers, showsOnce, Speaker } from './deploy-servers.ts'
import { lacking } from './needs.ts'
import { answers, openPage, until } from './page.ts'
import { freePort, linkedProject } from './project.ts'
import { setScene } from './scene.ts'
import { readNow, textsOf } from './wire.ts'

const page = DocPage.read('docs/deploy.md')
const noPostgres = withoutPostgres()

/** A host of the function in the page's block: it answers with the function, and with a page of its own. */
const HOST = `import { serve } from '@hono/node-server'
import { tickets } from 'loomi-recovery/server'
import site from './function.ts'
const token = await tickets(process.env.LOOMI_SECRET).issue({ userId: 'ada', sessionId: 's-42' })
const html = '<!doctype html><title>Rooms</title><body><loomi-recovery user-id="ada" session-id="s-42" token="' + token +
  '"></loomi-recovery><script src="/api/loomi/loomi-recovery.js"></script>'
const fetch = (request) => new URL(request.url).pathname.startsWith('/api/loomi/')
  ? site.fetch(request) : new Response(html, { headers: { 'Content-Type': 'text/html' } })
serve({ fetch, port: Number(process.env.PORT) })
`

describe('docs/deploy.md', { concurrency: 1 }, () => {
  const scene = setScene(linkedProject)
  let postgres: PostgresServer
  before(async () => {
    if (!lacking(noPostgres)) postgres = await startPostgres()
  })
  after(() => postgres?.remove())

  it('one machine: a server and an agent share the file, and a copy of it is whole', async (t) => {
    const program = page.claim('ts', 'serve({ fetch: app.fetch')
    const path = scene.project.path('.loomi/log.db')
    const copy = scene.project.path('copy.db')
    const servers = await Servers.start(scene.project, 1, program, {})
    t.after(() => servers.close())
    const speaker = new Speaker(createLoomi({ store: path }), 's-42')
    t.after(() => speaker.stop())
    const ticket = await tickets(SECRET).issue({ userId: 'ada', sessionId: 's-42' })
    const shown = async ({ ports }: Servers): Promise<string> => {
      const headers = { Authorization: `Bearer ${ticket}` }
      return textsOf(await readNow(`http://127.0.0.1:${ports[0]}/api/loomi`, 's-42', 'after=0', headers))
    }
    await until(async () => (await shown(servers)).includes('5 '), 'the server reads what the agent says')
    const db = new DatabaseSync(path)
    db.exec(`vacuum into '${copy}'`)
    db.close()
    const everything = await speaker.stop()
    assert.equal(await shown(servers), everything)

    const restored = await Servers.start(scene.project, 1, program, { LOOMI_STORE: copy })
    t.after(() => restored.close())
    const copied = await shown(restored)
    assert.ok(copied.includes('5 ') && everything.startsWith(copied))
  })

  it('several servers: the command makes the tables', { skip: lacking(noPostgres) }, async () => {
    const url = await emptyDatabase(postgres)
    const cell = page.table('for').find(([name]) => name === 'several servers')![2]!
    const command = /`npx (loomi-recovery migrate [^`]+)`/.exec(cell)![1]!
    const cli = command.replace('loomi-recovery', 'node node_modules/loomi-recovery/dist/server/cli.js')
    await scene.project.start(cli, { LOOMI_STORE: url }).ends()
    const store = await openStore(url)
    await store.close()
  })

  // They mostly wait, for pages that come back.
  describe('streams that end', { concurrency: true }, () => {
    proxies(page, scene, () => newDatabase(postgres), noPostgres)

    it(
      'serverless: pages whose streams end all the time show every word once',
      { skip: lacking(noPostgres, noChromium) },
      async (t) => {
        const rig = await SupabaseRig.start()
        let speaker: Speaker | undefined
        t.after(async () => {
          // It stores what it has said, for which the project is needed.
          await speaker?.stop()
          await rig.remove()
        })
        const block = page.claim('ts', "  store: 'supabase:',")
        scene.project.write('function.ts', block.replace('maxStreamMs: 50_000', 'maxStreamMs: 1000'))
        scene.project.write('host.ts', HOST)
        const PORT = `${await freePort()}`
        const url = `http://localhost:${PORT}/`
        scene.project.start('node host.ts', { ...rig.env, PORT, LOOMI_SECRET: SECRET })
        await answers(url)
        speaker = new Speaker(createLoomi({ store: await openSupabase({ env: rig.env }) }), 's-42')
        const tab = await openPage(scene.browser, url)
        while ((await cutStreamsOf(tab)) < 4) await goesOn(tab, speaker)
        await showsOnce(tab, await speaker.stop())
        await tab.close()
      },
    )
  })

  it('retention: the database deletes what is old', { skip: lacking(noPostgres) }, async () => {
    const database = new URL(await newDatabase(postgres)).pathname.slice(1)
    const sql = (text: string): Promise<string> => postgres.psql({ sql: text }, { database })
    const events = Array.from({ length: 3 }, () => '{"event_type": "message", "event_data": "Hello"}')
    await sql(`select loomi_append('s-42', 'ada', '[${events.join()}]')`)
    await sql("update loomi_stream_events set stored_at = now() - interval '31 days'")
    // The newest row stays.
    assert.equal((await sql(page.claim('sql', 'select loomi_cleanup('))).trim(), '2')
  })

  it('has no block that no test runs', () => {
    assert.deepEqual(page.unclaimed, [])
  })
})
