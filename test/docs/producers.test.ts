/**
 * The blocks of docs/producers.md, each run by the language's own interpreter, before pages that are open.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Page } from 'puppeteer-core'
import { withoutPostgres } from '../databases/postgres.ts'
import { noChromium } from '../e2e/chromium.ts'
import { DocPage } from './blocks.ts'
import { lacking, noPython } from './needs.ts'
import { becomes, happened, isIn, openPage, SHOWN, until } from './page.ts'
import { type Place, type PlaceName, Places } from './producers-place.ts'
import { tables } from './producers-tables.ts'
import { linkedProject } from './project.ts'
import { setScene } from './scene.ts'
import { readNow, type Received, textsOf } from './wire.ts'

const page = DocPage.read('docs/producers.md')
const AGENT = page.claim('python', 'def say(')
const AGAIN = page.claim('python', 'def append_again(')
const APPENDS: Readonly<Record<PlaceName, string>> = {
  supabase: page.claim('python', 'import json, os, urllib.request'),
  postgres: page.claim('python', 'import json, os, psycopg2'),
}
const noDatabase = withoutPostgres()
const MISSING: Readonly<Record<PlaceName, string | false>> = {
  supabase: lacking(noDatabase, noPython()),
  postgres: lacking(noDatabase, noPython('psycopg2')),
}
const ANSWER = 'Looking at rooms…Found two rooms.'

describe('docs/producers.md', { concurrency: 1 }, () => {
  const scene = setScene(linkedProject)
  let places: Places
  before(async () => {
    if (lacking(noDatabase)) return
    const modules = {
      supabase: `${APPENDS.supabase}\n\n${AGAIN}\n`,
      postgres: `${APPENDS.postgres}\n\n${AGAIN}\n`,
    }
    places = await Places.make(scene.project, modules)
  })
  after(() => places?.remove())

  it('appends in ten lines', () => {
    for (const block of Object.values(APPENDS))
      assert.ok(block.split('\n').filter((line) => line.trim() !== '').length <= 10, block)
  })

  /** The session's events as they are stored. */
  async function eventsIn(place: Place, session: string): Promise<Received[]> {
    const frames = await readNow(`${place.url}/api/loomi`, session, 'user_id=ada&after=0')
    return frames.filter(({ type }) => type === 'event')
  }

  /** What the page has been given since it was loaded: all texts, and in which phases they came. */
  async function shownIn(tab: Page): Promise<{ readonly text: string; readonly phases: string[] }> {
    const { events } = await happened(tab)
    return {
      text: events.map(({ text }) => text).join(''),
      phases: [...new Set(events.map(({ phase }) => phase))],
    }
  }

  for (const name of Object.keys(APPENDS) as PlaceName[])
    it(
      `feeds an open page from Python, ${name === 'supabase' ? 'through PostgREST' : 'in Postgres'}, live and once`,
      { skip: MISSING[name] || lacking(noChromium) },
      async () => {
        const place = places.byName[name]
        const tab = await openPage(scene.browser, `${place.url}/s-42`)
        await isIn(tab, 'live')
        await place.python('agent', AGENT).ends()
        await becomes(tab, `${SHOWN}.includes('rooms.')`)
        assert.deepEqual(await shownIn(tab), { text: ANSWER, phases: ['live'] })
        const drawn = await tab.$eval('loomi-recovery', (element) => element.shadowRoot!.textContent)
        assert.match(drawn, /Looking at rooms…[^]*Found two rooms\./)

        // Whoever does not know whether it was stored sends it again.
        await place.python('agent', AGENT).ends()
        const stored = await eventsIn(place, 's-42')
        assert.equal(stored.length, 5)
        await tab.reload()
        await isIn(tab, 'live')
        assert.equal((await shownIn(tab)).text, ANSWER)
        await tab.close()
      },
    )

  it('feeds an open page from psql', { skip: lacking(noDatabase, noChromium) }, async () => {
    const place = places.byName.postgres
    const tab = await openPage(scene.browser, `${place.url}/s-42`)
    await isIn(tab, 'live')
    const before = (await eventsIn(place, 's-42')).length
    const psql = page.claim('sh', 'psql "$DATABASE_URL"')
    await scene.project.start(psql, place.env).ends()
    await becomes(tab, `${SHOWN}.includes('The prices are new.')`)
    await scene.project.start(psql, place.env).ends()
    assert.equal((await eventsIn(place, 's-42')).length, before + 2)
    await tab.reload()
    await isIn(tab, 'live')
    assert.equal((await shownIn(tab)).text.split('The prices are new.').length, 2)
    await tab.close()
  })

  it('hears in Python that a user has stopped the answer', { skip: MISSING.postgres }, async () => {
    const place = places.byName.postgres
    const [statement] = /select loomi_stop\('s-42'\)/.exec(page.text)!
    const begin = `from loomi import append
print(append('s-42', 'ada', {'run_id': 'stopped', 'n': 1, 'event_type': 'thought', 'event_data': 'Hm'})['ok'])`
    assert.equal(await place.python('begin', begin).ends(), 'True\n')
    await scene.project.start(`psql "$DATABASE_URL" -c "${statement}"`, place.env).ends()
    const more = AGENT.replaceAll('answer-1', 'stopped').replace(
      '        break',
      '        print(answer, n)\n        break',
    )
    const said = await place.python('stopped', more).ends()
    assert.equal(said, "{'ok': False, 'code': 'run_stopped', 'runId': 'stopped'} 2\n")
  })

  // Before any outage: after one every process gives all producers the time of a lease to renew theirs.
  it('ends an answer whose lease has lapsed as interrupted', { skip: lacking(noDatabase) }, async () => {
    const place = places.byName.postgres
    const event = `{"event_type": "thought", "event_data": "Hm"}`
    await places.sql(`select loomi_append('s-lease', 'ada', '${event}', 100)`)
    await until(async () => {
      const last = (await eventsIn(place, 's-lease')).at(-1)
      return last?.type === 'event' && last.content_type === 'interrupted'
    }, 'the interruption')
  })

  for (const name of Object.keys(APPENDS) as PlaceName[])
    it(
      `tries again until the ${name} database is back, and stores once`,
      { skip: MISSING[name] },
      async () => {
        const place = places.byName[name]
        const away = `import json, os, time
from loomi import append, append_again
def event(n): return {'run_id': 'away', 'n': n, 'event_type': 'message', 'event_data_json': json.dumps(f'{n}.')}
append('s-away', 'ada', event(1))
print('one', flush=True)
while not os.path.exists('${name}/away'): time.sleep(0.02)
print(len(append_again('s-away', 'ada', event(1), event(2))['added']), flush=True)`
        const program = place.python('away', away)
        await program.prints(/one/)
        if (name === 'supabase') await places.rig.stopServer()
        else await places.postgres.stop()
        scene.project.write(`${name}/away`, '')
        await delay(500) // long enough for a try in vain
        if (name === 'supabase') await places.rig.startServer()
        else await places.postgres.start()
        await program.prints(/one\n1\n/)
        await until(async () => textsOf(await eventsIn(place, 's-away')) === '1.2.', 'both are there')
      },
    )

  it(
    'tries again what may pass by itself, and nothing that is refused',
    { skip: MISSING.postgres },
    async () => {
      const program = `import loomi
loomi.time.sleep = lambda seconds: None
def tries(name, code):
    calls = []
    def append(*arguments):
        calls.append(arguments)
        if len(calls) > 1: return {}
        error = Exception()
        setattr(error, name, code)
        raise error
    loomi.append = append
    try: loomi.append_again('s-42', 'ada')
    except Exception: pass
    return len(calls)
print(*(tries('code', code) for code in (408, 429, 500, 503, 400, 401, 403)))
print(*(tries('pgcode', code) for code in ('40001', '40P01', '57P01', None, '42501', '23514')))`
      const said = await places.byName.postgres.python('again', program).ends()
      assert.equal(said, '2 2 2 2 1 1 1\n2 2 2 2 1 1\n')
    },
  )

  for (const name of Object.keys(APPENDS) as PlaceName[])
    it(
      `carries text with U+0000 and half a character to the letter: ${name}`,
      { skip: MISSING[name] },
      async () => {
        const place = places.byName[name]
        const program = `import json
from loomi import append
append('s-text', 'ada', {'event_type': 'message', 'event_data_json': json.dumps('a\\0b \\ud83c 🌱')})`
        await place.python('text', program).ends()
        assert.equal(textsOf(await eventsIn(place, 's-text')), 'a\0b \ud83c 🌱')
      },
    )

  describe('its tables', () => tables(page, () => places))

  const missing = lacking(noDatabase, noChromium)
  it('has no block that no test runs', { skip: missing }, () => {
    assert.deepEqual(page.unclaimed, [])
  })
})
