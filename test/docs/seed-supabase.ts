/**
 * The blocks of docs/from-the-seed.md that are about a Supabase project and an agent that stays in Python.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { withoutPostgres } from '../databases/postgres.ts'
import { SupabaseRig } from '../databases/supabase.ts'
import { noChromium } from '../e2e/chromium.ts'
import { DocPage } from './blocks.ts'
import { lacking, noPython, PYTHON } from './needs.ts'
import { answers, becomes, happened, openPage, SHOWN } from './page.ts'
import { freePort, type Program } from './project.ts'
import type { Scene } from './scene.ts'

/** What the seed's agent has around the method; its own stream is standard output. `# override` stands for the block. */
const AGENT = `import asyncio, json, logging, sys, uuid
from concurrent.futures import ThreadPoolExecutor
from loomi import append_again

class PlainAgent:
    logger = logging.getLogger('agent')

    def __init__(self, session_id, user_id, agent_name):
        self.session_id, self.user_id, self.agent_name = session_id, user_id, agent_name

    async def emit_loomi_event(self, event_type, content_type, data, metadata=None):
        print(content_type, data, flush=True)

# override

async def main(session_id):
    agent = BaseLoomiAgent(session_id, 'user123', 'concierge')
    await agent.emit_loomi_event('llm_chunk', 'thought', 'Looking at rooms…')
    for n in range(1, 6):
        await agent.emit_loomi_event('llm_chunk', 'concierge_message', f'Room {n}.', {'floor': n})
    await agent.emit_loomi_event('run_end', 'complete', {'status': 'complete'})

asyncio.run(main(sys.argv[1]))
`
const TEXTS = ['Looking at rooms…', 'Room 1.', 'Room 2.', 'Room 3.', 'Room 4.', 'Room 5.']

/** The suite; the scene's project has the page's app. */
export function onSupabase(page: DocPage, scene: Scene): void {
  describe('in a Supabase project, with an agent in Python', () => {
    const skip = lacking(withoutPostgres(), noChromium, noPython())
    const migrate = page.claim('sh', 'cat node_modules/loomi-recovery/migrations/*.sql')
    const override = page.claim('python', 'class BaseLoomiAgent(')
    let rig: SupabaseRig
    let url = ''
    before(async () => {
      if (skip) return
      rig = await SupabaseRig.start({ migrate: false })
      await scene.project.start(migrate, { DATABASE_URL: rig.ownerUrl }).ends()
      const producers = DocPage.read('docs/producers.md')
      const append = producers.claim('python', 'import json, os, urllib.request')
      const again = producers.claim('python', 'def append_again(')
      scene.project.write('loomi.py', `${append}\n${again}\n`)
      scene.project.write(
        'agent.py',
        AGENT.replace('# override', () => override),
      )
      const PORT = `${await freePort()}`
      url = `http://localhost:${PORT}`
      scene.project.start('node app.ts', { ...rig.env, PORT })
      await answers(`${url}/tags/none`)
    })
    after(() => rig?.remove())

    /** Starts the agent and waits until its own stream has everything. */
    async function emitAll(session: string): Promise<Program> {
      const agent = scene.project.start(`${PYTHON} -B agent.py ${session}`, rig.env)
      await agent.prints(/Looking at rooms…[^]*Room 5\.[^]*complete/)
      return agent
    }

    it('shows what the overridden method emits, live', { skip }, async () => {
      const tab = await openPage(scene.browser, `${url}/tags/python`)
      const agent = await emitAll('python')
      await becomes(tab, `${SHOWN}.includes('Room 5.')`)
      const { events } = await happened(tab)
      assert.equal(events.map(({ text }) => text).join(''), TEXTS.join(''))
      const words = await tab.$eval('loomi-recovery', (element) => element.shadowRoot!.textContent)
      assert.match(words, new RegExp(TEXTS.join('[^]*')))
      await agent.ends()
      await tab.close()
    })

    it(
      'keeps the agent’s own stream going while the storage fails, and stores it all afterwards',
      { skip },
      async () => {
        await rig.stopServer()
        const agent = await emitAll('away')
        await delay(500) // long enough to try in vain
        await rig.startServer()
        await agent.ends()
        const tab = await openPage(scene.browser, `${url}/tags/away`)
        await becomes(tab, `${SHOWN}.includes('Room 5.')`)
        const { events } = await happened(tab)
        assert.equal(events.map(({ text }) => text).join(''), TEXTS.join(''))
        await tab.close()
      },
    )

    it('takes ten lines', () => {
      assert.ok(override.split('\n').slice(1).length <= 10)
    })
  })
}
