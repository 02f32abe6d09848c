/**
 * README's commands.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { DocPage } from './blocks.ts'
import { commandsOf, freePort, Program, root } from './project.ts'
import type { Scene } from './scene.ts'
import { framesOf, readNow, textsOf } from './wire.ts'

/** The suite. */
export function commands(readme: DocPage, scene: Scene): void {
  describe('its commands', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }

    it('npm start serves the demo and prints one URL', async () => {
      assert.equal(readme.claim('sh', 'npm start'), 'npm start')
      assert.equal(manifest.scripts['start'], 'node scripts/start.mjs')
      const hadLog = existsSync(join(root, '.loomi'))
      const demo = new Program('npm start', root, { PORT: `${await freePort()}` })
      try {
        const [url] = await demo.prints(/http:\/\/localhost:\d+/, 60_000)
        const page = await fetch(url)
        assert.equal(page.status, 200)
        assert.match(await page.text(), /<!doctype html>/i)
        assert.equal(demo.output.match(/https?:/g)!.length, 1, demo.output)
      } finally {
        await demo.end()
        if (!hadLog) rmSync(join(root, '.loomi'), { recursive: true, force: true })
      }
    })

    it('npm test is there, for the three engines that the page names', async () => {
      assert.equal(readme.claim('sh', 'npm test'), 'npm test')
      assert.equal(manifest.scripts['test'], 'node scripts/test.mjs')
      const text = readFileSync(join(root, 'scripts/browsers.mjs'), 'utf8')
      const engines = JSON.parse(/ENGINES = (\[.*\])/.exec(text)![1]!.replaceAll("'", '"')) as string[]
      const named = /The tests run in (\w+), (\w+) and (\w+):/.exec(readme.text)!.slice(1)
      assert.deepEqual(
        named.map((name) => name.toLowerCase()),
        engines,
      )
    })

    it('serve, feed and curl show a stream live, and every id is a cursor to come back with', async () => {
      const port = await freePort()
      const base = `http://localhost:${port}/api/loomi`
      const [serveCommand, feedCommand] = commandsOf(readme.claim('sh', 'npx loomi-recovery serve'), port)
      const [beat, stream] = commandsOf(readme.claim('sh', 'curl -X POST'), port)
      const chunks = [
        { reasoning_content: 'Two beds ' },
        { reasoning_content: 'or one?' },
        { content: 'Two.' },
      ]
      const lines = chunks.map((delta) =>
        JSON.stringify({ object: 'chat.completion.chunk', choices: [{ delta }] }),
      )
      scene.project.write('chunks.jsonl', `${lines.join('\n')}\n`)

      const server = scene.project.start(serveCommand!)
      await server.prints(new RegExp(base))
      assert.match(await scene.project.start(beat!).ends(), /^\{"success":true,/)
      const reading = scene.project.start(stream!)
      await reading.prints(/"type":"no_replay"/)
      await scene.project.start(feedCommand!).ends()
      await reading.prints(/"run_end"/)
      const frames = framesOf(reading.output)
      assert.equal(textsOf(frames, 'thought'), 'Two beds or one?')
      assert.equal(textsOf(frames, 'message'), 'Two.')

      const events = frames.filter(({ type }) => type === 'event')
      for (const [at, { id }] of events.entries()) {
        const rest = events.slice(at + 1).map((event) => event.id)
        const query = `user_id=ada&after=${id}`
        for (const come of [
          readNow(base, 's-42', query),
          readNow(base, 's-42', 'user_id=ada', { 'Last-Event-ID': id! }),
        ]) {
          assert.deepEqual(
            (await come).filter(({ type }) => type === 'event').map((event) => event.id),
            rest,
          )
        }
      }
    })
  })
}
